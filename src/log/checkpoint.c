/*-------------------------------------------------------------------------
 *
 * checkpoint.c
 *	  Checkpoints of the audit log's trees: their text, and the worker's job that
 *	  writes them to the server log.
 *
 * The form is that of note.c.  The origin of a workspace's log is
 *
 *		apikeys/<system identifier>/<OID of the database>/workspace/<workspace>
 *
 * and apikeys/<system identifier>/<OID>/registry that of what belongs to no
 * workspace.  The extension line names the system, the database and the
 * timeline: after point-in-time recovery or an asynchronous failover an honest
 * server can have another root for the same size, on another timeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h" /* get_database_name(), from 19 on */
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/entry.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/checkpoint.h"
#include "log/tree.h"

/* How often the job looks for checkpoints that are due, at most */
#define LOOK_MS 60000

#define ORIGIN_FORMAT "apikeys/" UINT64_FORMAT "/%u/"

/* Returns the origin of a workspace's log ('' for what belongs to none). */
static char *
origin_of(const char *workspace)
{
	return psprintf(ORIGIN_FORMAT "%s%s", GetSystemIdentifier(), MyDatabaseId,
					workspace[0] != '\0' ? "workspace/" : "registry", workspace);
}

/* Appends a name with %XX in place of every byte that is not a letter, digit, dot, dash or underscore. */
static void
append_escaped(StringInfo out, const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (isalnum((unsigned char) *p) || strchr("._-", *p) != NULL)
			appendStringInfoChar(out, *p);
		else
			appendStringInfo(out, "%%%02X", (unsigned char) *p);
}

/*
 * Returns true if the database's encoding has an em dash that comes back from it
 * as one: EUC_JP makes another dash of it.
 */
static bool
encoding_has_em_dash(void)
{
	int encoding = GetDatabaseEncoding();
	unsigned char dash[] = AK_NOTE_EM_DASH;
	unsigned char here[32] = {0};
	unsigned char back[128] = {0};
	Oid to;
	Oid from;
	int len;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return true;
	to = FindDefaultConversionProc(PG_UTF8, encoding);
	from = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(to) || !OidIsValid(from))
		return false;
	len = strlen((char *) dash);
	if (pg_do_encoding_conversion_buf(to, PG_UTF8, encoding, dash, len, here, sizeof(here), true) != len)
		return false;
	len = strlen((char *) here);
	return pg_do_encoding_conversion_buf(from, encoding, PG_UTF8, here, len, back, sizeof(back), true) == len &&
		   strcmp((char *) back, AK_NOTE_EM_DASH) == 0;
}

/*
 * Returns the checkpoint of a tree, signed if there is a key.  Where the
 * database's encoding has no em dash, the signature begins with two hyphens.
 * The caller's rights are not checked.
 */
char *
ak_checkpoint_note(const AkSigningKeys *keys, const char *workspace, uint64 size, const uint8 *root)
{
	char *origin = origin_of(workspace);
	StringInfoData note;
	StringInfoData extension;
	bool em_dash = false;

	initStringInfo(&extension);
	appendStringInfo(&extension, "system=" UINT64_FORMAT " database=", GetSystemIdentifier());
	append_escaped(&extension, get_database_name(MyDatabaseId));
	appendStringInfo(&extension, " timeline=%u", current_timeline_compat());
	initStringInfo(&note);
	ak_note_write(&note, origin, size, root, extension.data);
	if (keys->count > 0)
	{
		uint8 key_id[AK_NOTE_KEY_ID_LEN];
		uint8 signature[AK_NOTE_SIGNATURE_LEN];

		if (!ak_note_key_id(origin, strlen(origin), keys->publics[0], key_id))
			ak_hash_failed();
		ak_sign(keys, note.data, note.len, signature);
		appendStringInfoChar(&note, '\n');
		em_dash = encoding_has_em_dash();
		ak_note_write_signature(&note, em_dash ? AK_NOTE_EM_DASH : AK_NOTE_HYPHENS, origin, key_id, signature);
	}
	/* all else is ASCII */
	return em_dash ? pg_any_to_server(note.data, note.len, PG_UTF8) : note.data;
}

