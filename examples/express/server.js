// Express with pg: orders for whoever has a key, and keys for whoever has the operator's token.
//
//     DATABASE_URL=postgresql://shop_gateway@... ADMIN_DATABASE_URL=postgresql://shop_admin@... \
//     OPERATOR_TOKEN=... PORT=8080 node server.js

import { createHash, timingSafeEqual } from 'node:crypto';
import express from 'express';
import pg from 'pg';

const gateway = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const admin = new pg.Pool({ connectionString: process.env.ADMIN_DATABASE_URL });
const app = express();

// One transaction on one connection of the pool.
async function transaction(pool, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((lost) => { broken = lost; });
    throw error;
  } finally {
    client.release(broken);
  }
}

// A request that was not valid: what the client is told.
class Refused extends Error {
  constructor(status, headers = {}) {
    super({ 401: 'unauthorized', 403: 'forbidden', 429: 'too many requests' }[status]);
    Object.assign(this, { status, headers });
  }
}

// One transaction for the key that came with the request; its row-level security goes by that key.
function asKey(api, req, res, work) {
  return transaction(gateway, async (client) => {
    const { rows: [verdict] } = await client.query(
      `SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers
         FROM apikeys.authenticate($1, $2, $3) AS v`,
      [req.get('Authorization') || req.get('X-API-Key'), api, req.ip]);
    if (!verdict.valid) throw new Refused(verdict.http_status, verdict.headers);
    res.set(verdict.headers);
    return work(client);
  });
}

app.get('/orders', async (req, res) => {
  const { rows } = await asKey('data', req, res,
    (client) => client.query('SELECT order_id, item FROM shop.orders ORDER BY order_id'));
  res.json({ orders: rows });
});

// Management: another role of the database, and an operator, never a key. The token stands for your sign-in.
const digest = (text) => createHash('sha256').update(text).digest();

function asOperator(req, work) {
  if (!timingSafeEqual(digest(req.get('X-Operator-Token') ?? ''), digest(process.env.OPERATOR_TOKEN))) throw new Refused(401);
  return transaction(admin, async (client) => {
    await client.query('SELECT apikeys.act_as($1)', ['ann@example.com']); // who it is in the audit log
    return work(client);
  });
}

app.post('/keys', express.json(), async (req, res) => {
  const { name, apis, workspace } = req.body;
  const { rows: [key] } = await asOperator(req, (client) => client.query(
    'SELECT key_id, name, key FROM apikeys.create_key($1, $2, workspace => $3)', [name, apis, workspace]));
  res.status(201).set('Cache-Control', 'no-store').json(key);
});

app.delete('/keys/:key_id', async (req, res) => {
  const { rows: [key] } = await asOperator(req, (client) => client.query(
    'SELECT key_id, state FROM apikeys.archive_key($1)', [req.params.key_id]));
  res.json(key);
});

// SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
const STATUS = { 42704: 404, 42501: 403, 23514: 400,
  23505: 409, 42710: 409, '2BP01': 409, 55000: 409, 40001: 409 };

app.use((error, req, res, next) => {
  if (error instanceof Refused) return res.status(error.status).set(error.headers).json({ error: error.message });
  const known = error instanceof pg.DatabaseError;
  const status = known ? (error.code.startsWith('22') ? 400 : STATUS[error.code] ?? 500) : error.status ?? 500;
  if (status >= 500) {
    console.error(error);
    return res.status(status).json({ error: 'internal error' });
  }
  // its messages are for people, and quote no secret
  return res.status(status).json({ error: error.message, hint: error.hint ?? null, field: error.column ?? null });
});

app.listen(Number(process.env.PORT), '127.0.0.1');
