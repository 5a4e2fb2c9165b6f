-- What callers may rely on: the signatures of the functions, the columns of their results, and the settings.
\set ECHO none
\i test/lib/regress.sql
\pset format unaligned

SELECT p.proname AS function, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.proname = ANY ('{create_key,regenerate_key,end_overlap,update_key,archive_key,key_details,key_id,identify_key,import_key,list_keys,find_secrets,secret_pattern,drop_workspace,audit_filters,metrics,
	register_api,unregister_api,create_workspace,update_workspace,add_team_member,remove_team_member,act_as,validate_key,authenticate,require_key,response_headers,current_key,current_workspace,current_owner,current_key_metadata,current_key_allows,
	search_audit_logs,key_history,export_audit_logs,verify_audit_logs,audit_feed,audit_checkpoint,audit_inclusion_proof,audit_consistency_proof,sequence_audit_logs,purge_audit_logs,email_audit_logs,release_report,grant_access,revoke_access,regrant_access}') ORDER BY p.proname COLLATE "C";
SELECT c.relname AS "type or view", string_agg(a.attname || ' ' || format_type(a.atttypid, NULL), ', ' ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'apikeys'::regnamespace
AND c.relname = ANY ('{issued_key,listed_key,key_detail,keys,active_keys,archived_keys,workspaces,team_members,accesses,denials,usage_daily,verdict,audit_verdict,audit_logs}') GROUP BY c.relname ORDER BY c.relname COLLATE "C";

-- what could not be called in a parallel worker, or reads but does not say so
SELECT p.proname, p.provolatile, p.proparallel FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace
AND p.proname = ANY ('{validate_key,authenticate,require_key,response_headers,create_key,current_key,current_workspace,current_owner,current_key_metadata,current_key_allows}') ORDER BY p.proname COLLATE "C";

-- settings; those of the server and of mail are not for everybody to change
SELECT count(apikeys.current_key());
SELECT name, boot_val AS default, unit, context FROM pg_settings WHERE name = ANY ('{apikeys.workspace,apikeys.actor,apikeys.team,apikeys.client,apikeys.smtp_url,apikeys.mail_from,apikeys.smtp_netrc,
	apikeys.max_report_size,apikeys.flush_interval,apikeys.usage_memory,apikeys.limits_when_full,apikeys.track_usage,apikeys.usage_retention}') ORDER BY name COLLATE "C";
SELECT name FROM pg_settings WHERE name LIKE 'apikeys.%' AND short_desc = '' ORDER BY name COLLATE "C";
CREATE ROLE regress_ak_plain;
SET ROLE regress_ak_plain;
SELECT name, pg_temp.sqlstate(format('SET %s = %L', name, boot_val)) AS set FROM pg_settings WHERE name = ANY ('{apikeys.workspace,apikeys.actor,apikeys.team,apikeys.client,apikeys.smtp_url,apikeys.mail_from,
	apikeys.max_report_size,apikeys.flush_interval,apikeys.usage_memory,apikeys.limits_when_full,apikeys.track_usage,apikeys.usage_retention}') ORDER BY name COLLATE "C";
SELECT pg_temp.sqlstate('SHOW apikeys.smtp_netrc');
RESET ROLE;
DROP ROLE regress_ak_plain;
