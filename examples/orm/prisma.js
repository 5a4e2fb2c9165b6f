// Prisma 6 with its driver adapter for pg. $queryRaw with a template binds; what it sends as text needs a cast.

import { PrismaPg } from '@prisma/adapter-pg';
import prisma from '@prisma/client';
import { Refused } from './refused.js';

const { PrismaClient } = prisma;
const gateway = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) });
const admin = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.ADMIN_DATABASE_URL }) });

// One transaction, for the key that came with the request; its row-level security goes by that key.
export function orders(credentials, client) {
  return gateway.$transaction(async (tx) => {
    const [verdict] = await tx.$queryRaw`
      SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers FROM apikeys.authenticate(${credentials}, 'data', ${client}) AS v`;
    if (!verdict.valid) throw new Refused(verdict.http_status, verdict.headers);
    return { headers: verdict.headers, orders: await tx.order.findMany({ select: { order_id: true, item: true }, orderBy: { order_id: 'asc' } }) };
  });
}

// Management: another role of the database; actor is who it is in the audit log.
function manage(actor, work) {
  return admin.$transaction(async (tx) => {
    await tx.$queryRaw`SELECT apikeys.act_as(${actor})`;
    return work(tx);
  });
}

export async function listKeys(actor, workspace) {
  // Prisma reads no interval (UnsupportedNativeDataType), and a Date has lost the microseconds of updated_at: both as text.
  const rows = await manage(actor, (tx) => tx.$queryRaw`
    SELECT k.key_id, k.name, k.apis, k.allowed_cidrs, k.rate_window::text, k.quota, k.metadata, k.updated_at::text,
           (SELECT u.last_client FROM apikeys.key_usage u WHERE u.key_id = k.key_id AND u.last_client IS NOT NULL LIMIT 1)
      FROM apikeys.list_keys(workspace => ${workspace}) AS k`);
  return rows.map((row) => ({ ...row, quota: row.quota?.toString() ?? null })); // a BigInt, which JSON does not know
}

export async function createKey(actor, { workspace, name, apis }) {
  return (await manage(actor, (tx) => tx.$queryRaw`
    SELECT key_id, name, key FROM apikeys.create_key(${name}, ${apis}, workspace => ${workspace})`))[0];
}

export async function updateKey(actor, keyId, { apis, rate_limit, rate_window, allowed_cidrs, metadata, if_updated_at }) {
  return (await manage(actor, (tx) => tx.$queryRaw`
    SELECT key_id, updated_at::text
      FROM apikeys.update_key(${keyId}::uuid, apis => ${apis}, rate_limit => ${rate_limit}, rate_window => ${rate_window}::interval,
             allowed_cidrs => ${allowed_cidrs}, metadata => ${metadata}::jsonb, if_updated_at => ${if_updated_at}::timestamptz)`))[0];
}

export async function archiveKey(actor, keyId) {
  return (await manage(actor, (tx) => tx.$queryRaw`SELECT key_id, state FROM apikeys.archive_key(${keyId}::uuid)`))[0];
}

// P2010 has the driver's error far within. Of a 23505, a 22001, a 22003 and a 40001 Prisma keeps neither column nor hint.
export function databaseError(error) {
  const cause = error.meta?.driverAdapterError?.cause;
  return cause && { code: cause.originalCode, message: cause.originalMessage, hint: cause.hint, column: cause.column };
}
