/*-------------------------------------------------------------------------
 *
 * verify_rows.c
 *	  Verifying rows by the entries that describe them.
 *
 * Every row of an audited table must have the right digest and be as its last
 * entry left it, and no later entry may describe it; and what an entry left must
 * be there, unless a later one removed it.  First, rows are read into hash
 * tables.  Then each entry is compared; entries name what they tell of by their
 * subject.  What is left at the end was not confirmed.
 *
 * A key is identified by its id.  If entries describe a key that does not
 * exist, an entry must record that it was dropped; a dropped key must not
 * exist.  Another thing is identified by the entry's subject, an access by the
 * grant_id in it, since its role may be renamed.  A purge keeps the last entry
 * of all of them (purge.c).
 *
 * What the extension came with has no entry (audit_id 0): it is known by its
 * digest, in which who made it and when is left out, and must be there unless
 * entries tell of it.
 *
 * An access that does not exist, of a role that does not exist, is no problem: a
 * dump leaves such an access out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "audit/subject.h"
#include "core/catalog.h"
#include "core/columns.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/indexscan.h"
#include "log/verify_rows.h"

/* Bytes of a digest to keep for comparison: enough that no other row can be made with the same */
#define DIGEST_KEPT 16

/* A key that has a row, or that entries describe */
typedef struct AkProvenKey
{
	pg_uuid_t key_id;
	int64 audit_id;            /* of the row, or else of the last entry */
	uint8 digest[DIGEST_KEPT]; /* of the row */
	AkLog *log;
	uint32 hash; /* "hash" and "status" belong to the hash table */
	char status;
	bool exists;  /* it has a row */
	bool met;     /* its entry was found */
	bool dropped; /* an entry records that it was dropped */
} AkProvenKey;

/* Cheap, since most uuids are random */
static inline uint32
hash_uuid(const pg_uuid_t *uuid)
{
	uint64 half[2];

	memcpy(half, uuid->data, sizeof(half));
	half[0] = hash_combine64(half[0], half[1]);
	return murmurhash32((uint32) (half[0] ^ (half[0] >> 32)));
}

#define SH_PREFIX            keystate
#define SH_ELEMENT_TYPE      AkProvenKey
#define SH_KEY_TYPE          pg_uuid_t
#define SH_KEY               key_id
#define SH_HASH_KEY(tb, key) hash_uuid(&(key))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_EQUAL(tb, a, b) (memcmp((a).data, (b).data, UUID_LEN) == 0)
#define SH_SCOPE           static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* An object of another kind */
typedef struct AkThing
{
	uint8 name[AK_HASH_LEN];   /* the hash key: SHA-256 of its kind and subject */
	int64 audit_id;            /* of the row; 0: made by the script */
	uint8 digest[DIGEST_KEPT]; /* of the row */
	AkLog *log;
	bool exists;                    /* it has a row */
	bool seed;                      /* that is as the extension made it */
	bool may_miss;                  /* it may have no row although its entry left one */
	int64 last;                     /* the last entry that describes it; 0: none */
	bool left;                      /* that entry left a row */
	uint8 last_digest[DIGEST_KEPT]; /* of that row */
} AkThing;

struct AkRowProof
{
	AkVerification *v;
	keystate_hash *keys;
	HTAB *things;
	MemoryContext row_context; /* for one row */
};

/* The kinds of things that are not keys */
static const struct
{
	AkRelation relation;
	const char *entity;
	AttrNumber workspace; /* the column; 0: no workspace */
	AttrNumber audit_id;
} kinds[] = {
	{AK_WORKSPACE, "Workspaces", Anum_workspace_workspace, Anum_workspace_audit_id},
	{AK_API, "APIs", 0, Anum_api_audit_id},
	{AK_TEAM_MEMBER, "Teams", Anum_team_member_workspace, Anum_team_member_audit_id},
	{AK_ACCESS, "Access", Anum_access_workspace, Anum_access_audit_id},
};

