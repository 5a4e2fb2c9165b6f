#!/usr/bin/env python3
"""Random operations on a database with the extension, each compared with the model in contract.py.

After every operation: what it returned or with which SQLSTATE it was refused, all keys, the registries, the entries that it
wrote, and how often the keys were used. Savepoints and transactions are begun, rolled back and committed between them.

Prints `ok, SEED: ...`, or the seed, all statements since the beginning and what was different.
"""

import argparse
import base64
import collections
import datetime
import hashlib
import ipaddress
import json
import random
import sys

from contract import ALL, CAPABILITIES, Refused, World
from libpq import Error, Session, quote

FUTURE = "2999-12-31 00:00:00+00"
NAMES = ("Payment", "payment", " PAYMENT ", "Fraud", "Café", "CAFÉ", "Cafe\u0301", "\u2003wide\u00a0", "a", "x" * 100, "it's", 'say "hi"', "{}", "\U0001f511", "NULL")
BAD_NAMES = (None, "", "  ", "x" * 101, "a\tb", "a\nb", "zero\u200bwidth", "\u2800x", "a\u2028b", "soft\u00adhyphen")
APIS = ("data", "segmentation", "push", "orders:read", "it's", "a,b", "NULL")
WORKSPACES = ("default", "acme", "Acme", "x.y-z")
TEAMS = (None, None, "blue", "red", "")
ACTORS = ("ann", "bob", "Zoë")
CIDRS = (None, None, None, None, [], [], ["192.0.2.0/24"], ["192.0.2.7/24", "2001:db8::/32"], ["198.51.100.1"], ["::ffff:192.0.2.0/120"])
BAD_CIDRS = (["nonsense"], ["192.0.2.1/33"])
CLIENTS = (None, "192.0.2.1", "198.51.100.1", "::ffff:192.0.2.9", "2001:db8::5", "2001:db9::5", "nobody", "")
METADATA = (None, None, {}, {"plan": "gold"}, {"a": [1, None, {"b": "c'd"}]})
LIMITS = (None, None, None, 1, 3, 1000)
WINDOWS = (None, 86400, 365 * 86400)
OWNERS = (None, None, None, "customer 7", "Customer 8", "it's", "")
BAD_OWNER = "x" * 256
OPTIONAL = ("owner", "search", "state", "order_by", "workspace", "team", "expires_at", "allowed_cidrs", "rate_limit", "rate_window", "metadata", "hint", "api", "client", "quota", "quota_period",
            "cost")
WORDS = (None, "key", "CREATED", "ann", "data", "acme", "Café", "'", "%", "updated")

KEYS = """SELECT to_json(k) FROM (
	SELECT key_id, workspace, name, state, apis, access, team, owner, quota, quota_used, hint, expires_at, allowed_cidrs, rate_limit,
		EXTRACT(epoch FROM rate_window)::bigint AS rate_window, metadata, created_by, updated_by, regenerated_by,
		old_valid_until > pg_catalog.now() AS overlap, disabled_by, archived_by
	FROM apikeys.keys) AS k"""


class Different(Exception):
    pass


def same(what, got, expected):
    if got != expected:
        raise Different("%s\n  got      %r\n  expected %r" % (what, got, expected))


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return quote(json.dumps(value))
    if isinstance(value, (list, tuple)):
        return "ARRAY[%s]::text[]" % ", ".join(literal(v) for v in value)
    if isinstance(value, bytes):
        return "'\\x%s'::bytea" % value.hex()
    return quote(value)


