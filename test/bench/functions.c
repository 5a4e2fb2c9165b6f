/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  What the benchmark needs in the server: secrets to load and to send, a
 *	  function that does nothing, hashes as an attacker chooses them, and a
 *	  look-up as one would write it in C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pure/token.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(bench_constant);
PG_FUNCTION_INFO_V1(bench_mark);
PG_FUNCTION_INFO_V1(bench_make);
PG_FUNCTION_INFO_V1(bench_secret);
PG_FUNCTION_INFO_V1(bench_by_spi);
PG_FUNCTION_INFO_V1(bench_chosen);

/* constant(text) -> boolean: what any function in C costs */
Datum
bench_constant(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/* mark() -> void: where callgrind begins to count anew */
Datum
bench_mark(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

/* make(bigint) -> text: the secret of that number, of our shape and with its checksum */
Datum
bench_make(PG_FUNCTION_ARGS)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint64 state = (uint64) PG_GETARG_INT64(0);
	char secret[3 + AK_RANDOM_LEN + AK_CHECKSUM_LEN] = "ak_";

	for (int i = 0; i < AK_RANDOM_LEN; i++)
	{
		uint64 z = (state += UINT64CONST(0x9e3779b97f4a7c15));

		/* splitmix64 */
		z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
		secret[3 + i] = digits[(z ^ (z >> 31)) % 62];
	}
	ak_token_checksum(secret, 3 + AK_RANDOM_LEN, secret + 3 + AK_RANDOM_LEN);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(secret, sizeof(secret)));
}

/* One step of the mixing in PostgreSQL's hash_bytes() */
#define STEP(x, y, z, bits) ((x) -= (z), (x) ^= pg_rotate_left32(z, bits), (z) += (y))

/*
 * chosen(hash bytea, n bigint) -> bytea: the n-th of 2^63 values of 32 bytes
 * that hash_bytes(), by which hash indexes find, takes for this one.
 *
 * It mixes the first 12 bytes and then adds the next 12 to what came out:
 * whatever the first are, the next can be chosen so that the sum is the same.
 */
Datum
bench_chosen(PG_FUNCTION_ARGS)
{
	bytea *hash = PG_GETARG_BYTEA_PP(0);
	bytea *result = palloc(VARHDRSZ + 32);
	uint64 n = (uint64) PG_GETARG_INT64(1);
	uint32 w[8];
	uint32 s[2][3]; /* the states after the first 12 bytes of the hash, then of the result */

	if (VARSIZE_ANY_EXHDR(hash) != sizeof(w))
		elog(ERROR, "a hash has 32 bytes");
	memcpy(w, VARDATA_ANY(hash), sizeof(w));
	for (int which = 0; which < 2; which++)
	{
		uint32 a = 0x9e3779b9 + 32 + 3923095 + w[0];
		uint32 b = 0x9e3779b9 + 32 + 3923095 + w[1];
		uint32 c = 0x9e3779b9 + 32 + 3923095 + w[2];

		STEP(a, b, c, 4);
		STEP(b, c, a, 6);
		STEP(c, a, b, 8);
		STEP(a, b, c, 16);
		STEP(b, c, a, 19);
		STEP(c, a, b, 4);
		s[which][0] = a;
		s[which][1] = b;
		s[which][2] = c;
		w[0] = (uint32) n;
		w[1] = (uint32) (n >> 32);
	}
	for (int i = 0; i < 3; i++)
		w[3 + i] += s[0][i] - s[1][i];
	SET_VARSIZE(result, VARHDRSZ + sizeof(w));
	memcpy(VARDATA(result), w, sizeof(w));
	PG_RETURN_BYTEA_P(result);
}

/*
 * secret(integer) -> text, secret_bytes(integer) -> bytea: the n-th secret of
 * the sample, from memory, so that a load generator without arrays can send
 * another one each time at next to no cost.
 */
Datum
bench_secret(PG_FUNCTION_ARGS)
{
	static Datum *secrets = NULL;
	static uint32 count = 0;

	if (secrets == NULL)
	{
		MemoryContext old;
		Datum *loaded;

		SPI_connect();
		SPI_execute("SELECT secret FROM bench.sample ORDER BY n", true, 0);
		old = MemoryContextSwitchTo(TopMemoryContext);
		loaded = palloc(SPI_processed * sizeof(Datum));
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool isnull;
			Datum value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			loaded[i] = PointerGetDatum(DatumGetTextPCopy(value));
		}
		count = SPI_processed;
		secrets = loaded;
		MemoryContextSwitchTo(old);
		SPI_finish();
	}
	PG_RETURN_DATUM(secrets[(uint32) PG_GETARG_INT32(0) % count]);
}

/* by_spi(secret bytea) -> text: the plain look-up by a kept plan */
Datum
bench_by_spi(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr plan = NULL;
	Datum args[1] = {PG_GETARG_DATUM(0)};
	text *result = NULL;

	SPI_connect();
	if (plan == NULL)
	{
		Oid types[1] = {BYTEAOID};

		plan = SPI_prepare("SELECT name FROM plain.key WHERE key_hash = sha256($1)", 1, types);
		SPI_keepplan(plan);
	}
	SPI_execute_plan(plan, args, NULL, true, 1);
	if (SPI_processed > 0)
	{
		char *name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		Size len = strlen(name);

		result = SPI_palloc(VARHDRSZ + len);
		SET_VARSIZE(result, VARHDRSZ + len);
		memcpy(VARDATA(result), name, len);
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
