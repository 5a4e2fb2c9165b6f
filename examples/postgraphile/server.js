// PostGraphile as a library: a GraphQL request is one transaction, for the key that came with it.
//
//     DATABASE_URL=postgresql://shop_gateway@... ADMIN_DATABASE_URL=postgresql://shop_admin@... \
//     OPERATOR_TOKEN=... PORT=8080 node server.js

import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { graphql } from 'graphql';
import pg from 'pg';
import postgraphile from 'postgraphile';

const { createPostGraphileSchema, withPostGraphileContext } = postgraphile;
const gateway = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const admin = new pg.Pool({ connectionString: process.env.ADMIN_DATABASE_URL });
const schema = await createPostGraphileSchema(gateway, 'shop');
const management = await createPostGraphileSchema(admin, 'shop_manage');

const REFUSED = { 401: 'unauthorized', 403: 'forbidden', 429: 'too many requests' };
const refused = (status, headers = {}) => ({ status, headers, body: { errors: [{ message: REFUSED[status] }] } });

// SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
const STATUS = { 42704: 404, 42501: 403, 23514: 400,
  23505: 409, 42710: 409, '2BP01': 409, 55000: 409, 40001: 409 };

function answer({ data, errors = [] }, headers) {
  if (errors.length === 0) return { status: 200, headers, body: { data } };
  const sqlstate = errors[0].originalError?.code;
  // without a path nothing was executed: the query or its variables were wrong
  const status = !errors[0].path || sqlstate?.startsWith('22') ? 400 : STATUS[sqlstate] ?? 500;
  if (status === 500) {
    console.error(errors[0].originalError);
    return { status, headers, body: { errors: [{ message: 'internal error' }] } };
  }
  return { status, headers, body: { data, errors: errors.map(({ message, originalError }) => (
    { message, hint: originalError?.hint ?? null, field: originalError?.column ?? null })) } };
}

// pgForceTransaction: else a query that changes nothing would run outside of a transaction, without its key.
const inTransaction = (pgPool, work) => withPostGraphileContext({ pgPool, pgForceTransaction: true }, work);

const asKey = (api, req, { query, variables }) => inTransaction(gateway, async (context) => {
  const { rows: [verdict] } = await context.pgClient.query(
    `SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers
       FROM apikeys.authenticate($1, $2, $3) AS v`,
    [req.headers.authorization || req.headers['x-api-key'], api, req.socket.remoteAddress]);
  if (!verdict.valid) return refused(verdict.http_status, verdict.headers);
  return answer(await graphql(schema, query, null, context, variables), verdict.headers);
});

// Management: another role of the database, and an operator, never a key. The token stands for your sign-in.
const digest = (text) => createHash('sha256').update(text).digest();

async function asOperator(req, { query, variables }) {
  if (!timingSafeEqual(digest(req.headers['x-operator-token'] ?? ''), digest(process.env.OPERATOR_TOKEN))) return refused(401);
  return inTransaction(admin, async (context) => {
    await context.pgClient.query('SELECT apikeys.act_as($1)', ['ann@example.com']); // who it is in the audit log
    return answer(await graphql(management, query, null, context, variables), { 'Cache-Control': 'no-store' });
  });
}

async function respond(req) {
  req.setEncoding('utf8');
  let text = '';
  for await (const part of req) {
    text += part;
    if (text.length > 100_000) return { status: 413, headers: {}, body: { errors: [{ message: 'too long' }] } };
  }
  let request;
  try { request = JSON.parse(text) ?? {}; } catch { request = {}; }
  if (req.method === 'POST' && req.url === '/graphql') return asKey('data', req, request);
  if (req.method === 'POST' && req.url === '/manage') return asOperator(req, request);
  return { status: 404, headers: {}, body: { errors: [{ message: 'not found' }] } };
}

createServer(async (req, res) => {
  const { status, headers, body } = await respond(req).catch((error) => {
    console.error(error);
    return { status: 500, headers: {}, body: { errors: [{ message: 'internal error' }] } };
  });
  res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
}).listen(Number(process.env.PORT), '127.0.0.1');