/*
 * Returns the workspace of a checkpoint ('' for what belongs to none), palloc'd;
 * NULL if its origin has not the form of ours.  Sets "*here" if the origin is
 * this database.
 */
char *
ak_checkpoint_workspace(const AkNote *note, bool *here)
{
	char *origin = pnstrdup(note->origin, note->origin_len);
	char *rest;
	unsigned long long system;
	unsigned int database;
	int used = 0;

	if (sscanf(origin, "apikeys/%20llu/%10u/%n", &system, &database, &used) != 2 || used == 0)
		return NULL;
	rest = origin + used;
	if (strcmp(rest, "registry") == 0)
		rest = "";
	else if (strncmp(rest, "workspace/", 10) == 0 && rest[10] != '\0')
		rest += 10;
	else
		return NULL;
	*here = strcmp(origin, origin_of(rest)) == 0;
	return pstrdup(rest);
}

/*
 * Checks the signatures that a checkpoint has in its origin's name, if there is
 * a key to check them with.  Returns the problem, or NULL.
 */
const char *
ak_checkpoint_signature_problem(const AkSigningKeys *keys, AkNote *note)
{
	AkNote rest = *note;
	AkNoteSignature signature;
	const char *problem = NULL;

	if (keys->count == 0)
		return NULL;
	while (ak_note_next_signature(&rest, &signature))
	{
		bool known = false;

		/* of a witness, for instance */
		if (signature.name_len != note->origin_len || memcmp(signature.name, note->origin, note->origin_len) != 0)
			continue;
		for (int i = 0; i < keys->count; i++)
		{
			uint8 key_id[AK_NOTE_KEY_ID_LEN];

			if (!ak_note_key_id(note->origin, note->origin_len, keys->publics[i], key_id) ||
				memcmp(key_id, signature.key_id, AK_NOTE_KEY_ID_LEN) != 0)
				continue;
			known = true;
			if (ak_signature_right(keys, i, note->text, note->text_len, signature.signature, signature.signature_len))
				return NULL;
			problem = "the signature of the checkpoint is wrong";
		}
		if (!known && problem == NULL)
			problem = "the checkpoint is signed with another key";
	}
	return problem;
}

/* Writes the checkpoint of a tree to the server log.  SPI is connected, as the owner. */
static void
write_checkpoint(const AkSigningKeys *keys, AkTreeReader *reader, Datum workspace, Datum size)
{
	static AkQuery query = {"INSERT INTO apikeys.audit_size AS a (workspace, size, logged_at) VALUES ($1, $2, $3) "
							"ON CONFLICT (workspace, size) DO UPDATE SET logged_at = EXCLUDED.logged_at",
							3,
							{TEXTOID, INT8OID, TIMESTAMPTZOID},
							NULL};
	Datum args[3] = {workspace, size, TimestampTzGetDatum(GetCurrentTimestamp())};
	char *name = TextDatumGetCString(workspace);
	AkMerkleTree *tree = palloc(sizeof(AkMerkleTree));
	uint8 root[AK_HASH_LEN];

	ak_tree_change_workspace(reader, name);
	if (ak_tree_open(reader, DatumGetInt64(size), tree) != AK_MERKLE_OK)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED), errmsg("the audit log's tree of workspace \"%s\" is damaged", name),
				 errhint("apikeys.verify_audit_logs() tells more.")));
	else
	{
		if (!ak_merkle_root(tree, root))
			ak_hash_failed();
		ereport(LOG, (errmsg("apikeys: checkpoint of the audit log\n%s",
							 ak_checkpoint_note(keys, name, DatumGetInt64(size), root)),
					  errhidestmt(true), errhidecontext(true)));
	}
	ak_run_as_owner(AK_TO_LOG, &query, args, NULL, AK_SEE_LATEST);
}

