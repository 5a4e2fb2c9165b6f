// test/bench/peers.mjs: one Node process, one PostgreSQL, four connections: better-auth's verifyApiKey, validate_key through
// pg, and SELECT 1. Prints "arm rate" for each round. ./peers runs it, and tells it by PGHOST, PGUSER and the arguments where:
//     node peers.mjs DATABASE ROUNDS SECONDS
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { apiKey } from '@better-auth/api-key';
import pg from 'pg';

const [database, rounds, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const pool = new pg.Pool({ database, max: 4 });
const auth = betterAuth({
	database: pool,
	secret: 'a secret of the benchmark, at least 32 characters',
	baseURL: 'http://localhost',
	logger: { disabled: true },
	emailAndPassword: { enabled: true },
	plugins: [apiKey({ rateLimit: { enabled: true, timeWindow: 60000, maxRequests: 1000000000 } })],
});

await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({ body: { email: 'ann@example.com', password: 'correct horse battery', name: 'Ann' } });
const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: 'bench' } });
const ours = (await pool.query("SELECT key FROM apikeys.create_key('node', '{data}', rate_limit => 1000000000, rate_window => '1 minute')")).rows[0].key;

const must = (valid) => { if (!valid) throw new Error('a key is not valid'); };
const arms = {
	'SELECT 1': async () => { await pool.query({ name: 'one', text: 'SELECT 1' }); },
	'validate_key': async () => {
		const { rows } = await pool.query({
			name: 'validate', text: "SELECT * FROM apikeys.validate_key($1, 'data')", values: [ours] });
		must(rows[0].valid);
	},
	'verifyApiKey': async () => { must((await auth.api.verifyApiKey({ body: { key } })).valid); },
};

for (let round = 0; round <= rounds; round++) {
	for (const [name, call] of Object.entries(arms)) {
		const until = performance.now() + seconds * 1000;
		let calls = 0;
		await Promise.all(Array.from({ length: 4 }, async () => {
			while (performance.now() < until) { await call(); calls++; }
		}));
		if (round > 0) console.log(`${name}\t${Math.round(calls / seconds)}`);
	}
}
await pool.end();
