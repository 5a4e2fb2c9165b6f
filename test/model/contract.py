"""The contract of `apikeys` as a small model in memory, made from its text and not from its code.

A World holds what a database with the extension holds: APIs, workspaces, teams, grants, keys, and how often each key was used.
Every method that acts has the name of the SQL function; it returns what that must return, or raises Refused with the SQLSTATEs
that the contract allows: where several mistakes are made at once, any of them may be named. A World that is copied before a
savepoint is what the database must be after ROLLBACK TO; uses are outside transactions and stay.

What an action must have written to the log is left in World.entries: (entity, action, workspace, key_id, actor, team).
"""

import copy
import ipaddress
import re
import unicodedata

WORKSPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
PREFIX = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
CAPABILITIES = ("validate", "view", "manage", "audit", "admin")
ALL = "*"
INVISIBLE = "\u00ad\u200b\u2800"  # of Default_Ignorable, those that the tests use
YEAR = 365 * 86400
MINUTE = 60
POLICIES = {"key_limit": None, "default_lifetime": None, "max_lifetime": None, "rate_limit": None, "rate_window": None, "leak_action": None}


class Refused(Exception):
    def __init__(self, *sqlstates):
        super().__init__(" or ".join(sorted(set(sqlstates))))
        self.sqlstates = set(sqlstates)


def check(*mistakes):
    """Each is (made, SQLSTATE)."""
    states = [sqlstate for made, sqlstate in mistakes if made]
    if states:
        raise Refused(*states)


def fold(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def trim(name):
    return None if name is None else name.strip()


def bad_name(name):
    """No character that does not show, after trimming."""
    return name is not None and (not 1 <= len(trim(name)) <= 100
                                 or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in INVISIBLE for c in trim(name)))


def networks(texts):
    """None for what is no list of addresses."""
    try:
        return [plain(ipaddress.ip_network(t, strict=False)) for t in texts]
    except ValueError:
        return None


def plain(network):
    """IPv4-mapped networks are IPv4's."""
    mapped = network.network_address.ipv4_mapped if network.version == 6 and network.prefixlen >= 96 else None
    return ipaddress.ip_network((mapped, network.prefixlen - 96)) if mapped else network


class Key:
    def __init__(self, **columns):
        self.secret = self.old_secret = None
        self.old_secrets = []  # dead without a trace
        self.overlap = False
        self.state = "active"
        self.expired = False
        self.quota = None  # of all time
        self.owner = None
        self.created_by = self.updated_by = self.regenerated_by = self.disabled_by = self.archived_by = None
        self.__dict__.update(columns)


class Uses:
    """What one key was used for."""

    def __init__(self):
        self.valid = self.denied = self.old = 0
        self.charged = 0  # of its limit
        self.quota_used = 0  # while it had a quota
        self.limit_known = True  # not after the limit was changed


