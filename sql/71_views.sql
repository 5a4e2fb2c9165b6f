/*
 * Views of keys, APIs and usage.
 *
 * A view that roles read has security_barrier and ends in OFFSET 0.  The first
 * keeps the planner from looking at statistics, which are of all tenants, to
 * estimate a condition on its columns; the second keeps every condition above
 * the view, those of leakproof operators, too.  So the plan below is the same
 * whatever is asked for, and EXPLAIN and EXPLAIN ANALYZE tell nothing of what
 * the role may not see (test/sql/estimates.sql).  The price is that a condition
 * on such a view uses no index.
 *
 * The views of keys have this fence one level lower, in active_in_sight and
 * archived_in_sight.  They add last_used_at, a look-up for each row, above it:
 * the planner makes them part of the caller's query, and looks up only for the
 * rows that are left after its conditions, its order and its limit.
 *
 * Each arm below finds its rows, and their order, in an index: all, those of
 * one workspace, those of several.  An arm that has nothing to say costs
 * nothing.  One condition for all three would be asked again for every row.
 * The arms stand in a subquery, since the planner computes every column of a
 * UNION, but of a SELECT only those that are asked for.
 */
CREATE VIEW apikeys_internal.key_rows AS
SELECT	k.key_id, k.workspace, k.name,
		CASE WHEN k.archived_at IS NOT NULL THEN 'archived' WHEN k.disabled_at IS NOT NULL THEN 'disabled' ELSE 'active' END AS state,
		k.apis,
		CASE WHEN k.apis @>
			(SELECT COALESCE(array_agg(a.api), '{}') FROM apikeys.api a WHERE a.unregistered_at IS NULL)
			THEN 'Full' ELSE 'Partial' END AS access,
		k.team, k.owner, k.hint, k.expires_at, k.allowed_cidrs::text[] AS allowed_cidrs, k.rate_limit, k.rate_window,
		k.quota, k.quota_period, CASE WHEN k.quota IS NOT NULL THEN apikeys_internal.quota_used(k.key_id, k.quota_period) END AS quota_used, k.metadata,
		k.created_at, k.created_by, k.updated_at, k.updated_by, k.regenerated_at, k.regenerated_by,
		k.old_valid_until, k.disabled_at, k.disabled_by, k.archived_at, k.archived_by
FROM	apikeys.key k;
COMMENT ON VIEW apikeys_internal.key_rows IS 'every key as key_detail; internal, for the views and functions of the extension';

CREATE VIEW apikeys_internal.active_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL AND (SELECT apikeys_internal.sees_everywhere('view'))
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL AND k.workspace = apikeys_internal.only_workspace('view')
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL
		AND		k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
		AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL
		ORDER BY k.created_at DESC, k.key_id DESC)) AS k
ORDER BY k.created_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.active_in_sight IS 'the keys that are not archived and that the current user may see; internal, for active_keys';

CREATE VIEW apikeys.active_keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.active_in_sight k
WHERE	k.disabled_at IS NULL;
COMMENT ON VIEW apikeys.active_keys IS 'the active keys that the current user may see, newest first';

CREATE VIEW apikeys_internal.archived_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL AND (SELECT apikeys_internal.sees_everywhere('view'))
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL AND k.workspace = apikeys_internal.only_workspace('view')
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL
		AND		k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
		AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL
		ORDER BY k.archived_at DESC, k.key_id DESC)) AS k
ORDER BY k.archived_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.archived_in_sight IS 'the archived keys that the current user may see; internal, for archived_keys';

CREATE VIEW apikeys.archived_keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.archived_in_sight k;
COMMENT ON VIEW apikeys.archived_keys IS 'the archived keys that the current user may see, newest first';

/* the archived ones are few, and are sorted */
CREATE VIEW apikeys_internal.all_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	(SELECT k.* FROM apikeys_internal.active_in_sight k
		UNION ALL
		SELECT k.* FROM apikeys_internal.archived_in_sight k) AS k
ORDER BY k.created_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.all_in_sight IS 'the keys in every state that the current user may see; internal, for keys';

CREATE VIEW apikeys.keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.all_in_sight k;
COMMENT ON VIEW apikeys.keys IS 'the keys in every state that the current user may see, newest first';

CREATE VIEW apikeys_internal.usage_unflushed AS
SELECT	u.key_id, u.hour, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	(SELECT m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace,
			m.count - CASE WHEN h.slot = m.slot THEN h.slot_count ELSE 0 END AS count,
			m.last_at, m.last_client
		FROM apikeys_internal.usage_memory() m
		LEFT JOIN apikeys_internal.usage_hour h ON h.key_id = m.key_id AND h.hour = m.hour
			AND h.api = m.api AND h.code = m.code
			AND h.old_secret = m.old_secret) AS u
WHERE	u.count <> 0;
COMMENT ON VIEW apikeys_internal.usage_unflushed IS 'what shared memory has counted and the tables do not have yet; internal, for other views';

CREATE VIEW apikeys_internal.usage_live AS
SELECT	u.key_id, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	apikeys_internal.usage u
UNION ALL
SELECT	m.key_id, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys_internal.usage_unflushed m;
COMMENT ON VIEW apikeys_internal.usage_live IS 'requests by key, API and code, up to now, in one or more rows to be added up; internal, for other views';

CREATE VIEW apikeys_internal.usage_hours_live AS
SELECT	h.key_id, h.hour, h.api, h.code, h.old_secret, h.workspace, h.count, h.last_at, h.last_client
FROM	apikeys_internal.usage_hour h
UNION ALL
SELECT	m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys_internal.usage_unflushed m;
COMMENT ON VIEW apikeys_internal.usage_hours_live IS 'requests by key, API, code and hour, up to now, in one or more rows to be added up; internal, for other views';

