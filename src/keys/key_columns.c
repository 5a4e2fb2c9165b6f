/*-------------------------------------------------------------------------
 *
 * key_columns.c
 *	  The columns of a key: the form in which each is stored.
 *
 * Names are trimmed, empty values become NULL, what is left out gets its
 * default, and what cannot be is refused.  The guard does this for every row;
 * update_key() does it before, to see whether anything changes at all.
 *
 * Nothing here locks anything.  APIs, which have to stay registered, are left
 * to the guard.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "access/label.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "keys/key_columns.h"
#include "pure/digest.h"
#include "registry/workspace.h"

/*
 * Limits of one key.  A validation reads the whole row, and an entry records
 * it: a manager must not make either slow for others.
 */
#define NETWORKS_MAX 1000
#define METADATA_MAX (1024 * 1024) /* bytes, as jsonb */
#define HINT_MAX     32            /* characters */
#define OWNER_MAX    255           /* characters */

/* Returns true if all APIs of a list are in another one; neither has NULLs. */
static bool
apis_within(ArrayType *apis, ArrayType *others)
{
	int count;
	Datum *elements = ak_text_elements(PointerGetDatum(apis), &count);

	for (int i = 0; i < count; i++)
	{
		text *api = DatumGetTextPP(elements[i]);

		if (!ak_text_listed(VARDATA_ANY(api), VARSIZE_ANY_EXHDR(api), others))
			return false;
	}
	return true;
}

/* Returns true if two API lists name the same APIs, in any order.  A list with a NULL is the same as none. */
bool
ak_same_apis(Datum a, Datum b)
{
	ArrayType *x = DatumGetArrayTypeP(a);
	ArrayType *y = DatumGetArrayTypeP(b);

	return !array_contains_nulls(x) && !array_contains_nulls(y) && apis_within(x, y) && apis_within(y, x);
}

/* Trims the name and folds it.  Raises 22004, and 22023 if it is too long. */
static void
normalize_name(AkRow *row)
{
	char *name;

	if (AK_IS_NULL(row, Anum_key_name))
		ak_null_argument("name", errmsg("key name must not be null"));
	name = ak_trim_name(ak_row_text(row, Anum_key_name));
	ak_check_length("name", "key name", name, AK_LABEL_MAX);
	ak_row_set_text(row, Anum_key_name, name);
	ak_row_set(row, Anum_key_name_folded, ak_fold_name(name));
}

/* An empty text becomes NULL. */
static void
clear_if_empty(AkRow *row, AttrNumber column)
{
	char *text = ak_row_text(row, column);

	if (text != NULL && text[0] == '\0')
		ak_row_clear(row, column);
}

/* A quota without a period is per month; a period needs a quota. */
static void
normalize_quota(AkRow *row)
{
	static const char *const periods[] = {"hour", "day", "week", "month", "total"};
	char *period = ak_row_text(row, Anum_key_quota_period);

	if (AK_IS_NULL(row, Anum_key_quota))
	{
		if (period != NULL)
			ak_bad_argument("quota_period", errmsg("quota period needs a quota"));
		return;
	}
	if (DatumGetInt64(AK_VALUE(row, Anum_key_quota)) <= 0)
		ak_bad_argument("quota", errmsg("quota must be positive"));
	if (period == NULL)
	{
		ak_row_set_text(row, Anum_key_quota_period, "month");
		return;
	}
	for (int i = 0; i < (int) lengthof(periods); i++)
		if (strcmp(period, periods[i]) == 0)
			return;
	ak_bad_argument("quota_period", errmsg("unknown quota period \"%s\"", ak_quoted(period)),
					errhint("There are hour, day, week, month and total."));
}

/*
 * IPv4-mapped IPv6 networks (RFC 4291, 2.5.5.2) become IPv4, as clients'
 * addresses do.  Raises 22023 for an invalid list.
 */
static void
normalize_networks(AkRow *row)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	ArrayType *array = DatumGetArrayTypeP(AK_VALUE(row, Anum_key_allowed_cidrs));
	Datum *elements;
	int count;
	bool changed = false;

	if (ARR_NDIM(array) == 0)
	{
		ak_row_clear(row, Anum_key_allowed_cidrs);
		return;
	}
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		ak_bad_argument("allowed_cidrs", errmsg("address list must have one dimension and no null"));
	if (ARR_DIMS(array)[0] > NETWORKS_MAX)
		ak_bad_argument("allowed_cidrs", errmsg("address list is too long"),
						errdetail("At most %d addresses are allowed.", NETWORKS_MAX));
	deconstruct_array(array, CIDROID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		inet *network = DatumGetInetPP(elements[i]);
		uint8 *address = ip_addr(network);

		if (ip_family(network) != PGSQL_AF_INET6 || ip_bits(network) < 96 ||
			memcmp(address, mapped, sizeof(mapped)) != 0)
			continue;
		elements[i] =
			DirectFunctionCall1(cidr_in, CStringGetDatum(psprintf("%u.%u.%u.%u/%d", address[12], address[13],
																  address[14], address[15], ip_bits(network) - 96)));
		changed = true;
	}
	if (changed)
		ak_row_set(row, Anum_key_allowed_cidrs, ak_array(elements, count, CIDROID));
}

/* Raises 22023. */
pg_noreturn static void
refuse_large_metadata(void)
{
	ak_bad_argument("metadata", errmsg("metadata is too large"),
					errdetail("At most %d bytes are allowed.", METADATA_MAX));
}