/*
 * Two statements over the trees that changed since their last checkpoint, which is
 * old enough: $1 and $2 are the times between which it is not.
 */
#define NOT_LOGGED_LATELY                                                                                              \
	"NOT EXISTS (SELECT 1 FROM (SELECT l.size, l.logged_at FROM apikeys.audit_size l WHERE l.workspace = s.workspace " \
	"AND l.logged_at IS NOT NULL ORDER BY l.size DESC LIMIT 1) AS l WHERE l.size = s.size OR l.logged_at BETWEEN $1 AND $2)"

/* Runs one of these statements.  SPI is connected, as the owner. */
static void
query_due(AkQuery *query)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum args[2] = {TimestampTzGetDatum(now - ak_guc_audit_checkpoint_interval * INT64CONST(1000)),
					 TimestampTzGetDatum(now)};

	ak_query(query, args, NULL, AK_SEE_LATEST);
}

/* Notes the sizes of the checkpoints that are due.  SPI is connected, as the owner. */
static void
note_due_sizes(void)
{
	static AkQuery query = {"INSERT INTO apikeys.audit_size (workspace, size) SELECT s.workspace, s.size "
							"FROM apikeys_internal.tree_sizes s WHERE " NOT_LOGGED_LATELY " ON CONFLICT DO NOTHING",
							2,
							{TIMESTAMPTZOID, TIMESTAMPTZOID},
							NULL};
	int nest_level = ak_begin_index_plans();

	/* see mark_sizes() in sequencer.c */
	ak_lock_all(AK_AUDIT_TREE, ExclusiveLock);
	query_due(&query);
	AtEOXact_GUC(true, nest_level);
}

/* Writes the checkpoints that are due, of the last size that was noted.  SPI is connected, as the owner. */
static void
write_checkpoints(void)
{
	static AkQuery due = {
		"SELECT s.workspace, s.size FROM (SELECT w.workspace, (SELECT max(a.size) FROM apikeys.audit_size a "
		"WHERE a.workspace = w.workspace) AS size FROM apikeys_internal.tree_sizes w) AS s "
		"WHERE s.size IS NOT NULL AND " NOT_LOGGED_LATELY,
		2,
		{TIMESTAMPTZOID, TIMESTAMPTZOID},
		NULL};
	int nest_level = ak_begin_index_plans();
	SPITupleTable *found;
	uint64 count;

	query_due(&due);
	found = SPI_tuptable;
	count = SPI_processed;
	if (count > 0)
	{
		AkSigningKeys *keys = ak_signing_keys();
		Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
		AkTreeReader reader;

		ak_tree_begin(&reader, "", snapshot);
		for (uint64 i = 0; i < count; i++)
		{
			bool isnull;

			write_checkpoint(keys, &reader, SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull),
							 SPI_getbinval(found->vals[i], found->tupdesc, 2, &isnull));
			ak_job_go_on();
		}
		ak_tree_end(&reader);
		UnregisterSnapshot(snapshot);
	}
	AtEOXact_GUC(true, nest_level);
}

/*
 * The worker's job "checkpoint log": apikeys.audit_checkpoint_interval.  In two
 * transactions: what is in the server log cannot be rolled back, and a purge spares
 * only sizes that are committed.
 */
AkJobNext
ak_checkpoint_log_job(void)
{
	static void (*const steps[])(void) = {note_due_sizes, write_checkpoints};

	for (int i = 0; i < (int) lengthof(steps); i++)
	{
		if (ak_guc_audit_checkpoint_interval <= 0 || !ak_job_begin())
			break;
		/* the publisher's server log has those of its trees */
		if (!ak_is_subscriber())
			steps[i]();
		ak_job_commit();
	}
	return (AkJobNext){.delay_ms =
						   ak_guc_audit_checkpoint_interval > 0 ? Min(ak_guc_audit_checkpoint_interval, LOOK_MS) : -1};
}