/* What the extension came with, and the digests of these rows without created_at and created_by */
static const struct
{
	int kind; /* in kinds[] */
	const char *workspace;
	const char *subject;
	const char *digest;
} seeds[] = {
	{0, "default", "{\"workspace\": \"default\"}", "9b45ff15555d4ebd4a739569b9c2acff578662c97efed43f0d92305f1cf35976"},
	{1, "", "{\"api\": \"data\"}", "7571b5157de75c02dac45f213f04cb5824e76e5d37679fa61a3f13e83d276b8b"},
	{1, "", "{\"api\": \"segmentation\"}", "c6bcd0cf97578f72cd2194b107b4e523f3b9d3fc7f07aa8326858f4410b5476e"},
	{1, "", "{\"api\": \"push\"}", "97d33b42837250406544f3da09e7060dca547c1245aecebacbffd2531669ca60"},
};

/*
 * Returns the log of a row, or NULL if it is not verified.  If all workspaces
 * are verified and this one has no log, its entry is missing: the problem is
 * noted in the log of entries without a workspace.
 */
static AkLog *
log_of_row(const AkRowProof *proof, Datum workspace, bool isnull)
{
	AkLog *log = ak_log_of_value(proof->v, workspace, isnull);

	return log == NULL && proof->v->everywhere ? ak_log_of(proof->v, "", 0) : log;
}

/* Returns the thing of a kind with that subject. */
static AkThing *
thing_of(AkRowProof *proof, int kind, Jsonb *subject, bool *found)
{
	StringInfoData name;
	JsonbValue buf;
	JsonbValue *grant_id = NULL;
	uint8 hash[AK_HASH_LEN];
	AkThing *thing;

	initStringInfo(&name);
	appendStringInfoChar(&name, (char) kind);
	if (kinds[kind].relation == AK_ACCESS && JB_ROOT_IS_OBJECT(subject))
		grant_id = getKeyJsonValueFromContainer(&subject->root, "grant_id", 8, &buf);
	if (grant_id != NULL && grant_id->type == jbvString)
		appendBinaryStringInfo(&name, grant_id->val.string.val, grant_id->val.string.len);
	else
		JsonbToCString(&name, &subject->root, VARSIZE(subject));
	if (!ak_sha256(name.data, name.len, hash))
		ak_hash_failed();
	thing = hash_search(proof->things, hash, HASH_ENTER, found);
	if (!*found)
		memset((char *) thing + AK_HASH_LEN, 0, sizeof(AkThing) - AK_HASH_LEN);
	return thing;
}

