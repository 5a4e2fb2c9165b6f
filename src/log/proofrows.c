/*-------------------------------------------------------------------------
 *
 * proofrows.c
 *	  Verifying rows against the entries that describe them.
 *
 * Every row of an audited table must have the right digest and be as its last
 * entry left it, and no later entry may describe it.  First, rows are read into
 * a hash table of what the entries must confirm.  Then each entry is compared,
 * in the order of audit_id.  What is left at the end was not confirmed.
 *
 * A key is identified by its id.  If entries describe a key that does not
 * exist, an entry must record that it was dropped; a dropped key must not
 * exist.
 *
 * Other objects have no id in the log, but names, which can be read back from
 * the entry.  Objects made by the extension's script have no entry (audit_id
 * 0).  A row whose entry was purged can be checked only by its own digest.
 * Access that does not exist is no problem: a dump leaves out the access of
 * roles that do not exist.
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
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "audit/row_digest.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "log/proof.h"

/* Bytes of a digest to keep for comparison: enough that no other row can be made with the same */
#define DIGEST_KEPT 16

/* A key that has a row, or that entries describe */
typedef struct AkProvenKey
{
	pg_uuid_t key_id;
	int64 audit_id;            /* of the row, or else of the last entry */
	uint8 digest[DIGEST_KEPT]; /* of the row */
	AkChain *chain;
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
	uint8 name[AK_HASH_LEN];   /* the hash key: SHA-256 of its names */
	int64 audit_id;            /* of the row; 0: made by the script */
	uint8 digest[DIGEST_KEPT]; /* of the row */
	AkChain *chain;
	bool exists;                    /* it has a row */
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

/* The kinds of objects that are not keys */
static const struct
{
	AkRelation relation;
	const char *entity;
	AttrNumber workspace; /* the column; 0: no workspace */
	AttrNumber names[3];  /* the columns with its names */
	AttrNumber audit_id;
	int natts; /* number of our columns */
} kinds[] = {
	{AK_WORKSPACE,
	 "Workspaces",
	 Anum_workspace_workspace,
	 {Anum_workspace_workspace},
	 Anum_workspace_audit_id,
	 _Anum_workspace_max - 1},
	{AK_API, "APIs", 0, {Anum_api_api}, Anum_api_audit_id, _Anum_api_max - 1},
	{AK_TEAM_MEMBER,
	 "Teams",
	 Anum_team_member_workspace,
	 {Anum_team_member_workspace, Anum_team_member_actor},
	 Anum_team_member_audit_id,
	 _Anum_team_member_max - 1},
	{AK_ACCESS, "Access", Anum_access_workspace, {Anum_access_grant_id}, Anum_access_audit_id, _Anum_access_max - 1},
};

/* The objects made by the script, in the order of kinds[] */
static const char *const seeds[][4] = {
	{"default"},
	{"data", "segmentation", "push"},
	{NULL},
	{NULL},
};

/* Starts the name of an object. */
static void
begin_name(StringInfo name, int kind)
{
	initStringInfo(name);
	appendStringInfoChar(name, (char) kind);
}

/* Adds a part to a name; NULL adds an empty part. */
static void
add_name(StringInfo name, const char *part, int length)
{
	appendBinaryStringInfo(name, (const char *) &length, sizeof(length));
	appendBinaryStringInfo(name, part ? part : "", length);
}

/*
 * Returns the chain of a row, or NULL if it is not verified.  If all workspaces
 * are verified and this one has no chain, its entry is missing: the problem is
 * noted in the chain of entries without a workspace.
 */
static AkChain *
chain_of_row(const AkRowProof *proof, Datum workspace, bool isnull)
{
	AkChain *chain = ak_chain_of_value(proof->v, workspace, isnull);

	return chain == NULL && proof->v->everywhere ? ak_chain_of(proof->v, "", 0) : chain;
}

static AkThing *
thing_of(AkRowProof *proof, StringInfo name, bool *found)
{
	uint8 hash[AK_HASH_LEN];
	AkThing *thing;

	if (!ak_sha256(name->data, name->len, hash))
		ak_hash_failed();
	thing = hash_search(proof->things, hash, HASH_ENTER, found);
	if (!*found)
		memset((char *) thing + AK_HASH_LEN, 0, sizeof(AkThing) - AK_HASH_LEN);
	return thing;
}

/* Notes a wrong digest of a row, and returns the row's digest. */
static const uint8 *
check_row(AkChain *chain, TupleDesc desc, int natts, const Datum *values, const bool *nulls, int64 audit_id,
		  bool is_key)
{
	if (!ak_row_digest_right(desc, natts, values, nulls))
		ak_note_row(chain, audit_id,
					is_key ? "a key was altered after this entry" : "what this entry tells of was altered after it");
	return ak_hash_bytes(values[natts - 1], nulls[natts - 1]);
}

static void
read_key(AkRowProof *proof, TupleDesc desc, const Datum *values, const bool *nulls)
{
	AkChain *chain = chain_of_row(proof, values[Anum_key_workspace - 1], false);
	int64 audit_id = DatumGetInt64(values[Anum_key_audit_id - 1]);
	const uint8 *digest;
	AkProvenKey *key;
	bool found;

	if (chain == NULL)
		return;
	digest = check_row(chain, desc, _Anum_key_max - 1, values, nulls, audit_id, true);
	key = keystate_insert(proof->keys, *DatumGetUUIDP(values[Anum_key_key_id - 1]), &found);
	key->audit_id = audit_id;
	key->chain = chain;
	key->exists = true;
	key->met = key->dropped = false;
	if (digest != NULL)
		memcpy(key->digest, digest, DIGEST_KEPT);
	else
		memset(key->digest, 0, DIGEST_KEPT);
}

static void
read_thing(AkRowProof *proof, int kind, TupleDesc desc, const Datum *values, const bool *nulls)
{
	AttrNumber workspace = kinds[kind].workspace;
	AkChain *chain =
		chain_of_row(proof, workspace ? values[workspace - 1] : (Datum) 0, workspace == 0 || nulls[workspace - 1]);
	int64 audit_id = DatumGetInt64(values[kinds[kind].audit_id - 1]);
	StringInfoData name;
	const uint8 *digest;
	AkThing *thing;
	bool found;

	if (chain == NULL)
		return;
	begin_name(&name, kind);
	for (int i = 0; i < 3 && kinds[kind].names[i] != 0; i++)
	{
		AttrNumber column = kinds[kind].names[i];
		char *part = NULL;

		if (!nulls[column - 1])
			part = TupleDescAttr(desc, column - 1)->atttypid == UUIDOID
					   ? DatumGetCString(DirectFunctionCall1(uuid_out, values[column - 1]))
					   : TextDatumGetCString(values[column - 1]);
		add_name(&name, part, part ? strlen(part) : 0);
	}
	digest = check_row(chain, desc, kinds[kind].natts, values, nulls, audit_id, false);
	thing = thing_of(proof, &name, &found);
	thing->audit_id = audit_id;
	thing->chain = chain;
	thing->exists = true;
	if (digest != NULL)
		memcpy(thing->digest, digest, DIGEST_KEPT);

	if (audit_id == 0)
	{
		bool seed = false;

		for (int i = 0; i < 4 && seeds[kind][i] != NULL; i++)
			seed |= strcmp(seeds[kind][i], TextDatumGetCString(values[0])) == 0;
		if (!seed)
			ak_note_row(chain, 0, "something is there that no entry tells of");
	}
}

/* Reads the row in a scan's slot; kind -1 is a key. */
static void
read_row(AkRowProof *proof, int kind, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(proof->row_context);

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	if (kind < 0)
		read_key(proof, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
	else
		read_thing(proof, kind, slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull);
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
	Relation rel = ak_table_open(relation, AccessShareLock);
	Relation idx = index_open(ak_relid(index), AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), table_slot_callbacks(rel));
	IndexScanDesc scan = index_beginscan_compat(rel, idx, proof->v->snapshot, 1);
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(proof->v->chains[0].workspace));
	key.sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
		read_row(proof, kind, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(idx, AccessShareLock);
	table_close(rel, AccessShareLock);
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
note_dropped(AkRowProof *proof, AkChain *chain, Jsonb *changes)
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
			key->chain = chain;
			key->exists = key->met = false;
		}
		key->dropped = true;
	}
}

