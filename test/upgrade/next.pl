# A version after this one, for test/t/074_next_version.pl: what changes in the tree so that it becomes that version.
#
# It adds a column to three tables that are sealed: key.note, which people see and its entries tell of; workspace.tier, which is NOT NULL and
# has a default; audit_log.program, a part of every entry from then on.  A real version that adds one does the same in the same files.
#
# Each edit is [file, what is there once, what stands there then]; a file that is not there yet has undef for what is there.  $1 and so on are of the
# pattern.  "from" and "to" are the versions, "layout" is this one's.

use strict;
use warnings;

sub next_version
{
	my ($from, $to, $layout) = @_;
	my $next = $layout + 1;

	return (
		[ 'apikeys.control', qr/^default_version = '\Q$from\E'$/m, sub { "default_version = '$to'" } ],

		# the library
		[ 'src/core/catalog.h', qr/^#define AK_LAYOUT \d+$/m, sub { "#define AK_LAYOUT $next" } ],
		[ 'src/core/catalog.h', qr/^\tAnum_key_row_digest,\n/m, sub { "\tAnum_key_row_digest,\n\tAnum_key_note,\n" } ],
		[ 'src/core/catalog.h', qr/^\tAnum_workspace_row_digest,\n/m, sub { "\tAnum_workspace_row_digest,\n\tAnum_workspace_tier,\n" } ],
		[ 'src/core/catalog.h', qr/^\tAnum_audit_log_digest,\n/m, sub { "\tAnum_audit_log_digest,\n\tAnum_audit_log_program,\n" } ],
		[ 'src/core/columns.c', qr/(\[AK_KEY\] =[^}]*)"\}/, sub { "$1 note\"}" } ],
		[ 'src/core/columns.c', qr/(\[AK_WORKSPACE\] =[^}]*)"\}/, sub { "$1 tier\"}" } ],
		[ 'src/core/columns.c', qr/(\[AK_AUDIT_LOG\] =[^}]*)"\}/, sub { "$1 program\"}" } ],
		[ 'src/audit/row_digest.c', qr/^\t\{"archive_limit", 8, .*\},\n/m, sub { "$&\t{\"tier\", 8, \"\\0\\0\\0\\0\\0\\0\\0\\001\"},\n" } ],
		[ 'src/audit/audit_trigger.c', qr/\{Anum_key_hint, "hint"\},/, sub { "$& {Anum_key_note, \"note\"}," } ],
		[ 'src/audit/audit_trigger.c', qr/\{Anum_workspace_leak_action, "leak action"\},/, sub { "$& {Anum_workspace_tier, \"tier\"}," } ],
		[ 'src/audit/entry.c', qr/^\tSET_TEXT\(db_user, .*\n/m, sub { "$&\tSET_TEXT(program, application_name);\n" } ],
		[ 'src/audit/entry.c', qr/^#include "utils\/builtins.h"\n/m, sub { "$&#include \"utils/guc.h\"\n" } ],
		[ 'src/keys/key_detail.h', qr/^\tAnum_key_detail_last_used_at,\n/m, sub { "$&\tAnum_key_detail_note,\n" } ],
		[ 'src/keys/key_detail.c', qr/^\t\t\[Anum_key_detail_archived_by\] = .*\n/m, sub { "$&\t\t[Anum_key_detail_note] = Anum_key_note,\n" } ],

		# CREATE EXTENSION
		[ 'sql/10_tables.sql', qr/^\tCONSTRAINT key_pkey /m, sub { "\tnote\ttext,\n$&" } ],
		[ 'sql/10_tables.sql', qr/^\tCONSTRAINT workspace_pkey /m, sub { "\ttier\tinteger NOT NULL DEFAULT 1,\n$&" } ],
		[ 'sql/10_tables.sql', qr/^\tCONSTRAINT audit_log_pkey /m, sub { "\tprogram\ttext,\n$&" } ],
		[ 'sql/20_types.sql', qr/(CREATE TYPE apikeys\.key_detail AS \([^;]*)\n\);/, sub { "$1,\n\tnote\ttext\n);" } ],
		[ 'sql/20_types.sql', qr/(CREATE TYPE apikeys\.issued_key AS \([^;]*)\n\);/, sub { "$1,\n\tnote\ttext\n);" } ],
		[ 'sql/20_types.sql', qr/CREATE TYPE apikeys_internal\.layout_$layout AS/, sub { "CREATE TYPE apikeys_internal.layout_$next AS" } ],
		[ 'sql/20_types.sql', qr/COMMENT ON TYPE apikeys_internal\.layout_$layout IS/, sub { "COMMENT ON TYPE apikeys_internal.layout_$next IS" } ],
		[ 'sql/89_comments.sql', qr/\n(\s*\/\* where a name means something else \*\/)/, sub { "\n\t\t\t('note', 'what people noted'), ('tier', 'of the workspace'), ('program', 'application_name'),\n$1" } ],

		# ALTER EXTENSION UPDATE
		[ "sql/apikeys--$from--$to.sql", undef, <<"SQL" ]);
\\echo Use "ALTER EXTENSION apikeys UPDATE" to load this file. \\quit

SET LOCAL search_path = pg_catalog, pg_temp;

ALTER TABLE apikeys.key ADD COLUMN note text;
ALTER TABLE apikeys.workspace ADD COLUMN tier integer NOT NULL DEFAULT 1;
ALTER TABLE apikeys.audit_log ADD COLUMN program text;
ALTER TYPE apikeys.key_detail ADD ATTRIBUTE note text;
ALTER TYPE apikeys.issued_key ADD ATTRIBUTE note text;
COMMENT ON COLUMN apikeys.key.note IS 'what people noted';
COMMENT ON COLUMN apikeys.key_detail.note IS 'what people noted';
COMMENT ON COLUMN apikeys.issued_key.note IS 'what people noted';
COMMENT ON COLUMN apikeys.workspace.tier IS 'of the workspace';
COMMENT ON COLUMN apikeys.audit_log.program IS 'application_name';

DROP TYPE apikeys_internal.layout_$layout;
CREATE TYPE apikeys_internal.layout_$next AS ();
COMMENT ON TYPE apikeys_internal.layout_$next IS 'its name says which layout of tables and results the library must work with';
REVOKE ALL ON TYPE apikeys_internal.layout_$next FROM PUBLIC;

SELECT apikeys_internal.finish_update();
SQL
}