static Jsonb *
jsonb_of(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* Returns true if a row without an entry is as the extension made it. */
static bool
is_seed(int kind, const Datum *values, const bool *nulls)
{
	const AkColumns *columns = ak_columns(kinds[kind].relation);
	bool without[AK_NATTS_MAX];
	uint8 digest[AK_HASH_LEN];
	char hex[2 * AK_HASH_LEN + 1];

	memcpy(without, nulls, columns->natts * sizeof(bool));
	for (int i = 0; i < columns->natts; i++)
		if (strcmp(NameStr(TupleDescAttr(columns->desc, i)->attname), "created_at") == 0 ||
			strcmp(NameStr(TupleDescAttr(columns->desc, i)->attname), "created_by") == 0)
			without[i] = true;
	ak_row_digest(columns, values, without, digest);
	hex[hex_encode((const char *) digest, AK_HASH_LEN, hex)] = '\0';
	for (int i = 0; i < (int) lengthof(seeds); i++)
		if (seeds[i].kind == kind && strcmp(seeds[i].digest, hex) == 0)
			return true;
	return false;
}

/* Notes a wrong digest of a row, and returns the row's digest. */
static const uint8 *
check_row(AkLog *log, AkRelation table, const Datum *values, const bool *nulls, int64 audit_id)
{
	const AkColumns *columns = ak_columns(table);

	if (!ak_row_digest_right(columns, values, nulls))
		ak_note_row(log, audit_id,
					table == AK_KEY ? "a key was altered after this entry"
									: "what this entry tells of was altered after it");
	return ak_hash_bytes(values[columns->digest - 1], nulls[columns->digest - 1]);
}

static void
read_key(AkRowProof *proof, const Datum *values, const bool *nulls)
{
	AkLog *log = log_of_row(proof, values[Anum_key_workspace - 1], false);
	int64 audit_id = DatumGetInt64(values[Anum_key_audit_id - 1]);
	const uint8 *digest;
	AkProvenKey *key;
	bool found;

	if (log == NULL)
		return;
	digest = check_row(log, AK_KEY, values, nulls, audit_id);
	key = keystate_insert(proof->keys, *DatumGetUUIDP(values[Anum_key_key_id - 1]), &found);
	key->audit_id = audit_id;
	key->log = log;
	key->exists = true;
	key->met = key->dropped = false;
	if (digest != NULL)
		memcpy(key->digest, digest, DIGEST_KEPT);
	else
		memset(key->digest, 0, DIGEST_KEPT);
}

static void
read_thing(AkRowProof *proof, int kind, const Datum *values, const bool *nulls)
{
	AttrNumber workspace = kinds[kind].workspace;
	AkLog *log =
		log_of_row(proof, workspace ? values[workspace - 1] : (Datum) 0, workspace == 0 || nulls[workspace - 1]);
	int64 audit_id = DatumGetInt64(values[kinds[kind].audit_id - 1]);
	const uint8 *digest;
	AkThing *thing;
	bool found;

	if (log == NULL)
		return;
	digest = check_row(log, kinds[kind].relation, values, nulls, audit_id);
	thing = thing_of(proof, kind, jsonb_of(ak_row_subject(kinds[kind].relation, values, nulls)), &found);
	if (thing->exists)
		ak_note_row(log, audit_id, "there are two rows of what this entry tells of");
	thing->audit_id = audit_id;
	thing->log = log;
	thing->exists = true;
	thing->seed = audit_id == 0 && is_seed(kind, values, nulls);
	if (digest != NULL)
		memcpy(thing->digest, digest, DIGEST_KEPT);
}

/* Reads the row in a scan's slot; kind -1 is a key. */
static void
read_row(AkRowProof *proof, int kind, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(proof->row_context);
	Datum values[AK_NATTS_MAX];
	bool nulls[AK_NATTS_MAX];

	CHECK_FOR_INTERRUPTS();
	ak_slot_read(slot, ak_columns(kind < 0 ? AK_KEY : kinds[kind].relation), values, nulls);
	if (kind < 0)
		read_key(proof, values, nulls);
	else
		read_thing(proof, kind, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(proof->row_context);
}

/* Reads all rows of a table. */
static void
read_rows(AkRowProof *proof, AkRelation relation, int kind)
{
	Relation rel = ak_table_open(relation, AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), table_slot_callbacks(rel));
	TableScanDesc scan = table_beginscan_compat(rel, proof->v->snapshot);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		read_row(proof, kind, slot);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

/* Reads the rows of a single workspace, by an index that begins with the workspace. */
static void
read_rows_of_one(AkRowProof *proof, AkRelation relation, int kind, AkRelation index)
{
	AkIndexScan scan;
	ScanKeyData key;

	ak_index_begin(&scan, relation, index, proof->v->snapshot, 1);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(proof->v->logs[0].workspace));
	key.sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	ak_index_seek(&scan, &key, 1);
	while (ak_index_next(&scan, ForwardScanDirection))
		read_row(proof, kind, scan.slot);
	ak_index_end(&scan);
}

/* Returns an estimate of the number of keys, so that their hash table need not grow. */
static uint32
estimated_keys(void)
{
	Relation rel = ak_table_open(AK_KEY, AccessShareLock);
	double keys = rel->rd_rel->reltuples;

	table_close(rel, AccessShareLock);
	return (uint32) Min(Max(keys, 1024), 100000000);
}

/* Reads the rows, and checks their own digests. */
AkRowProof *
ak_prove_rows_begin(AkVerification *v)
{
	AkRowProof *proof = palloc(sizeof(AkRowProof));
	HASHCTL ctl = {.keysize = AK_HASH_LEN, .entrysize = sizeof(AkThing), .hcxt = CurrentMemoryContext};

	proof->v = v;
	proof->keys = keystate_create(CurrentMemoryContext, v->one ? 1024 : estimated_keys(), NULL);
	proof->things = hash_create("apikeys things", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	proof->row_context = AllocSetContextCreate(CurrentMemoryContext, "apikeys verify row", ALLOCSET_DEFAULT_SIZES);
	if (v->one)
	{
		read_rows_of_one(proof, AK_KEY, -1, AK_KEY_ACTIVE);
		read_rows_of_one(proof, AK_KEY, -1, AK_KEY_ARCHIVED);
	}
	else
		read_rows(proof, AK_KEY, -1);
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (!v->one || kinds[i].relation == AK_ACCESS)
			read_rows(proof, kinds[i].relation, i);
		else if (kinds[i].relation == AK_WORKSPACE)
			read_rows_of_one(proof, AK_WORKSPACE, i, AK_WORKSPACE_PKEY);
		else if (kinds[i].relation == AK_TEAM_MEMBER)
			read_rows_of_one(proof, AK_TEAM_MEMBER, i, AK_TEAM_MEMBER_PKEY);
	}
	return proof;
}

/* Notes the keys that an entry records as dropped. */
static void
note_dropped(AkRowProof *proof, AkLog *log, Jsonb *changes)
{
	JsonbValue buf;
	JsonbValue *list;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue value;

	if (!JB_ROOT_IS_OBJECT(changes))
		return;
	list = getKeyJsonValueFromContainer(&changes->root, "evicted", 7, &buf);
	if (list == NULL || list->type != jbvBinary || !JsonContainerIsArray(list->val.binary.data))
		return;
	it = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		JsonbValue id_buf;
		JsonbValue *id;
		char text[37];
		AkProvenKey *key;
		bool found;

		if (token != WJB_ELEM || value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			continue;
		id = getKeyJsonValueFromContainer(value.val.binary.data, "key_id", 6, &id_buf);
		if (id == NULL || id->type != jbvString || id->val.string.len != 36 ||
			strspn(id->val.string.val, "0123456789abcdef-") < 36)
			continue;
		memcpy(text, id->val.string.val, 36);
		text[36] = '\0';
		if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
			continue;
		key = keystate_insert(proof->keys, *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text))), &found);
		if (!found)
		{
			key->audit_id = 0;
			key->log = log;
			key->exists = key->met = false;
		}
		key->dropped = true;
	}
}

