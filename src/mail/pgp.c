/*-------------------------------------------------------------------------
 *
 * pgp.c
 *	  Encrypt to an OpenPGP public key, with pgcrypto.
 *
 * pgcrypto's functions are looked up as members of that extension, in any
 * schema, never by search_path, which the caller sets.  They must be in C,
 * which only superusers can write: the extension's owner, who need not be one,
 * could add functions of the same name to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "mail/pgp.h"

/*
 * Compressed with zlib, so that large reports become small; the cipher is one
 * that every current OpenPGP program supports.
 */
#define ENCRYPT_OPTIONS "cipher-algo=aes256, compress-algo=1"

/* Returns the OID of a function of pgcrypto with these arguments.  Raises 42883 if there is none. */
static Oid
pgcrypto_function(const char *name, const Oid *types, int nargs)
{
	static AkQuery query = {"SELECT p.oid FROM pg_extension e, pg_depend d, pg_proc p "
							"WHERE e.extname = 'pgcrypto' AND d.refclassid = 'pg_extension'::regclass "
							"AND d.refobjid = e.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' "
							"AND d.objid = p.oid AND p.proname = $1 AND p.proargtypes = $2 "
							"AND p.prolang = (SELECT l.oid FROM pg_language l WHERE l.lanname = 'c')",
							2,
							{NAMEOID, OIDVECTOROID},
							NULL};
	NameData function;
	Datum args[2];
	bool isnull;
	Datum found;

	namestrcpy(&function, name);
	args[0] = NameGetDatum(&function);
	args[1] = PointerGetDatum(buildoidvector(types, nargs));
	found = ak_read_value(&query, args, NULL, AK_SEE_LATEST, &isnull);
	if (isnull)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("extension \"pgcrypto\" has no such function \"%s\"", name)));
	return DatumGetObjectId(found);
}

/* Raises 22023. */
pg_noreturn static void refuse_key(const char *reason);

static void
refuse_key(const char *reason)
{
	ak_bad_argument(
		"encrypt_to", errmsg("cannot encrypt to this key"), errdetail("%s", reason),
		errhint(
			"encrypt_to is an OpenPGP public key with an RSA or ElGamal encryption key, as gpg --export writes it."));
}

/*
 * Calls a function of pgcrypto.  Its errors about a bad key become 22023; other
 * errors are passed on.
 */
static bytea *
call_with_key(Oid function, int nargs, const Datum *args)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resources = CurrentResourceOwner;
	Datum result;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result =
			nargs == 1 ? OidFunctionCall1(function, args[0]) : OidFunctionCall3(function, args[0], args[1], args[2]);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = resources;
		if (error->sqlerrcode != ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION)
			ReThrowError(error);
		refuse_key(psprintf("pgcrypto says: %s.", error->message));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resources;
	return DatumGetByteaPP(result);
}

/*
 * Returns the key in the form that pgcrypto needs, without ASCII armor.  Raises
 * 22023 if it cannot be used for encryption.
 */
bytea *
ak_pgp_read_key(bytea *key)
{
	static const char armor[] = "-----BEGIN PGP";
	bytea *nothing = (bytea *) cstring_to_text("");

	if (VARSIZE_ANY_EXHDR(key) > sizeof(armor) - 1 && memcmp(VARDATA_ANY(key), armor, sizeof(armor) - 1) == 0)
	{
		static const Oid types[] = {TEXTOID};
		Datum args[1] = {PointerGetDatum(key)};

		key = call_with_key(pgcrypto_function("dearmor", types, 1), 1, args);
	}
	ak_pgp_encrypt(nothing, key);
	return key;
}

/* Returns the data as an OpenPGP message encrypted to that key.  Raises 22023 for a bad key. */
bytea *
ak_pgp_encrypt(bytea *data, bytea *key)
{
	static const Oid types[] = {BYTEAOID, BYTEAOID, TEXTOID};
	Datum args[3];

	args[0] = PointerGetDatum(data);
	args[1] = PointerGetDatum(key);
	args[2] = CStringGetTextDatum(ENCRYPT_OPTIONS);
	return call_with_key(pgcrypto_function("pgp_pub_encrypt_bytea", types, 3), 3, args);
}
