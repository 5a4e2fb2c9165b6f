// Drizzle on pg. In its templates a value becomes a parameter; an array becomes a list of parameters, unless it stands in sql.param().

import pg from 'pg';
import { asc, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgSchema, text } from 'drizzle-orm/pg-core';
import { Refused } from './refused.js';

const gateway = drizzle(new pg.Pool({ connectionString: process.env.DATABASE_URL }));
const admin = drizzle(new pg.Pool({ connectionString: process.env.ADMIN_DATABASE_URL }));

const shopOrders = pgSchema('shop').table('orders', { order_id: integer('order_id').primaryKey(), item: text('item').notNull() });

// One transaction, for the key that came with the request; its row-level security goes by that key.
export function orders(credentials, client) {
  return gateway.transaction(async (tx) => {
    const { rows: [verdict] } = await tx.execute(sql`
      SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers FROM apikeys.authenticate(${credentials}, 'data', ${client}) AS v`);
    if (!verdict.valid) throw new Refused(verdict.http_status, verdict.headers);
    return { headers: verdict.headers, orders: await tx.select().from(shopOrders).orderBy(asc(shopOrders.order_id)) };
  });
}

// Management: another role of the database; actor is who it is in the audit log.
function manage(actor, statement) {
  return admin.transaction(async (tx) => {
    await tx.execute(sql`SELECT apikeys.act_as(${actor})`);
    return (await tx.execute(statement)).rows;
  });
}

export function listKeys(actor, workspace) {
  return manage(actor, sql`
    SELECT k.key_id, k.name, k.apis, k.allowed_cidrs, k.rate_window, k.quota, k.metadata, k.updated_at,
           (SELECT u.last_client FROM apikeys.key_usage u WHERE u.key_id = k.key_id AND u.last_client IS NOT NULL LIMIT 1)
      FROM apikeys.list_keys(workspace => ${workspace}) AS k`);
}

export async function createKey(actor, { workspace, name, apis }) {
  return (await manage(actor, sql`
    SELECT key_id, name, key FROM apikeys.create_key(${name}, ${sql.param(apis)}, workspace => ${workspace})`))[0];
}

export async function updateKey(actor, keyId, { apis, rate_limit, rate_window, allowed_cidrs, metadata, if_updated_at }) {
  return (await manage(actor, sql`
    SELECT key_id, updated_at
      FROM apikeys.update_key(${keyId}, apis => ${sql.param(apis)}, rate_limit => ${rate_limit}, rate_window => ${rate_window},
             allowed_cidrs => ${sql.param(allowed_cidrs)}, metadata => ${metadata && JSON.stringify(metadata)},
             if_updated_at => ${if_updated_at})`))[0];
}

export async function archiveKey(actor, keyId) {
  return (await manage(actor, sql`SELECT key_id, state FROM apikeys.archive_key(${keyId})`))[0];
}

// A DrizzleQueryError has the statement and its parameters in its message: log what it was caused by, never itself.
export const databaseError = (error) => error.cause;