/* Compares an entry about a key with the key. */
static void
meet_key(AkRowProof *proof, AkLog *log, int64 audit_id, pg_uuid_t *key_id, const uint8 *digest)
{
	bool found;
	AkProvenKey *key = keystate_insert(proof->keys, *key_id, &found);

	if (!found)
	{
		key->exists = key->met = key->dropped = false;
		key->audit_id = 0;
	}
	if (!key->exists)
	{
		key->audit_id = audit_id;
		key->log = log;
	}
	else if (audit_id > key->audit_id)
		ak_note_row(log, audit_id, "a key is not as this entry left it");
	else if (audit_id == key->audit_id)
	{
		key->met = true;
		if (digest == NULL || memcmp(digest, key->digest, DIGEST_KEPT) != 0)
			ak_note_row(log, audit_id, "a key is not as this entry left it");
	}
}

/* Returns true if a value of type text equals this string. */
static bool
text_is(Datum value, const char *text)
{
	struct varlena *t = PG_DETOAST_DATUM_PACKED(value);
	int length = strlen(text);

	return VARSIZE_ANY_EXHDR(t) == (Size) length && memcmp(VARDATA_ANY(t), text, length) == 0;
}

/* Returns true if an access may be missing: its role does not exist. */
static bool
role_is_gone(Jsonb *subject)
{
	JsonbValue buf;
	JsonbValue *role =
		JB_ROOT_IS_OBJECT(subject) ? getKeyJsonValueFromContainer(&subject->root, "role", 4, &buf) : NULL;

	return role != NULL && role->type == jbvString &&
		   !OidIsValid(get_role_oid(pnstrdup(role->val.string.val, role->val.string.len), true));
}