CREATE VIEW apikeys_internal.keys_in_sight AS
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	(SELECT apikeys_internal.sees_everywhere('view'))
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace = apikeys_internal.only_workspace('view')
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL;
COMMENT ON VIEW apikeys_internal.keys_in_sight IS 'the keys that the current user may see; internal, for other views';

CREATE VIEW apikeys.key_usage WITH (security_barrier) AS
SELECT	k.workspace, k.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.keys_in_sight k
		LEFT JOIN apikeys_internal.usage_live l ON l.key_id = k.key_id
GROUP BY k.workspace, k.key_id, k.name, l.api
ORDER BY k.workspace, k.name, k.key_id, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.key_usage IS 'how often each key was used for each API, up to now; a key that was never used has one row';
COMMENT ON COLUMN apikeys.key_usage.old_secret IS 'requests that came with the old secret, valid or not';
COMMENT ON COLUMN apikeys.key_usage.last_used_at IS 'the last valid request';
COMMENT ON COLUMN apikeys.key_usage.last_client IS 'the address that the last valid request named, if any did';

CREATE VIEW apikeys.usage_history WITH (security_barrier) AS
SELECT	l.hour, l.workspace, l.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.usage_hours_live l
		LEFT JOIN apikeys.key k ON k.key_id = l.key_id
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.key_id <> '00000000-0000-0000-0000-000000000000'
GROUP BY l.hour, l.workspace, l.key_id, k.name, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.usage_history IS 'how often each key was used for each API in each hour, up to now; name is NULL if the key was dropped';

CREATE VIEW apikeys.usage_daily WITH (security_barrier) AS
SELECT	(l.hour AT TIME ZONE 'UTC')::date AS day, l.workspace, l.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.usage_hours_live l
		LEFT JOIN apikeys.key k ON k.key_id = l.key_id
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.key_id <> '00000000-0000-0000-0000-000000000000'
GROUP BY 1, l.workspace, l.key_id, k.name, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.usage_daily IS 'how often each key was used for each API on each day of UTC, up to now; name is NULL if the key was dropped';

CREATE VIEW apikeys.denials WITH (security_barrier) AS
SELECT	CASE WHEN l.workspace <> '' THEN l.workspace END AS workspace, l.code,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		sum(l.count)::bigint AS count, max(l.last_at) AS last_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC) FILTER (WHERE l.last_client IS NOT NULL))[1] AS last_client
FROM	(SELECT t.workspace, t.api, t.code, t.count, t.last_at, t.last_client
		FROM apikeys_internal.usage_total t
		UNION ALL
		SELECT m.workspace, m.api, m.code, m.count, m.last_at, m.last_client
		FROM apikeys_internal.usage_unflushed m) AS l
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.code <> 'VALID'
GROUP BY l.workspace, l.code, l.api
ORDER BY max(l.last_at) DESC
OFFSET 0;
COMMENT ON VIEW apikeys.denials IS 'requests that were not valid, up to now; workspace NULL: they belong to no key, and only roles with access to all workspaces see them';
COMMENT ON COLUMN apikeys.denials.last_client IS 'the address that the last of these requests named, if any did';

CREATE VIEW apikeys.apis WITH (security_barrier) AS
SELECT	a.api, a.description, a.created_at, a.created_by
FROM	apikeys.api a
WHERE	a.unregistered_at IS NULL
ORDER BY a.ordinal
OFFSET 0;
COMMENT ON VIEW apikeys.apis IS 'the registered APIs, in the registry''s order';

CREATE VIEW apikeys.workspaces WITH (security_barrier) AS
SELECT	w.workspace, w.name, w.prefix, w.archive_limit, w.key_limit, w.default_lifetime, w.max_lifetime, w.rate_limit,
		w.rate_window, COALESCE(w.leak_action, 'disable') AS leak_action, w.created_at, w.created_by, w.updated_at, w.updated_by
FROM	apikeys.workspace w
WHERE	w.workspace = ANY ((SELECT apikeys_internal.visible_workspaces('view'))::text[])
ORDER BY w.workspace
OFFSET 0;
COMMENT ON VIEW apikeys.workspaces IS 'the workspaces that the current user may see, with their settings';
COMMENT ON COLUMN apikeys.workspaces.leak_action IS 'what apikeys.report_leak() does with a key of this workspace: disable, archive or log';

CREATE VIEW apikeys.team_members WITH (security_barrier) AS
SELECT	m.workspace, m.actor, m.team
FROM	apikeys.team_member m
WHERE	m.workspace = ANY ((SELECT apikeys_internal.visible_workspaces('view'))::text[])
ORDER BY m.workspace, m.actor
OFFSET 0;
COMMENT ON VIEW apikeys.team_members IS 'the team that each actor acts for in a workspace that the current user may see';

CREATE VIEW apikeys.accesses WITH (security_barrier) AS
SELECT	COALESCE(u.rolname, a.role) AS role, a.capability, COALESCE(a.workspace, '*') AS workspace, u.oid IS NOT NULL AS in_force
FROM	apikeys.access a
		LEFT JOIN apikeys_internal.access_role r ON r.grant_id = a.grant_id
		LEFT JOIN pg_roles u ON u.oid = r.roleid
WHERE	COALESCE(a.workspace, '') = ANY ((SELECT apikeys_internal.visible_workspaces('admin'))::text[])
ORDER BY 1, a.capability, a.workspace NULLS FIRST
OFFSET 0;
COMMENT ON VIEW apikeys.accesses IS 'what roles may do in the workspaces that the current user administers; workspace *: in all';
COMMENT ON COLUMN apikeys.accesses.in_force IS 'false: recorded, but waiting for apikeys.regrant_access(), as after a restore, or of a role that was dropped';
