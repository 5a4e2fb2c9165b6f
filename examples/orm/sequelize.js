// Sequelize 6. Every statement of a transaction needs { transaction }; bind, never replacements, which paste values into the text.

import { DataTypes, QueryTypes, Sequelize } from 'sequelize';
import { Refused } from './refused.js';

const gateway = new Sequelize(process.env.DATABASE_URL, { logging: false });
const admin = new Sequelize(process.env.ADMIN_DATABASE_URL, { logging: false });

const Order = gateway.define('order', { order_id: { type: DataTypes.INTEGER, primaryKey: true }, item: DataTypes.TEXT },
  { schema: 'shop', tableName: 'orders', timestamps: false });

// One transaction, for the key that came with the request; its row-level security goes by that key.
export function orders(credentials, client) {
  return gateway.transaction(async (transaction) => {
    const [verdict] = await gateway.query(
      `SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers FROM apikeys.authenticate($1, 'data', $2) AS v`,
      { bind: [credentials, client], type: QueryTypes.SELECT, transaction });
    if (!verdict.valid) throw new Refused(verdict.http_status, verdict.headers);
    const found = await Order.findAll({ order: ['order_id'], attributes: ['order_id', 'item'], raw: true, transaction });
    return { headers: verdict.headers, orders: found };
  });
}

// Management: another role of the database; actor is who it is in the audit log.
function manage(actor, statement, bind) {
  return admin.transaction(async (transaction) => {
    await admin.query('SELECT apikeys.act_as($1)', { bind: [actor], transaction });
    return admin.query(statement, { bind, type: QueryTypes.SELECT, transaction });
  });
}

export function listKeys(actor, workspace) {
  // An interval would come as an object of parts; updated_at as a Date, which has lost the microseconds. A bigint is a string.
  return manage(actor,
    `SELECT k.key_id, k.name, k.apis, k.allowed_cidrs, k.rate_window::text, k.quota, k.metadata, k.updated_at::text AS updated_at,
            (SELECT u.last_client FROM apikeys.key_usage u WHERE u.key_id = k.key_id AND u.last_client IS NOT NULL LIMIT 1)
       FROM apikeys.list_keys(workspace => $1) AS k`, [workspace]);
}

export async function createKey(actor, { workspace, name, apis }) {
  return (await manage(actor, 'SELECT key_id, name, key FROM apikeys.create_key($1, $2, workspace => $3)', [name, apis, workspace]))[0];
}

export async function updateKey(actor, keyId, { apis, rate_limit, rate_window, allowed_cidrs, metadata, if_updated_at }) {
  return (await manage(actor,
    `SELECT key_id, updated_at::text AS updated_at
       FROM apikeys.update_key($1, apis => $2, rate_limit => $3, rate_window => $4, allowed_cidrs => $5, metadata => $6, if_updated_at => $7)`,
    [keyId, apis, rate_limit, rate_window, allowed_cidrs, metadata && JSON.stringify(metadata), if_updated_at]))[0];
}

export async function archiveKey(actor, keyId) {
  return (await manage(actor, 'SELECT key_id, state FROM apikeys.archive_key($1)', [keyId]))[0];
}

// Sequelize makes errors of its own of some, such as UniqueConstraintError; the driver's is always within.
export const databaseError = (error) => error.original;