# A version after that one, of the same layout: a function and a view for who has the capability view.
sub further_version
{
	my ($from, $to) = @_;

	return (
		[ 'apikeys.control', qr/^default_version = '\Q$from\E'$/m, sub { "default_version = '$to'" } ],
		[ 'src/registry/privilege.c', qr/^\t\{AK_VIEW, "FUNCTION apikeys\.key_details"\},\n/m, sub { "$&\t{AK_VIEW, \"FUNCTION apikeys.owner_count\"},\n\t{AK_VIEW, \"TABLE apikeys.owners\"},\n" } ],
		[ "sql/apikeys--$from--$to.sql", undef, <<"SQL" ]);
\\echo Use "ALTER EXTENSION apikeys UPDATE" to load this file. \\quit

SET LOCAL search_path = pg_catalog, pg_temp;

CREATE VIEW apikeys.owners WITH (security_barrier) AS SELECT DISTINCT owner FROM apikeys.keys;
CREATE FUNCTION apikeys.owner_count() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT pg_catalog.count(*) FROM apikeys.owners';
REVOKE ALL ON FUNCTION apikeys.owner_count() FROM PUBLIC;
REVOKE ALL ON apikeys.owners FROM PUBLIC;

SELECT apikeys_internal.finish_update('{FUNCTION apikeys.owner_count,TABLE apikeys.owners}');
SQL
}

1;
