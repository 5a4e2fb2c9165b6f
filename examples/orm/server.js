// Orders for whoever has a key, and keys for whoever has the operator's token, through an ORM: sequelize.js, drizzle.js or prisma.js.
//
//     npm ci && npm run generate
//     DATABASE_URL=postgresql://shop_gateway@... ADMIN_DATABASE_URL=postgresql://shop_admin@... \
//     OPERATOR_TOKEN=... PORT=8080 node server.js sequelize
//
// What is of the ORM stands in its file: each exports the same functions. This one is HTTP.

import { createServer } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';
import { Refused } from './refused.js';

const orm = await import(`./${process.argv[2]}.js`);
const digest = (text) => createHash('sha256').update(text ?? '').digest();

// The token stands for your sign-in. Whom it names is in the audit log.
function operator(request) {
  if (!timingSafeEqual(digest(request.headers['x-operator-token']), digest(process.env.OPERATOR_TOKEN))) throw new Refused(401);
  return 'ann@example.com';
}

// The fields of the body; what is not there is null, never undefined, of which each ORM makes something else.
async function fieldsOf(request, fields) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = JSON.parse(Buffer.concat(parts));
  return Object.fromEntries(fields.map((field) => [field, body[field] ?? null]));
}
const NEW = ['workspace', 'name', 'apis'];
const CHANGES = ['apis', 'rate_limit', 'rate_window', 'allowed_cidrs', 'metadata', 'if_updated_at'];

async function route(request) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const keyId = pathname.match(/^\/keys\/([^/]+)$/)?.[1];
  switch (`${request.method} ${keyId ? '/keys/:id' : pathname}`) {
    case 'GET /orders': {
      const credentials = request.headers.authorization || request.headers['x-api-key'];
      const { headers, orders } = await orm.orders(credentials ?? null, request.socket.remoteAddress);
      return [200, { orders }, headers];
    }
    case 'GET /keys':
      return [200, { keys: await orm.listKeys(operator(request), searchParams.get('workspace')) }];
    case 'POST /keys':
      return [201, await orm.createKey(operator(request), await fieldsOf(request, NEW)), { 'Cache-Control': 'no-store' }];
    case 'PATCH /keys/:id':
      return [200, await orm.updateKey(operator(request), keyId, await fieldsOf(request, CHANGES))];
    case 'DELETE /keys/:id':
      return [200, await orm.archiveKey(operator(request), keyId)];
    default:
      return [404, { error: 'not found' }];
  }
}

// SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
const STATUS = { 42704: 404, 42501: 403, 23514: 400, 23505: 409, 42710: 409, '2BP01': 409, 55000: 409, 40001: 409 };
const TEXT = { 401: 'unauthorized', 403: 'forbidden', 429: 'too many requests' };

function failed(error) {
  if (error instanceof Refused) return [error.status, { error: TEXT[error.status] }, error.headers];
  const told = orm.databaseError(error); // as PostgreSQL said it: code, message, hint, column
  const status = told?.code?.startsWith('22') ? 400 : STATUS[told?.code] ?? 500;
  if (status === 500) {
    console.error(told?.message ?? error); // the ORM's own error has the parameters in it
    return [500, { error: 'internal error' }];
  }
  return [status, { error: told.message, hint: told.hint ?? null, field: told.column ?? null }];
}

createServer(async (request, response) => {
  const [status, body, headers] = await route(request).catch(failed);
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}).listen(process.env.PORT, '127.0.0.1');