class World:
    def __init__(self, owner):
        self.owner = self.session_user = self.role = owner  # who may do everything
        self.actor = self.actor_team = None
        self.apis = ["data", "segmentation", "push"]
        self.workspaces = {"default": dict(POLICIES, name=None, prefix="ak", archive_limit=10)}
        self.teams = {}
        self.grants = {}
        self.keys = {}
        self.archive = {"default": []}  # in the order in which they were archived
        self.entries = []
        self.uses = {}
        self.denials = {}
        self.charged = {}  # of the limit of a workspace; None: not known

    def copy(self):
        """A copy of what transactions hold."""
        outside = self.uses, self.denials, self.charged
        self.uses = self.denials = self.charged = None
        other = copy.deepcopy(self)
        self.uses, self.denials, self.charged = other.uses, other.denials, other.charged = outside
        return other

    #
    # Who may do what.
    #
    def scope(self, capability):
        """The workspaces in which the role has a capability: ALL, or a set."""
        if self.role == self.owner:
            return ALL
        implied = {"validate": ("validate", "manage", "admin"), "view": ("view", "manage", "admin"), "manage": ("manage", "admin"),
                   "audit": ("audit", "admin"), "admin": ("admin",)}[capability]
        found = {w for (role, cap, w) in self.grants if role == self.role and cap in implied}
        return ALL if ALL in found else found

    def sees(self, capability, workspace):
        scope = self.scope(capability)
        return scope == ALL or workspace in scope

    def may(self, capability, everywhere=False):
        scope = self.scope(capability)
        check((not scope or everywhere and scope != ALL, "42501"))
        return scope

    def key(self, key_id, capability):
        check((key_id is None, "22004"))
        key = self.keys.get(key_id)
        check((key is None, "42704"))
        check(*self.out_of_reach(key.workspace, capability))
        return key

    def out_of_reach(self, workspace, capability):
        """A workspace that is not there, or not for this role. Who may do something else in it may be told that."""
        there = workspace in self.workspaces
        refused = not there or not self.sees(capability, workspace)
        return [(refused, "42704"), (refused and there and any(self.sees(c, workspace) for c in CAPABILITIES), "42501")]

    def living(self, key_id):
        key = self.key(key_id, "manage")
        check((key.state == "archived", "55000"))
        return key

    def unnamed(self, capability):
        """The workspace that NULL means for what creates: the only one that the caller may use, else `default`."""
        scope = self.scope(capability)
        return next(iter(scope)) if scope != ALL and len(scope) == 1 else "default"

    def whose(self):
        """The actor."""
        return self.actor or self.session_user

    def team_of(self, workspace):
        if self.actor and self.actor_team:
            return self.actor_team
        return self.teams.get((self.whose(), workspace))

    def note(self, entity, action, workspace=None, key_id=None):
        self.entries.append((entity, action, workspace, key_id, self.whose(), self.team_of(workspace)))

    #
    # Keys.
    #
    def new_key_mistakes(self, name, apis, workspace, expires, cidrs, limit, window, owner, quota):
        mistakes = self.update_mistakes(name, apis, expires, cidrs, limit, window, limited=False)
        mistakes += [(name is None, "22004"), (apis is None, "22004"), (apis == [], "22023"), (expires == "past", "22023")]
        workspace = self.unnamed("manage") if workspace is None else workspace
        mistakes += self.out_of_reach(workspace, "manage")
        mistakes += [(owner is not None and len(owner) > 255, "22023"), (quota is not None and quota < 0, "22023")]
        if name is not None and self.sees("manage", workspace) and self.named(workspace, name):
            mistakes.append((True, "23505"))
        if workspace in self.workspaces:
            policy = self.workspaces[workspace]
            living = sum(k.workspace == workspace and k.state != "archived" for k in self.keys.values())
            mistakes += [(policy["key_limit"] and living >= policy["key_limit"], "23514"),
                         (policy["max_lifetime"] and self.too_long(self.given_expiry(workspace, expires)), "23514")]
        return workspace, mistakes

    def given_expiry(self, workspace, expires):
        """What a key gets that is created with this expiry: None, "past", "soon" (within every lifetime that the tests use), or a date."""
        if expires is None and self.workspaces[workspace]["default_lifetime"]:
            return "soon"
        return None if expires == "infinity" else expires

    @staticmethod
    def too_long(expires):
        """For a workspace with a maximum lifetime."""
        return expires not in ("soon", "past")

    def named(self, workspace, name, but=None):
        return any(k.workspace == workspace and k.state != "archived" and k is not but and fold(k.name) == fold(trim(name))
                   for k in self.keys.values())

    def update_mistakes(self, name, apis, expires, cidrs, limit, window, limited):
        unknown = apis and any(a not in self.apis for a in apis)
        return [(bad_name(name), "22023"), (apis == [], "22023"), (unknown, "42704"),
                (cidrs is not None and networks(cidrs) is None, "22023"),
                (limit is not None and limit < 0, "22023"),
                (window is not None and not 0 < window <= YEAR, "22023"),
                (window is not None and not (limit if limit is not None else limited), "22023")]

    def ordered(self, apis):
        return [a for a in self.apis if a in apis]

    def new_key(self, key_id, secret, hint, name, apis, workspace, team, expires, cidrs, limit, window, metadata, owner, quota):
        key = Key(owner=owner or None, quota=quota or None,
                  key_id=key_id, name=trim(name), apis=list(apis), workspace=workspace, hint=hint,
                  team=self.team_of(workspace) if team is None else team or None,
                  expires=self.given_expiry(workspace, expires), cidrs=networks(cidrs or []),
                  limit=limit or None, window=(window or MINUTE) if limit else None, metadata=metadata or None)
        key.secret, key.created_by = secret, self.whose()
        self.keys[key_id] = key
        self.uses[key_id] = Uses()
        self.note("API Keys", "Create", workspace, key_id)
        return key

    def create_key(self, name, apis, workspace, team, expires, cidrs, limit, window, metadata, owner, quota):
        self.may("manage")
        workspace, mistakes = self.new_key_mistakes(name, apis, workspace, expires, cidrs, limit, window, owner, quota)
        check(*mistakes)
        return lambda key_id, secret: self.new_key(
            key_id, secret, None, name, apis, workspace, team, expires, cidrs, limit, window, metadata, owner, quota)

    def import_key(self, name, apis, secret, hint, workspace, team, expires, cidrs, limit, window, metadata, owner, quota):
        self.may("manage")
        workspace, mistakes = self.new_key_mistakes(name, apis, workspace, expires, cidrs, limit, window, owner, quota)
        taken = any(secret in (k.secret, k.old_secret) for k in self.keys.values())
        check(*mistakes, (taken, "23505"), (hint is not None and len(hint) > 32, "22023"))
        return lambda key_id, _: self.new_key(
            key_id, secret, hint or "", name, apis, workspace, team, expires, cidrs, limit, window, metadata, owner, quota)

    def regenerate_key(self, key_id, overlap):
        self.may("manage")
        key = self.living(key_id)
        check((overlap < 0, "22023"))

        def done(_, secret):
            if key.old_secret:
                key.old_secrets.append(key.old_secret)
            key.old_secret, key.secret, key.overlap = key.secret, secret, overlap > 0
            key.hint = None
            key.regenerated_by = self.whose()
            self.note("API Keys", "Update", key.workspace, key_id)
            return key
        return done

    def end_overlap(self, key_id):
        self.may("manage")
        key = self.living(key_id)
        if key.overlap:
            key.overlap = False
            key.updated_by = self.whose()
            self.note("API Keys", "Update", key.workspace, key_id)
        return key

    def disable_key(self, key_id):
        self.may("manage")
        key = self.living(key_id)
        if key.state == "active":
            key.state, key.disabled_by = "disabled", self.whose()
            self.note("API Keys", "Update", key.workspace, key_id)
        return key

    def enable_key(self, key_id):
        self.may("manage")
        key = self.living(key_id)
        if key.state == "disabled":
            key.state, key.disabled_by, key.updated_by = "active", None, self.whose()
            self.note("API Keys", "Update", key.workspace, key_id)
        return key

    def update_key(self, key_id, name=None, apis=None, team=None, expires=None, cidrs=None, limit=None, window=None, metadata=None, stale=False,
                   quota=None, owner=None):
        """stale: it was changed after the caller had read it."""
        self.may("manage")
        key = self.living(key_id)
        mistakes = [(stale, "40001")] + self.update_mistakes(name, apis, expires, cidrs, limit, window, limited=key.limit)
        if name is not None and not bad_name(name) and self.named(key.workspace, name, but=key):
            mistakes.append((True, "23505"))
        becomes = None if expires == "infinity" else expires
        bounded = self.workspaces[key.workspace]["max_lifetime"] and expires is not None and becomes != key.expires
        check(*mistakes, (quota is not None and quota < 0, "22023"), (owner is not None and len(owner) > 255, "22023"),
              (bounded and self.too_long(becomes), "23514"))
        before = copy.deepcopy(key.__dict__)
        if name is not None:
            key.name = trim(name)
        if apis is not None:
            key.apis = list(apis)
        if team is not None:
            key.team = team or None
        if expires is not None:
            key.expires = None if expires == "infinity" else expires
        if cidrs is not None:
            key.cidrs = networks(cidrs)
        if limit == 0:
            key.limit = key.window = None
        elif limit is not None:
            key.limit, key.window = limit, window or key.window or MINUTE
        elif window is not None:
            key.window = window
        if metadata is not None:
            key.metadata = metadata or None
        if quota is not None:
            key.quota = quota or None
        if owner is not None:
            key.owner = owner or None
        before["apis"], after = self.ordered(before["apis"]), dict(key.__dict__, apis=self.ordered(key.apis))
        if (before["limit"], before["window"]) != (key.limit, key.window):
            self.uses[key_id].limit_known = False
        if before != after or expires == "soon":  # that is another instant each time
            key.updated_by = self.whose()
            self.note("API Keys", "Update", key.workspace, key_id)
        return key

    def archive_key(self, key_id):
        self.may("manage")
        return self.archived(self.living(key_id))

    def archived(self, key):
        key_id = key.key_id
        key.state, key.archived_by, key.overlap = "archived", self.whose(), False
        self.archive[key.workspace].append(key_id)
        self.note("API Keys", "Delete", key.workspace, key_id)
        self.evict(key.workspace)
        return key

    def evict(self, workspace):
        archive = self.archive[workspace]
        while len(archive) > self.workspaces[workspace]["archive_limit"]:
            del self.keys[archive.pop(0)]

    def key_details(self, key_id):
        self.may("view")
        return self.key(key_id, "view")

    def key_id(self, name, workspace):
        self.may("view")
        check((name is None, "22004"))
        found = [k.key_id for k in self.keys.values() if k.state != "archived" and self.sees("view", k.workspace)
                 and workspace in (None, k.workspace) and fold(k.name) == fold(trim(name))]
        check((not found, "42704"), (len(found) > 1, "21000"))
        return found[0]

    def identify_key(self, secret):
        self.may("view")
        key = self.known(secret)
        return key if key and self.sees("view", key.workspace) else None

    def revoke_key(self, secret):
        """Its key_id, or None."""
        self.may("validate")
        key = self.known(secret)
        if not key or not self.sees("validate", key.workspace) or key.state == "archived":
            return None
        if secret == key.secret:
            self.archived(key)
        elif key.overlap:
            key.overlap, key.updated_by = False, self.whose()
            self.note("API Keys", "Update", key.workspace, key.key_id)
        else:
            return None
        return key.key_id

    def report_leak(self, secret):
        """The label of the answer."""
        self.may("validate")
        key = self.known(secret)
        if not key or not self.sees("validate", key.workspace):
            return "false_positive"
        to_do = self.workspaces[key.workspace]["leak_action"] or "disable"
        current = key.state != "archived" and secret == key.secret
        if current and to_do == "archive":
            self.archived(key)
            return "true_positive"
        if current and to_do == "disable" and key.state == "active":
            key.state, key.disabled_by = "disabled", self.whose()
        elif key.state != "archived" and secret == key.old_secret and key.overlap:
            key.overlap, key.updated_by = False, self.whose()
        self.note("API Keys", "Update", key.workspace, key.key_id)
        return "true_positive"

    def find_secrets(self, secrets):
        """What is told of each: (name, state), or None."""
        self.may("view")
        keys = [self.known(s) for s in secrets]
        return [(k.name, k.state) if k and self.sees("view", k.workspace) else None for k in keys]

    def list_keys(self, workspace, search, state, api, team, owner, order_by):
        """The keys that pass, in no order."""
        self.may("view")
        check((workspace is not None and not self.sees("view", workspace), "42704"),
              *(self.out_of_reach(workspace, "view") if workspace is not None else []),
              (state not in (None, "active", "disabled", "archived", "all"), "22023"), (order_by == "secret", "22023"))
        return {k.key_id for k in self.keys.values()
                if self.sees("view", k.workspace) and workspace in (None, k.workspace)
                and (k.state != "archived" if state is None else state in ("all", k.state))
                and (api is None or api in k.apis) and (team is None or (team or None) == k.team)
                and (owner is None or (owner or None) == k.owner)
                and (not search or fold(search) in fold(k.name) or search.lower() in (k.owner or "").lower()
                     or search.lower() in self.hint(k).lower() or search == k.key_id)}

    @staticmethod
    def hint(key):
        return key.hint if key.hint is not None else key.secret.rsplit("_", 1)[0] + "..." + key.secret[-4:]

    def visible(self, state):
        if not self.scope("view"):
            raise Refused("42501")
        return {k.key_id for k in self.keys.values() if k.state == state and self.sees("view", k.workspace)}

    #
    # The registries.
    #
    def register_api(self, api):
        self.may("admin", everywhere=True)
        check((api is None, "22004"), (api == "", "22023"), (api in self.apis, "42710"))
        self.apis.append(api)
        self.note("APIs", "Create")

    def unregister_api(self, api):
        self.may("admin", everywhere=True)
        check((api is None, "22004"), (api is not None and api not in self.apis, "42704"),
              (any(api in k.apis and k.state != "archived" for k in self.keys.values()), "2BP01"))
        self.apis.remove(api)
        self.note("APIs", "Delete")

    def workspace_mistakes(self, workspace, prefix, archive_limit, policies, limited):
        rate = policies.get("rate_limit")
        return [(workspace is None, "22004"), (prefix is not None and not (PREFIX.match(prefix) and len(prefix) <= 20), "22023"),
                (archive_limit is not None and archive_limit < 0, "22023"),
                ((policies.get("key_limit") or 0) < 0 or (rate or 0) < 0, "22023"),
                (policies.get("rate_window") and not (limited if rate is None else rate), "22023"),
                (policies.get("leak_action") not in (None, "disable", "archive", "log"), "22023")]

    @staticmethod
    def with_policies(row, policies):
        """NULL keeps what is, 0 clears; a limit without a window is per minute."""
        new = {n: row[n] if v is None else None if v in (0, "0") else v for n, v in dict(dict.fromkeys(POLICIES), **policies).items()}
        new["rate_window"] = (new["rate_window"] or MINUTE) if new["rate_limit"] else None
        return new

    def create_workspace(self, workspace, name, prefix, archive_limit, **policies):
        mistakes = self.workspace_mistakes(workspace, prefix, archive_limit, policies, None)
        if self.scope("admin") != ALL and workspace in self.workspaces and self.sees("admin", workspace):
            check((True, "42501"), (True, "42710"), *mistakes)
        self.may("admin", everywhere=True)
        check(*mistakes, (workspace is not None and not WORKSPACE.match(workspace), "22023"), (workspace in self.workspaces, "42710"))
        self.workspaces[workspace] = dict(self.with_policies(POLICIES, policies), name=name, prefix=prefix or "ak",
                                          archive_limit=10 if archive_limit is None else archive_limit)
        self.archive[workspace] = []
        self.limit_changed(workspace, self.workspaces[workspace]["rate_limit"])
        self.note("Workspaces", "Create", workspace)

    def update_workspace(self, workspace, name, prefix, archive_limit, **policies):
        self.may("admin")
        row = self.workspaces.get(workspace, POLICIES)
        bounds = any(policies.get(n) is not None for n in ("key_limit", "max_lifetime", "rate_limit", "rate_window"))
        check((bounds and self.scope("admin") != ALL, "42501"),
              *self.workspace_mistakes(workspace, prefix, archive_limit, policies, row["rate_limit"]),
              *(self.out_of_reach(workspace, "admin") if workspace is not None else []))
        new = dict(self.with_policies(row, policies), name=row["name"] if name is None else name or None, prefix=prefix or row["prefix"],
                   archive_limit=row["archive_limit"] if archive_limit is None else archive_limit)
        if (new["rate_limit"], new["rate_window"]) != (row["rate_limit"], row["rate_window"]):
            self.limit_changed(workspace, new["rate_limit"])
        if new != row:
            self.workspaces[workspace] = new
            self.note("Workspaces", "Update", workspace)
            self.evict(workspace)

    def limit_changed(self, workspace, limit):
        """Nothing is used of the first limit of a workspace; of another one, who knows."""
        if limit or workspace in self.charged:
            self.charged[workspace] = None if workspace in self.charged else 0

    def drop_workspace(self, workspace):
        self.may("admin", everywhere=True)
        check((workspace is None, "22004"), (workspace not in self.workspaces, "42704"), (workspace == "default", "55000"),
              (any(k.workspace == workspace and k.state != "archived" for k in self.keys.values()), "2BP01"))
        members = [t for t in self.teams if t[1] == workspace]
        grants = [g for g in self.grants if g[2] == workspace]
        # all tell the team that the caller has before it goes
        for entity in ["Teams"] * len(members) + ["Access"] * len(grants) + ["Workspaces"]:
            self.note(entity, "Delete", workspace)
        for member in members:
            del self.teams[member]
        for grant in grants:
            del self.grants[grant]
        for key_id in self.archive.pop(workspace):
            del self.keys[key_id]
        del self.workspaces[workspace]

    def team_mistakes(self, actor, workspace):
        return [(actor is None, "22004"), (actor == "", "22023")] + self.out_of_reach(workspace, "admin")

    def add_team_member(self, actor, team, workspace):
        self.may("admin")
        workspace = self.unnamed("admin") if workspace is None else workspace
        check((team is None, "22004"), (team == "", "22023"), *self.team_mistakes(actor, workspace))
        before = self.teams.get((actor, workspace))
        if before != team:
            self.note("Teams", "Update" if before else "Create", workspace)
        self.teams[actor, workspace] = team

    def remove_team_member(self, actor, workspace):
        self.may("admin")
        workspace = self.unnamed("admin") if workspace is None else workspace
        check((actor is not None and (actor, workspace) not in self.teams, "42704"), *self.team_mistakes(actor, workspace))
        self.note("Teams", "Delete", workspace)
        del self.teams[actor, workspace]

    def grant_access(self, role, capability, workspace):
        check((self.role != self.owner, "42501"))  # others' grants are the privileges tests' affair
        check((workspace is None, "22004"), (capability not in CAPABILITIES, "22023"),
              (workspace not in (None, ALL) and workspace not in self.workspaces, "42704"))
        if (role, capability, workspace) not in self.grants:
            self.grants[role, capability, workspace] = True
            self.note("Access", "Create", None if workspace == ALL else workspace)

    def revoke_access(self, role, capability, workspace):
        check((self.role != self.owner, "42501"))
        check((workspace is None, "22004"), (capability not in CAPABILITIES, "22023"),
              (workspace not in (None, ALL) and workspace not in self.workspaces, "42704"))
        if self.grants.pop((role, capability, workspace), None):
            self.note("Access", "Delete", None if workspace == ALL else workspace)

    def purge_audit_logs(self, workspace):
        """Of a date in the future."""
        self.may("admin")
        check((True, "22023"), *self.out_of_reach(workspace, "admin"))

    #
    # Requests.
    #
    def known(self, secret):
        for key in self.keys.values():
            if secret is not None and secret in (key.secret, key.old_secret):
                return key
        return None

    def validate_key(self, secret, api=None, client=None, workspace=None, cost=None):
        """The codes that are right, and a function to be told which it was."""
        self.may("validate")
        key = self.known(secret)
        cost = 1 if cost is None else cost
        if key and (not self.sees("validate", key.workspace) or workspace not in (None, key.workspace)):
            key = None
        if not (secret or "").strip():
            codes = {"MISSING"}
        elif key is None:
            codes = {"NOT_FOUND"}
        elif self.is_archived(key):
            codes = {"ARCHIVED"}
        elif secret == key.old_secret and not key.overlap:
            codes = {"REGENERATED"}
        elif key.state == "disabled":
            codes = {"DISABLED"}
        elif key.expires == "past":
            codes = {"EXPIRED"}
        elif key.cidrs and not self.inside(client, key.cidrs):
            codes = {"ADDRESS_NOT_ALLOWED"}
        elif api is not None and api not in key.apis:
            codes = {"INSUFFICIENT_PERMISSIONS"}
        elif key.quota and cost > max(key.quota - self.uses[key.key_id].quota_used, 0):
            codes = {"QUOTA_EXCEEDED"}
        elif key.limit and not self.uses[key.key_id].limit_known:
            codes = {"VALID", "RATE_LIMITED"}
        elif key.limit and self.uses[key.key_id].charged + cost > key.limit:
            codes = {"RATE_LIMITED"}
        elif cost and self.shared(key) and self.charged.get(key.workspace) is None:
            codes = {"VALID", "RATE_LIMITED"}
        elif cost and self.shared(key) and self.charged[key.workspace] + cost > self.shared(key):
            codes = {"RATE_LIMITED"}
        else:
            codes = {"VALID"}

        def done(code):
            if key is None:
                self.denials[code] = self.denials.get(code, 0) + 1
                return
            uses = self.uses[key.key_id]
            if code == "VALID":
                uses.valid += 1
                uses.charged += cost
                uses.quota_used += cost if key.quota else 0
                if self.charged.get(key.workspace) is not None and self.shared(key):
                    self.charged[key.workspace] += cost
            else:
                uses.denied += 1
            if secret == key.old_secret:
                uses.old += 1
        return codes, key, done

    def shared(self, key):
        return self.workspaces[key.workspace]["rate_limit"]

    @staticmethod
    def is_archived(key):
        return key.state == "archived"

    @staticmethod
    def inside(client, cidrs):
        try:
            address = ipaddress.ip_address(client or "")
        except ValueError:
            return False
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address.version == n.version and address in n for n in cidrs)