/* Compares an entry about a key with the key. */
static void
meet_key(AkRowProof *proof, AkChain *chain, int64 audit_id, pg_uuid_t *key_id, const uint8 *digest)
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
		key->chain = chain;
	}
	else if (audit_id > key->audit_id)
		ak_note_row(chain, audit_id, "a key is not as this entry left it");
	else if (audit_id == key->audit_id)
	{
		key->met = true;
		if (digest == NULL || memcmp(digest, key->digest, DIGEST_KEPT) != 0)
			ak_note_row(chain, audit_id, "a key is not as this entry left it");
	}
}

/* Returns the text between the beginning and the end of an activity, or NULL. */
static const char *
between(const char *activity, const char *begin, const char *end, int *length)
{
	int total = strlen(activity);
	int before = strlen(begin);
	int after = strlen(end);

	if (total < before + after || strncmp(activity, begin, before) != 0 || strcmp(activity + total - after, end) != 0)
		return NULL;
	*length = total - before - after;
	return activity + before;
}

/* Returns the old or new value of a change in an entry, as text, or NULL. */
static char *
changed(Jsonb *changes, const char *column, const char *side)
{
	JsonbValue buf;
	JsonbValue side_buf;
	JsonbValue *value;

	if (changes == NULL || !JB_ROOT_IS_OBJECT(changes))
		return NULL;
	value = getKeyJsonValueFromContainer(&changes->root, column, strlen(column), &buf);
	if (value == NULL || value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		return NULL;
	value = getKeyJsonValueFromContainer(value->val.binary.data, side, strlen(side), &side_buf);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Reads an object's name back from an entry.  Returns false if the entry does not contain it. */
static bool
name_from_entry(StringInfo name, int kind, AkChain *chain, const char *activity, const char *action, Jsonb *changes)
{
	const char *side = strcmp(action, "Delete") == 0 ? "old" : "new";
	const char *part;
	char *text;
	int length;

	begin_name(name, kind);
	switch (kinds[kind].relation)
	{
		case AK_WORKSPACE:
			add_name(name, chain->workspace, chain->length);
			return true;
		case AK_API:
			if ((part = between(activity, "Registered API \"", "\"", &length)) == NULL &&
				(part = between(activity, "Unregistered API \"", "\"", &length)) == NULL &&
				(part = between(activity, "Updated API \"", "\": description", &length)) == NULL)
				return false;
			add_name(name, part, length);
			return true;
		case AK_TEAM_MEMBER:
			add_name(name, chain->workspace, chain->length);
			text = changed(changes, "actor", side);
			if (text != NULL)
				add_name(name, text, strlen(text));
			else
			{
				text = changed(changes, "team", "new");
				part =
					text == NULL ? NULL : between(activity, "Moved \"", psprintf("\" to team \"%s\"", text), &length);
				if (part == NULL)
					return false;
				add_name(name, part, length);
			}
			return true;
		case AK_ACCESS:
			text = changed(changes, "grant_id", side);
			if (text == NULL)
				return false;
			add_name(name, text, strlen(text));
			return true;
		default:
			return false;
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

static void
meet_thing(AkRowProof *proof, int kind, AkChain *chain, const Datum *values, const bool *nulls, const uint8 *digest)
{
	Jsonb *changes = nulls[Anum_audit_log_changes - 1] ? NULL : DatumGetJsonbP(values[Anum_audit_log_changes - 1]);
	StringInfoData name;
	AkThing *thing;
	bool found;

	if (!name_from_entry(&name, kind, chain, TextDatumGetCString(values[Anum_audit_log_activity - 1]),
						 TextDatumGetCString(values[Anum_audit_log_action - 1]), changes))
		return;
	thing = thing_of(proof, &name, &found);
	if (!found)
		thing->chain = chain;
	thing->may_miss = kinds[kind].relation == AK_ACCESS;
	thing->last = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	thing->left = digest != NULL;
	if (digest != NULL)
		memcpy(thing->last_digest, digest, DIGEST_KEPT);
}

/*
 * Compares an entry of that chain; called in the order of audit_id.  values are
 * a row of apikeys.audit_log.
 */
void
ak_prove_rows_entry(AkRowProof *proof, AkChain *chain, const Datum *values, const bool *nulls)
{
	int64 audit_id = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	const uint8 *digest = ak_hash_bytes(values[Anum_audit_log_row_digest - 1], nulls[Anum_audit_log_row_digest - 1]);

	if (!nulls[Anum_audit_log_key_id - 1])
	{
		/* tells of a leak that changed nothing */
		if (digest == NULL && text_is(values[Anum_audit_log_action - 1], "Update"))
			return;
		meet_key(proof, chain, audit_id, DatumGetUUIDP(values[Anum_audit_log_key_id - 1]), digest);
		if (!nulls[Anum_audit_log_changes - 1] && text_is(values[Anum_audit_log_action - 1], "Delete"))
			note_dropped(proof, chain, DatumGetJsonbP(values[Anum_audit_log_changes - 1]));
		return;
	}
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (!text_is(values[Anum_audit_log_entity - 1], kinds[i].entity))
			continue;
		meet_thing(proof, i, chain, values, nulls, digest);
		if (kinds[i].relation == AK_WORKSPACE && !nulls[Anum_audit_log_changes - 1])
			note_dropped(proof, chain, DatumGetJsonbP(values[Anum_audit_log_changes - 1]));
		return;
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
			ak_note_row(key->chain, key->audit_id, "the last entry of a key is missing");
		else if (key->exists && key->dropped)
			ak_note_row(key->chain, key->audit_id, "a key is there that was dropped after this entry");
		else if (!key->exists && !key->dropped)
			ak_note_row(key->chain, key->audit_id, "a key is gone, and no entry after this one drops it");
	}

	hash_seq_init(&status, proof->things);
	while ((thing = hash_seq_search(&status)) != NULL)
	{
		if (thing->exists && thing->last == 0)
		{
			/* its entry may have been purged */
			if (thing->audit_id != 0 && thing->chain->purge_id < thing->audit_id)
				ak_note_row(thing->chain, thing->audit_id, "the entry that tells of something is missing");
		}
		else if (thing->exists ? thing->audit_id != thing->last || !thing->left ||
									 memcmp(thing->digest, thing->last_digest, DIGEST_KEPT) != 0
							   : thing->left && !thing->may_miss)
			ak_note_row(thing->chain, thing->last, "something is not as this entry left it");
	}
	MemoryContextDelete(proof->row_context);
	keystate_destroy(proof->keys);
	hash_destroy(proof->things);
}