/*
 * Raises 22023 if metadata has a text that is not valid in the encoding of the
 * database, or is too large.  The digits of its numbers count as they are written: 1e131071
 * takes 14 bytes in the table, and 131 kB wherever the entry is read.
 */
static void
check_metadata(Jsonb *metadata)
{
	JsonbIterator *it = JsonbIteratorInit(&metadata->root);
	JsonbValue value;
	JsonbIteratorToken token;
	size_t digits = 0;

	if (VARSIZE(metadata) > METADATA_MAX)
		refuse_large_metadata();
	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		if (value.type == jbvString)
			ak_check_encoding("metadata", "metadata", value.val.string.val, value.val.string.len);
		else if (value.type == jbvNumeric)
		{
			char *number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));

			digits += strlen(number);
			pfree(number);
			if (digits > METADATA_MAX)
				refuse_large_metadata();
		}
	}
}

/* No metadata is {}, and JSON's null, which some clients send for a value that they do not have. */
static void
normalize_metadata(const AkRow *old, AkRow *row)
{
	Jsonb *metadata = DatumGetJsonbP(AK_VALUE(row, Anum_key_metadata));
	JsonbValue scalar;

	if ((JB_ROOT_IS_OBJECT(metadata) && JB_ROOT_COUNT(metadata) == 0) ||
		(JB_ROOT_IS_SCALAR(metadata) && JsonbExtractScalar(&metadata->root, &scalar) && scalar.type == jbvNull))
		ak_row_clear(row, Anum_key_metadata);
	else if (old == NULL || ak_column_changed(old, row, Anum_key_metadata))
		check_metadata(metadata);
}

/* Returns the hash of a key; NULL if that is none, which only a row can have that was written with the triggers off. */
static const uint8 *
hash_of(const AkRow *row)
{
	bytea *hash = DatumGetByteaPP(AK_VALUE(row, Anum_key_key_hash));

	return VARSIZE_ANY_EXHDR(hash) == AK_HASH_LEN ? (const uint8 *) VARDATA_ANY(hash) : NULL;
}

/*
 * Checks the key's texts that are new; old is NULL for a new key.  An unchanged
 * text must not keep the key from being archived.  Raises 22023 for an invalid
 * text, and for one that contains a secret.
 */
static void
check_texts(const AkRow *old, const AkRow *new)
{
	static const struct
	{
		AttrNumber column;
		int max;
		const char *argument;
		const char *what;
	} texts[] = {{Anum_key_name, AK_LABEL_MAX, "name", "key name"},
				 {Anum_key_team, AK_LABEL_MAX, "team", "team"},
				 {Anum_key_owner, OWNER_MAX, "owner", "owner"},
				 {Anum_key_hint, HINT_MAX, "hint", "hint"}};
	const uint8 *hash = hash_of(new);
	char *workspace = ak_row_text(new, Anum_key_workspace);
	uint8 digest[AK_HASH_LEN];

	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		const char *argument = texts[i].argument;
		char *text = ak_row_text(new, texts[i].column);

		if (text == NULL || (old != NULL && !ak_column_changed(old, new, texts[i].column)))
			continue;
		/* a secret in place of a hint is too long for one, too, but the error is to say what it is */
		if (strlen(text) <= AK_LABEL_MAX)
			ak_refuse_secret(argument, texts[i].what, text);
		ak_check_text(argument, texts[i].what, text, texts[i].max);
		ak_refuse_known_secret(argument, texts[i].what, text, workspace, hash);
		if (texts[i].column != Anum_key_hint)
			continue;
		/* hints are taken from the secret: a short secret must not be its own hint */
		if (hash != NULL && ak_sha256(text, strlen(text), digest) && ak_hash_equal(digest, hash))
			ak_bad_argument("hint", errmsg("hint must not be the secret itself"));
	}
}

/* A SHA-256 has 32 bytes.  Raises 22004 and 22023; the message shows no hash. */
void
ak_check_key_hash(const AkRow *row)
{
	if (AK_IS_NULL(row, Anum_key_key_hash))
		ak_null_argument("key_hash", errmsg("key hash must not be null"));
	if (hash_of(row) == NULL)
		ak_bad_argument(
			"key_hash", errmsg("key hash must have %d bytes", AK_HASH_LEN),
			errhint(
				"It is the SHA-256 of the key's whole text: pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8'))."));
}

/* Raises 23505 for the hash of a key that exists; the message shows no hash. */
void
ak_refuse_known_hash(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), err_argument("key_hash"),
					errmsg("a key with this hash is already known")));
}

/*
 * Brings the columns of a key that people fill, but for its APIs, into their
 * form; old is NULL for a new key.  The hash must have been checked.  Raises
 * 22004 and 22023; the error's COLUMN field names the argument.
 */
void
ak_normalize_key(const AkRow *old, AkRow *new)
{
	if (old == NULL || ak_column_changed(old, new, Anum_key_name))
		normalize_name(new);
	clear_if_empty(new, Anum_key_team);
	clear_if_empty(new, Anum_key_owner);
	if (!AK_IS_NULL(new, Anum_key_expires_at) && DatumGetTimestampTz(AK_VALUE(new, Anum_key_expires_at)) == DT_NOEND)
		ak_row_clear(new, Anum_key_expires_at);
	if (!AK_IS_NULL(new, Anum_key_allowed_cidrs))
		normalize_networks(new);
	ak_normalize_rate(new, Anum_key_rate_limit, Anum_key_rate_window);
	normalize_quota(new);
	if (!AK_IS_NULL(new, Anum_key_metadata))
		normalize_metadata(old, new);
	check_texts(old, new);
}