class Tester:
    def __init__(self, connstr, seed):
        self.random = random.Random(seed)
        self.session = Session(connstr)
        self.history = []
        self.run("SET client_min_messages = error; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'")
        self.world = World(self.session.one("SELECT session_user"))
        self.roles = ["model_%s" % letter for letter in "abc"]
        for role in self.roles:
            self.run("DROP ROLE IF EXISTS %s; CREATE ROLE %s" % (role, role))
        self.saved = []  # worlds: at BEGIN, then at each savepoint
        self.secrets = ["nobody's", "ak_" + "0" * 43 + "2PL60u"]
        self.last_id = 0
        self.count = collections.Counter()
        self.log = []
        self.logged()

    #
    # Statements.
    #
    def run(self, sql):
        self.history.append(sql)
        return self.session.run(sql)

    def call(self, function, columns="*", **arguments):
        """An SQL function by name, as the role that the world says."""
        written = ", ".join("%s => %s" % (n, literal(v)) for n, v in arguments.items()
                            if v is not None or n not in OPTIONAL or function.endswith(("_workspace", "_access")) or self.random.random() < 0.3)
        return self.act("SELECT %s FROM apikeys.%s(%s)" % (columns, function, written))

    def act(self, sql):
        role = self.world.role
        if self.saved:
            self.run("SAVEPOINT act")
        try:
            if role != self.world.owner:
                self.run("SET %sROLE %s" % ("LOCAL " if self.saved else "", role))
            rows = self.run(sql)
            if role != self.world.owner:
                self.run("RESET ROLE")
            if self.saved:
                self.run("RELEASE act")
            return rows
        except Error as error:
            self.history.append("-- " + str(error))
            self.run("ROLLBACK TO act; RELEASE act" if self.saved else "RESET ROLE")
            raise

    def expect(self, model, function, columns="*", **arguments):
        """Calls the model, then the function; returns (rows, what the model gave), or None when both refused."""
        before = self.world.copy()
        try:
            expected = model()
            refusal = None
        except Refused as refused:
            self.world, refusal = before, refused
        try:
            rows = self.call(function, columns, **arguments)
        except Error as error:
            if refusal is None:
                raise Different("%s was refused: %s" % (function, error))
            if error.sqlstate not in refusal.sqlstates:
                raise Different("%s was refused with %s, expected %s" % (function, error, refusal))
            self.count["refused"] += 1
            return None
        if refusal is not None:
            raise Different("%s succeeded, expected %s" % (function, refusal))
        self.count[function] += 1
        return rows, expected

    #
    # Comparing.
    #
    def compare(self):
        self.world.role = self.world.owner
        self.compare_keys()
        self.compare_log()
        same("APIs", [r[0] for r in self.session.run("SELECT api FROM apikeys.apis")], self.world.apis)

    def compare_keys(self):
        found = {k["key_id"]: k for k in (json.loads(r[0]) for r in self.session.run(KEYS))}
        same("keys", set(found), set(self.world.keys))
        for key_id, got in found.items():
            self.compare_key(got, self.world.keys[key_id])

    def compare_key(self, got, key):
        what = "key %s, " % key.key_id
        for column in ("workspace", "name", "state", "team", "owner", "quota", "created_by", "updated_by", "regenerated_by", "disabled_by", "archived_by", "metadata"):
            same(what + column, got[column], getattr(key, column))
        same(what + "rate limit", (got["rate_limit"], got["rate_window"]), (key.limit, key.window))
        if key.state == "archived":
            # an API that only archived keys had may have been unregistered
            same(what + "apis", set(got["apis"]), set(key.apis))
        else:
            same(what + "apis", got["apis"], self.world.ordered(key.apis))
            same(what + "access", got["access"], "Full" if set(key.apis) == set(self.world.apis) else "Partial")
        if key.state != "archived":
            same(what + "overlap", bool(got["overlap"]), key.overlap)
        same(what + "addresses", [ipaddress.ip_network(c) for c in got["allowed_cidrs"] or []], key.cidrs)
        if key.hint is None:
            # the workspace's prefix as it was when the secret was made, dots, and the last four
            same(what + "hint", got["hint"].replace("\u2026", "..."), key.secret.rsplit("_", 1)[0] + "..." + key.secret[-4:])
        else:
            same(what + "hint", got["hint"] or "", key.hint)
        same(what + "use of its quota", got["quota_used"], self.world.uses[key.key_id].quota_used if key.quota else None)
        expires = got["expires_at"]
        if expires is not None:
            end = datetime.datetime.fromisoformat(expires)
            now = datetime.datetime.now(datetime.timezone.utc)
            expires = "past" if end < now else "soon" if end < now + datetime.timedelta(days=91) else "future"
        same(what + "expiry", expires, key.expires if key.expires in (None, "past", "soon") else "future")

    def logged(self):
        rows = self.session.run("SELECT audit_id, entity, action, workspace, key_id, actor, team, activity, ip FROM apikeys.audit_logs "
                                "WHERE audit_id > %d ORDER BY audit_id" % self.last_id)
        if rows:
            self.last_id = int(rows[-1][0])
        self.log += rows
        return rows

    def compare_log(self):
        got = [tuple(r[1:7]) for r in self.logged()]
        same("entries", got, self.world.entries)
        self.world.entries = []

    def compare_uses(self, key):
        rows = self.session.run("SELECT coalesce(sum(valid), 0), coalesce(sum(denied), 0), coalesce(sum(old_secret), 0) FROM apikeys.key_usage "
                                "WHERE key_id = " + quote(key.key_id))
        uses = self.world.uses[key.key_id]
        same("uses of %s" % key.key_id, [int(v) for v in rows[0]], [uses.valid, uses.denied, uses.old])

    #
    # What is done.
    #
    def pick(self, *choices):
        return self.random.choice(choices)

    def any_key(self):
        if self.world.keys and self.random.random() < 0.95:
            return self.random.choice(sorted(self.world.keys))
        return self.pick(None, "00000000-0000-4000-8000-000000000000")

    def any_apis(self):
        apis = self.random.sample(self.world.apis, self.random.randint(1, len(self.world.apis)))
        if self.random.random() < 0.1:
            return self.pick([], ["unheard of"], apis + apis)
        return apis

    def any_workspace(self, capability="manage"):
        scope = self.world.scope(capability)
        if scope != ALL and self.random.random() < 0.8:
            return self.pick(*sorted(scope or WORKSPACES))
        return self.pick(None, *WORKSPACES) if scope == ALL else self.pick(*WORKSPACES)

    def key_arguments(self):
        limit = self.pick(*LIMITS)
        name = self.pick(self.pick(*NAMES), "key %d" % self.random.randrange(1000))
        arguments = {"name": name, "apis": self.any_apis(), "workspace": self.any_workspace(), "team": self.pick(*TEAMS),
                     "expires": self.pick(None, None, "infinity", FUTURE, "soon", "soon"), "owner": self.pick(*OWNERS),
                     "quota": self.pick(None, None, None, 2, 5, 1000), "cidrs": self.pick(*CIDRS), "limit": limit,
                     "window": self.pick(*WINDOWS) if limit else None, "metadata": self.pick(*METADATA)}
        if self.random.random() < 0.1:
            arguments.update(self.pick({"name": self.pick(*BAD_NAMES)}, {"cidrs": self.pick(*BAD_CIDRS)}, {"limit": -1, "window": None},
                                       {"limit": None, "window": 60}, {"expires": "past"}, {"workspace": "no such"}, {"owner": BAD_OWNER},
                                       {"quota": -1}))
        return arguments

    @staticmethod
    def sql_arguments(arguments):
        """The model's names of arguments in SQL's."""
        given = dict(arguments)
        for ours, theirs in (("expires", "expires_at"), ("cidrs", "allowed_cidrs"), ("limit", "rate_limit"), ("window", "rate_window")):
            if ours in given:
                given[theirs] = given.pop(ours)
        if given.get("expires_at") == "past":
            given["expires_at"] = "2001-01-01 00:00:00+00"
        if given.get("expires_at") == "soon":
            given["expires_at"] = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).isoformat()
        if given.get("quota"):
            given["quota_period"] = "total"
        if given.get("rate_window") is not None:
            given["rate_window"] = "%d seconds" % given["rate_window"]
        return given

    def create_key(self):
        arguments = self.key_arguments()
        done = self.expect(lambda: self.world.create_key(**arguments), "create_key", "key_id, key", **self.sql_arguments(arguments))
        if done:
            (((key_id, secret),), finish) = done
            self.secrets.append(secret)
            finish(key_id, secret)
            prefix = self.world.workspaces[self.world.keys[key_id].workspace]["prefix"]
            same("prefix", secret.rsplit("_", 1)[0], prefix)

    def import_key(self):
        arguments = self.key_arguments()
        secret = self.pick("foreign-%d" % self.random.randrange(10 ** 6), *[s for s in self.secrets if s.isascii()][-5:])
        arguments["hint"] = self.pick(None, None, "a hint", "x" * 33 if self.random.random() < 0.1 else "h")
        given = dict(self.sql_arguments(arguments), key_hash=hashlib.sha256(secret.encode()).digest())
        done = self.expect(lambda: self.world.import_key(secret=secret, **arguments), "import_key", "key_id", **given)
        if done:
            (((key_id,),), finish) = done
            finish(key_id, None)
            self.secrets.append(secret)

    def regenerate_key(self):
        key_id, overlap = self.any_key(), self.pick(0, 0, 3600, -1 if self.random.random() < 0.2 else 60)
        given = {"overlap": "%d seconds" % overlap} if overlap or self.random.random() < 0.5 else {}
        done = self.expect(lambda: self.world.regenerate_key(key_id, overlap), "regenerate_key", "key", key_id=key_id, **given)
        if done:
            (((secret,),), finish) = done
            self.secrets.append(secret)
            finish(None, secret)

    def end_overlap(self):
        key_id = self.any_key()
        self.expect(lambda: self.world.end_overlap(key_id), "end_overlap", key_id=key_id)

    def update_key(self):
        key_id = self.any_key()
        arguments = self.key_arguments()
        del arguments["workspace"], arguments["quota"]
        for name in list(arguments):
            if self.random.random() < 0.6:
                arguments[name] = None
        if arguments["limit"] is None and arguments["window"] is not None and self.random.random() < 0.8:
            arguments["window"] = None
        if self.random.random() < 0.1:
            arguments.update(self.pick({"limit": 0, "window": None}, {"expires": "past"}))
        given, stale = self.sql_arguments(arguments), False
        quota = self.pick(None, None, None, 0, 2, 5, 1000, -1 if self.random.random() < 0.1 else 3)
        given.update(quota=quota, quota_period="total" if quota else None)
        if key_id in self.world.keys and self.random.random() < 0.2:
            stale = self.random.random() < 0.5
            given["if_updated_at"] = "2001-01-01 00:00:00+00" if stale else self.session.one(
                "SELECT coalesce(updated_at, created_at) FROM apikeys.key_details(%s)" % quote(key_id))
        self.expect(lambda: self.world.update_key(key_id, stale=stale, quota=quota, **arguments), "update_key", key_id=key_id, **given)

    def disable_key(self):
        key_id = self.any_key()
        self.expect(lambda: self.world.disable_key(key_id), "disable_key", key_id=key_id)

    def enable_key(self):
        disabled = [k.key_id for k in self.world.keys.values() if k.state == "disabled"]
        key_id = self.pick(self.any_key(), *disabled[:3])
        self.expect(lambda: self.world.enable_key(key_id), "enable_key", key_id=key_id)

    def archive_key(self):
        key_id = self.any_key()
        self.expect(lambda: self.world.archive_key(key_id), "archive_key", key_id=key_id)

    def key_details(self):
        key_id = self.any_key()
        done = self.expect(lambda: self.world.key_details(key_id), "key_details", "name, state", key_id=key_id)
        if done:
            same("key_details", done[0], [[done[1].name, done[1].state]])

    def key_id(self):
        name, workspace = self.pick(*NAMES), self.any_workspace()
        if workspace not in self.world.workspaces or not self.world.sees("view", workspace):
            workspace = None
        done = self.expect(lambda: self.world.key_id(name, workspace), "key_id", name=name, workspace=workspace)
        if done:
            same("key_id", done[0], [[done[1]]])

    def identify_key(self):
        secret = self.pick(*self.secrets)
        done = self.expect(lambda: self.world.identify_key(secret), "identify_key", "key_id", key=secret)
        if done:
            same("identify_key", done[0], [[done[1].key_id]] if done[1] else [])

    def revoke_key(self):
        secret = self.pick(*self.secrets[-20:])
        done = self.expect(lambda: self.world.revoke_key(secret), "revoke_key", key=secret)
        if done:
            same("revoke_key", done[0], [[done[1]]])

    def report_leak(self):
        secret = self.pick(*self.secrets[-20:])
        alert = json.dumps([{"token": secret, "type": "t", "url": "https://example.com/a", "source": "commit"}])
        done = self.expect(lambda: self.world.report_leak(secret), "report_leak", "report_leak -> 0 ->> 'label'", alerts=alert)
        if done:
            same("report_leak", done[0], [[done[1]]])

    def find_secrets(self):
        secrets = self.random.sample([s for s in self.secrets if s[-50:-49] == "_"], 1) + [s for s in self.secrets[-6:] if s[-50:-49] == "_"]
        done = self.expect(lambda: self.world.find_secrets(secrets), "find_secrets", "key, name, state", content=", ".join(secrets) + ".")
        if done:
            same("find_secrets", done[0], [[s] + list(told or (None, None)) for s, told in zip(secrets, done[1])])

    def list_keys(self):
        names = ("name", "created_at desc", "last_used_at desc", "expires_at", "CREATED_AT", "secret" if self.random.random() < 0.05 else None)
        given = {"workspace": self.pick(None, None, *WORKSPACES, "no such"), "search": self.pick(None, None, "pay", "KEY", "é", "8", "...", "%", ""),
                 "state": self.pick(None, None, "all", "active", "disabled", "archived", "gone" if self.random.random() < 0.1 else "all"),
                 "api": self.pick(None, None, *APIS), "team": self.pick(*TEAMS), "owner": self.pick(*OWNERS), "order_by": self.pick(*names)}
        done = self.expect(lambda: self.world.list_keys(**given), "list_keys", "total, key_id", max_rows=1000, **given)
        if not done:
            return
        rows, expected = done
        same("list_keys %s" % given, {r[1] for r in rows}, expected)
        same("list_keys, total", [int(r[0]) for r in rows], [len(expected)] * len(expected))
        skip, max_rows = self.random.randrange(8), self.random.randrange(5)
        same("list_keys, a page", self.call("list_keys", "total, key_id", max_rows=max_rows, skip=skip, **given), rows[skip:skip + max_rows])

    def see(self):
        for view, state in (("active_keys", "active"), ("archived_keys", "archived")):
            try:
                expected = self.world.visible(state)
            except Refused:
                expected = None
            try:
                got = {r[0] for r in self.act("SELECT key_id FROM apikeys." + view)}
            except Error as error:
                got = None if error.sqlstate == "42501" else error
            same(view + " as " + self.world.role, got, expected)

    def see_log(self):
        scope = self.world.scope("audit")
        try:
            got = [r[0] for r in self.act("SELECT audit_id FROM apikeys.audit_logs")]
        except Error as error:
            got = None if error.sqlstate == "42501" else error
        same("audit_logs as " + self.world.role, got,
             [r[0] for r in reversed(self.log) if scope == ALL or r[3] in scope] if scope else None)

    def search(self):
        word, action, entity = self.pick(*WORDS), self.pick(None, "Create", "Update"), self.pick(None, "API Keys", "Teams")
        role, self.world.role = self.world.role, self.world.owner
        rows = self.call("search_audit_logs", "audit_id", search=word, actions=[action] if action else None,
                         entities=[entity] if entity else None, max_rows=1000000)
        self.world.role = role
        text = lambda r: [c.lower() for c in (r[6], r[1], r[7], r[2], r[5], r[8]) if c]
        same("search_audit_logs", [r[0] for r in rows],
             [r[0] for r in reversed(self.log) if action in (None, r[2]) and entity in (None, r[1])
              and (word is None or any(word.lower() in t for t in text(r)))])

    def register_api(self):
        api = self.pick(*APIS)
        self.expect(lambda: self.world.register_api(api), "register_api", api=api)

    def unregister_api(self):
        api = self.pick(*APIS, "unheard of")
        if len(self.world.apis) > 1:
            self.expect(lambda: self.world.unregister_api(api), "unregister_api", api=api)

    def workspace_arguments(self):
        return {"workspace": self.pick(*WORKSPACES, *((None, "-bad", "x" * 64) if self.random.random() < 0.1 else ())),
                "name": self.pick(None, "A name"), "prefix": self.pick(None, None, "acme", "my_app", "Bad" if self.random.random() < 0.2 else None),
                "archive_limit": self.pick(None, 1, 2, 3, -1 if self.random.random() < 0.2 else 5), **self.policies()}

    def policies(self):
        """Mostly none."""
        if self.random.random() < 0.5:
            return {}
        return self.pick({"key_limit": self.pick(0, 3, 30, -1 if self.random.random() < 0.2 else 30)}, {"default_lifetime": self.pick("0", "30 days")},
                         {"max_lifetime": self.pick("0", "90 days")}, {"max_lifetime": "90 days", "default_lifetime": "30 days"},
                         self.pick({"rate_limit": 0}, {"rate_limit": 1000}, {"rate_limit": 3, "rate_window": 86400}, {"rate_limit": 5, "rate_window": 86400}),
                         {"rate_window": 86400},
                         {"leak_action": self.pick("disable", "archive", "log", "burn" if self.random.random() < 0.1 else "log")})

    @staticmethod
    def policy_arguments(arguments):
        given = dict(arguments)
        if given.get("rate_window"):
            given["rate_window"] = "%d seconds" % given["rate_window"]
        return given

    def drop_workspace(self):
        workspace = self.pick(None, *WORKSPACES, *[w for w in self.world.workspaces if not any(k.workspace == w and k.state != "archived" for k in self.world.keys.values())])
        self.expect(lambda: self.world.drop_workspace(workspace), "drop_workspace", workspace=workspace)

    def create_workspace(self):
        arguments = self.workspace_arguments()
        self.expect(lambda: self.world.create_workspace(**arguments), "create_workspace", **self.policy_arguments(arguments))

    def update_workspace(self):
        arguments = self.workspace_arguments()
        self.expect(lambda: self.world.update_workspace(**arguments), "update_workspace", **self.policy_arguments(arguments))

    def add_team_member(self):
        arguments = {"actor": self.pick(*ACTORS), "team": self.pick("blue", "red"), "workspace": self.any_workspace("admin")}
        self.expect(lambda: self.world.add_team_member(**arguments), "add_team_member", **arguments)

    def remove_team_member(self):
        arguments = {"actor": self.pick(*ACTORS), "workspace": self.any_workspace("admin")}
        self.expect(lambda: self.world.remove_team_member(**arguments), "remove_team_member", **arguments)

    def grant_arguments(self):
        workspace = self.pick(ALL, ALL, *WORKSPACES) if self.random.random() < 0.95 else None
        return {"role": self.pick(*self.roles), "capability": self.pick(*CAPABILITIES), "workspace": workspace}

    def grant_access(self):
        arguments = self.grant_arguments()
        self.world.role = self.world.owner
        self.expect(lambda: self.world.grant_access(**arguments), "grant_access", **arguments)

    def revoke_access(self):
        arguments = self.pick(*[dict(zip(("role", "capability", "workspace"), g)) for g in self.world.grants], self.grant_arguments())
        self.world.role = self.world.owner
        self.expect(lambda: self.world.revoke_access(**arguments), "revoke_access", **arguments)

    def purge_audit_logs(self):
        workspace = self.pick(*WORKSPACES)
        self.expect(lambda: self.world.purge_audit_logs(workspace), "purge_audit_logs", older_than=FUTURE, workspace=workspace)

    def act_as(self):
        if self.saved:
            actor, team = self.pick(*ACTORS), self.pick(None, "blue", "green")
            self.world.role = self.world.owner
            self.call("act_as", actor=actor, team=team)
            self.world.actor, self.world.actor_team = actor, team

    def validate(self):
        secret, apis = self.pick(*self.secrets[-40:]), self.world.apis
        if self.world.keys and self.random.random() < 0.7:
            key = self.world.keys[self.pick(*sorted(self.world.keys))]
            secret = self.pick(key.secret, key.secret, key.old_secret or key.secret)
            apis = self.pick(apis, key.apis, key.apis)
        api, client = self.pick(None, *apis), self.pick(*CLIENTS)
        workspace = self.pick(None, None, None, "default", "acme")
        known = self.world.known(secret)
        if known and self.random.random() < 0.7:
            workspace = known.workspace
        form = self.pick("key", "key", "Bearer", "Basic", "bare") if secret.isascii() else "key"
        if form == "Bearer" or form == "bare":
            workspace = None
        cost = self.pick(None, 1, 1, 1, 0, 2, 3)
        columns = "code, valid, key_id, workspace, name"
        model = lambda: self.world.validate_key(secret, api, client, "default" if form == "Basic" and not workspace else workspace, cost)
        if form == "key":
            done = self.expect(model, "validate_key", columns, key=secret, api=api, client=client, workspace=workspace, cost=cost)
        else:
            header = secret if form == "bare" else "Bearer " + secret
            if form == "Basic":
                header = "Basic " + base64.b64encode(("%s:%s" % (workspace or "default", secret)).encode()).decode()
            done = self.expect(model, "authenticate", columns, authorization=header, api=api, client=client, cost=cost)
        if not done:
            return
        ((code, valid, *shown),), (codes, key, finish) = done
        if code not in codes:
            raise Different("validated %s: got %s, expected %s" % (secret, code, " or ".join(codes)))
        same("valid", valid, "t" if code == "VALID" else "f")
        same("the key shown", shown, [key.key_id, key.workspace, key.name] if key else [None] * 3)
        self.count[code] += 1
        finish(code)
        if key and key.state != "archived":
            self.compare_uses(key)

    #
    # Transactions.
    #
    def transaction(self):
        if not self.saved:
            self.run(self.pick("BEGIN", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE"))
            self.saved = [self.world.copy()]
            return
        what = self.pick("savepoint", "savepoint", "rollback to", "release", "commit", "rollback")
        depth = len(self.saved) - 1
        if what == "savepoint" and depth < 4:
            self.run("SAVEPOINT s%d" % (depth + 1))
            self.saved.append(self.world.copy())
        elif what == "rollback to" and depth:
            to = self.random.randint(1, depth)
            self.run("ROLLBACK TO s%d" % to)
            del self.saved[to + 1:]
            self.back_to(self.saved[to].copy())
        elif what == "release" and depth:
            to = self.random.randint(1, depth)
            self.run("RELEASE s%d" % to)
            del self.saved[to:]
        elif what == "commit":
            self.run("COMMIT")
            self.saved = []
            self.world.actor = self.world.actor_team = None
        elif what == "rollback":
            self.run("ROLLBACK")
            self.back_to(self.saved[0])
            self.saved = []
            self.world.actor = self.world.actor_team = None

    def back_to(self, world):
        # a limit that was changed and changed back is not known to be what it was
        self.world = world
        for key_id, key in world.keys.items():
            if key.limit:
                world.uses[key_id].limit_known = False
        world.charged.update(dict.fromkeys(world.charged))
        self.last_id, self.log = 0, []
        self.logged()

    CHOICES = {create_key: 14, import_key: 4, regenerate_key: 8, end_overlap: 4, update_key: 14, disable_key: 3, enable_key: 5, archive_key: 8, key_details: 2, key_id: 4,
               identify_key: 4, see: 4, see_log: 2, search: 4, revoke_key: 2, report_leak: 4, find_secrets: 3, list_keys: 6, drop_workspace: 2, register_api: 3, unregister_api: 3, create_workspace: 3, update_workspace: 4,
               add_team_member: 3, remove_team_member: 2, grant_access: 6, revoke_access: 4, purge_audit_logs: 1, act_as: 6, validate: 40, transaction: 14}

    def step(self):
        granted = sorted({role for role, _, _ in self.world.grants})
        self.world.role = self.pick(*[self.world.owner] * 12, *granted, *granted, *self.roles)
        (action,) = self.random.choices(list(self.CHOICES), list(self.CHOICES.values()))
        self.history.append("-- %s as %s" % (action.__name__, self.world.role))
        action(self)
        self.compare()

    def finish(self):
        if self.saved:
            self.run("COMMIT")
        for row in self.run("SELECT workspace, problem FROM apikeys.verify_audit_logs() WHERE NOT ok"):
            raise Different("verify_audit_logs: %s" % row)
        self.run("SELECT apikeys.flush_usage()")
        for key in self.world.keys.values():
            if key.state == "active":
                self.compare_uses(key)
        got = dict(self.run("SELECT code, sum(count) FROM apikeys.denials WHERE workspace IS NULL GROUP BY code"))
        same("denials of no key", {c: int(n) for c, n in got.items()}, self.world.denials)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--connect", required=True, help="connection string; the database must have the extension and be unused")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--fault", action="store_true", help="with a model that lets archived keys validate: it must be found out")
    args = parser.parse_args()
    if args.fault:
        World.is_archived = staticmethod(lambda key: False)
    tester = Tester(args.connect, args.seed)
    try:
        for step in range(args.steps):
            tester.step()
        tester.finish()
    except (Different, Error) as error:
        print("\n".join(tester.history))
        print("\nseed %d, step %d: %s" % (args.seed, step, error))
        sys.exit(1)
    print("ok, seed %d: %d steps, %s" % (args.seed, args.steps, ", ".join("%s %d" % c for c in sorted(tester.count.items()))))


if __name__ == "__main__":
    main()
