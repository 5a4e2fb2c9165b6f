/*
 * What is there from the start, and what a dump holds.
 */
INSERT INTO apikeys.workspace (workspace, name) VALUES ('default', 'Default workspace');
INSERT INTO apikeys.api (api, description, ordinal) VALUES
	('data', 'Data API', 1),
	('segmentation', 'Segmentation API', 2),
	('push', 'Push API', 3);

INSERT INTO apikeys_internal.audit_pending (audit_id) VALUES (0);
INSERT INTO apikeys_internal.lock_salt (salt) VALUES (gen_random_uuid());

SELECT pg_extension_config_dump('apikeys_internal.audit_id_seq', '');
SELECT pg_extension_config_dump('apikeys.workspace', '');
SELECT pg_extension_config_dump('apikeys.api', '');
SELECT pg_extension_config_dump('apikeys.key', '');
SELECT pg_extension_config_dump('apikeys.team_member', '');
/* of roles that are there, and under no name that is another role's by now; pg_dump runs the condition */
SELECT pg_extension_config_dump('apikeys.access', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r
	LEFT JOIN apikeys_internal.access_role a ON a.grant_id OPERATOR(pg_catalog.=) access.grant_id
	WHERE CASE WHEN a.roleid IS NULL THEN r.rolname OPERATOR(pg_catalog.=) access.role
	ELSE r.oid OPERATOR(pg_catalog.=) a.roleid AND (r.rolname OPERATOR(pg_catalog.=) access.role
		OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.rolname OPERATOR(pg_catalog.=) access.role)) END)');
SELECT pg_extension_config_dump('apikeys.audit_log', '');
SELECT pg_extension_config_dump('apikeys.audit_tree', '');
SELECT pg_extension_config_dump('apikeys.audit_size', '');
SELECT pg_extension_config_dump('apikeys_internal.report', '');
SELECT pg_extension_config_dump('apikeys_internal.usage', '');
SELECT pg_extension_config_dump('apikeys_internal.usage_hour', '');
SELECT pg_extension_config_dump('apikeys_internal.key_use', '');
SELECT pg_extension_config_dump('apikeys_internal.usage_total', '');
SELECT pg_extension_config_dump('apikeys_internal.quota_used', '');