static void
meet_thing(AkRowProof *proof, int kind, AkLog *log, const Datum *values, const bool *nulls, const uint8 *digest)
{
	int64 audit_id = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	Jsonb *subject = DatumGetJsonbP(values[Anum_audit_log_subject - 1]);
	AkThing *thing;
	bool found;

	thing = thing_of(proof, kind, subject, &found);
	if (!found)
		thing->log = log;
	if (audit_id < thing->last)
		return;
	thing->may_miss = kinds[kind].relation == AK_ACCESS && role_is_gone(subject);
	thing->last = audit_id;
	thing->left = digest != NULL;
	if (digest != NULL)
		memcpy(thing->last_digest, digest, DIGEST_KEPT);
}

/*
 * Compares an entry of that log.  values are a row of apikeys.audit_log.
 */
void
ak_prove_rows_entry(AkRowProof *proof, AkLog *log, const Datum *values, const bool *nulls)
{
	int64 audit_id = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	const uint8 *digest = ak_hash_bytes(values[Anum_audit_log_row_digest - 1], nulls[Anum_audit_log_row_digest - 1]);

	if (!nulls[Anum_audit_log_changes - 1])
		note_dropped(proof, log, DatumGetJsonbP(values[Anum_audit_log_changes - 1]));
	if (!nulls[Anum_audit_log_key_id - 1])
	{
		/* tells of a leak that changed nothing */
		if (digest == NULL && text_is(values[Anum_audit_log_action - 1], "Update"))
			return;
		meet_key(proof, log, audit_id, DatumGetUUIDP(values[Anum_audit_log_key_id - 1]), digest);
		return;
	}
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (text_is(values[Anum_audit_log_entity - 1], kinds[i].entity))
		{
			meet_thing(proof, i, log, values, nulls, digest);
			return;
		}
}

/* Notes what a thing lacks. */
static void
confirm_thing(const AkThing *thing)
{
	if (thing->exists && thing->last == 0)
	{
		if (thing->audit_id == 0)
		{
			if (!thing->seed)
				ak_note_row(thing->log, 0, "something is there that no entry tells of");
		}
		else
			ak_note_row(thing->log, thing->audit_id, "the entry that tells of something is missing");
	}
	else if (thing->exists)
	{
		/* removed before a dump, and made again by the script in the database that it was restored into */
		if (thing->seed && !thing->left)
			return;
		if (thing->audit_id != thing->last || !thing->left ||
			memcmp(thing->digest, thing->last_digest, DIGEST_KEPT) != 0)
			ak_note_row(thing->log, thing->last, "something is not as this entry left it");
	}
	else if (thing->left && !thing->may_miss)
		ak_note_row(thing->log, thing->last, "what this entry tells of is gone, and no entry after it removes it");
}

/* Notes what the extension came with and is not there, without an entry that tells of it. */
static void
confirm_seeds(AkRowProof *proof)
{
	for (int i = 0; i < (int) lengthof(seeds); i++)
	{
		AkLog *log = ak_log_of(proof->v, seeds[i].workspace, strlen(seeds[i].workspace));
		bool found;

		if (log == NULL)
			continue;
		(void) thing_of(proof, seeds[i].kind, jsonb_of(seeds[i].subject), &found);
		if (!found)
			ak_note_row(log, 0, "something that the extension came with is gone, and no entry tells of it");
	}
}

/* After the last entry: notes what was not confirmed. */
void
ak_prove_rows_end(AkRowProof *proof)
{
	keystate_iterator it;
	AkProvenKey *key;
	HASH_SEQ_STATUS status;
	AkThing *thing;

	keystate_start_iterate(proof->keys, &it);
	while ((key = keystate_iterate(proof->keys, &it)) != NULL)
	{
		if (key->exists && !key->met)
			ak_note_row(key->log, key->audit_id, "the last entry of a key is missing");
		else if (key->exists && key->dropped)
			ak_note_row(key->log, key->audit_id, "a key is there that was dropped after this entry");
		else if (!key->exists && !key->dropped)
			ak_note_row(key->log, key->audit_id, "a key is gone, and no entry after this one drops it");
	}

	confirm_seeds(proof);
	hash_seq_init(&status, proof->things);
	while ((thing = hash_seq_search(&status)) != NULL)
		if (thing->exists || thing->last != 0)
			confirm_thing(thing);
	MemoryContextDelete(proof->row_context);
	keystate_destroy(proof->keys);
	hash_destroy(proof->things);
}
