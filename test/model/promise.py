#!/usr/bin/env python3
"""The promise of this extension, checked from outside.

Managers create, regenerate, narrow, widen and archive keys and write down when each change began and when it had returned.
Validators, in other sessions, ask about the same secrets in every form of call and at every isolation level, on the primary and
on a standby, and write down when each call began, when it ended and what it said. Afterwards every call is judged: a state of a
secret may be seen from the moment at which the change to it began until the moment at which the next change had returned, and
never outside. So no VALID may begin after a revocation has returned, no refusal may end before its revocation began, and a
change that was rolled back is never seen.

All times are this host's monotonic clock, taken by the client around the call. In the forms that ask many times in one
statement the server's clock_timestamp() is used, which is brought to the monotonic clock, each time with the error in the
direction that excuses.

Prints one JSON object: how many calls and changes there were, what was not allowed, and the errors, of which there are none.
"""

import argparse
import base64
import collections
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
import time

from libpq import Error, Session, quote

NEVER = float("-inf")
ALWAYS = float("inf")
# What a call asks for: API and client. The first is allowed as long as the key lives.
QUESTIONS = (("data", "192.0.2.1"), ("data", "198.51.100.1"), ("push", "192.0.2.1"))
UNKNOWN = ("NOT_FOUND",) * len(QUESTIONS)
NARROW = "192.0.2.0/24"
ARCHIVE_LIMIT = 2
LIVE_KEYS = 3
SECRETS = 12  # that validators ask about: the last of all managers
SHOWN = 5  # of the violations of a kind

Call = collections.namedtuple("Call", "server form isolation secret question began ended code")
State = collections.namedtuple("State", "secret began ended codes")


def now():
    return time.monotonic_ns() / 1000


#
# The judge.
#
def timelines(states):
    """{secret: its states in order}; what a secret is before the first is unknown."""
    found = {}
    for state in sorted(states, key=lambda s: s.began):
        found.setdefault(state.secret, [State(state.secret, NEVER, NEVER, UNKNOWN)]).append(state)
    return found


def judge(timeline, call):
    """None, or what is wrong with a call."""
    possible = set()
    for state, following in zip(timeline, timeline[1:] + [None]):
        if state.began <= call.ended and (following is None or following.ended >= call.began):
            possible.add(state.codes[call.question])
    if call.code in possible:
        return None
    return "late VALID" if call.code == "VALID" and possible.isdisjoint({"VALID"}) and any(
        s.codes[call.question] == "VALID" and s.began <= call.ended for s in timeline) else "wrong " + call.code


def self_test():
    """The judge on calls whose verdict is known."""
    codes = lambda code: (code,) * len(QUESTIONS)
    line = timelines([State("s", 10, 20, codes("VALID")), State("s", 100, 120, codes("ARCHIVED"))])["s"]
    for began, ended, code, expected in (
            (0, 5, "NOT_FOUND", None), (0, 5, "VALID", "wrong VALID"), (11, 12, "VALID", None), (11, 12, "NOT_FOUND", None),
            (21, 22, "NOT_FOUND", "wrong NOT_FOUND"), (50, 60, "VALID", None), (50, 99, "ARCHIVED", "wrong ARCHIVED"),
            (50, 101, "ARCHIVED", None), (119, 130, "VALID", None), (121, 130, "VALID", "late VALID"),
            (121, 130, "ARCHIVED", None), (121, 130, "REGENERATED", "wrong REGENERATED")):
        found = judge(line, Call("primary", "", "", "s", 0, began, ended, code))
        assert found == expected, (began, ended, code, found, expected)


#
# Managers.
#
class Key:
    """A key as its manager knows it."""

    def __init__(self, key_id, name):
        self.key_id, self.name = key_id, name
        self.current = self.old = None
        self.dead = []
        self.overlap = self.narrowed = self.archived = self.gone = False
        self.push = True

    def copy(self):
        other = Key(self.key_id, self.name)
        other.__dict__.update(self.__dict__, dead=list(self.dead))
        return other

    def secrets(self):
        return [s for s in [self.current, self.old] if s] + self.dead

    def codes(self, secret):
        if self.gone or secret in self.dead:
            return UNKNOWN
        return tuple(self.code(secret, *question) for question in QUESTIONS)

    def code(self, secret, api, client):
        if self.archived:
            return "ARCHIVED"
        if secret == self.old and not self.overlap:
            return "REGENERATED"
        # here a disabled key, and one that has expired, would be refused
        if self.narrowed and client == QUESTIONS[1][1]:
            return "ADDRESS_NOT_ALLOWED"
        return "VALID" if api == "data" or self.push else "INSUFFICIENT_PERMISSIONS"


class Manager:
    def __init__(self, number, args, announce):
        self.args, self.announce = args, announce
        self.random = random.Random(args.seed * 1000 + number)
        self.workspace = "managed.%d" % os.getpid()
        self.session = Session(args.primary)
        self.session.run("SET synchronous_commit = " + args.commit)
        self.probes = {name: Session(connstr) for name, connstr in servers(args).items()}
        self.states, self.calls = [], []
        self.keys, self.archived = [], []
        self.count = 0

    # Each change takes a copy of the key, says so to the server and to the copy.
    def archive(self, key):
        self.session.run("SELECT apikeys.archive_key($1)", key.key_id)
        key.archived = True

    def regenerate(self, key, overlap=False):
        secret = self.session.one("SELECT key FROM apikeys.regenerate_key($1, $2)", key.key_id, "1 hour" if overlap else "0")
        if key.old:
            key.dead.append(key.old)
        key.old, key.current, key.overlap = key.current, secret, overlap

    def regenerate_with_overlap(self, key):
        self.regenerate(key, overlap=True)

    def end_overlap(self, key):
        self.session.run("SELECT apikeys.end_overlap($1)", key.key_id)
        key.overlap = False

    def narrow(self, key):
        key.narrowed = not key.narrowed
        self.session.run("SELECT apikeys.update_key($1, allowed_cidrs => $2)", key.key_id, "{%s}" % (NARROW if key.narrowed else ""))

    def change_apis(self, key):
        key.push = not key.push
        self.session.run("SELECT apikeys.update_key($1, apis => $2)", key.key_id, "{data,push}" if key.push else "{data}")

    CHANGES = (archive, archive, archive, regenerate, regenerate, regenerate, regenerate_with_overlap, end_overlap, end_overlap,
               narrow, narrow, change_apis)

    def create(self):
        self.count += 1
        name = "key %d of %d" % (self.count, os.getpid())
        began = now()
        ((key_id, secret),) = self.session.run(
            "SELECT key_id, key FROM apikeys.create_key($1, '{data,push}', $2)", name, self.workspace)
        ended = now()
        key = Key(key_id, name)
        key.current = secret
        self.states.append(State(secret, began, ended, key.codes(secret)))
        self.announce(secret, self.workspace)
        self.keys.append(key)
        self.probe([secret])

    def change(self):
        key = self.random.choice(self.keys)
        changed = key.copy()
        change = self.random.choice(self.CHANGES)
        how = self.random.choice(("alone", "alone", "block", "serializable", "savepoint", "rollback", "prepare"))
        run = self.session.run
        if how == "serializable":
            run("BEGIN ISOLATION LEVEL SERIALIZABLE")
        elif how != "alone":
            run("BEGIN")
        if how == "savepoint":
            run("SAVEPOINT s")
            self.archive(key.copy())
            run("ROLLBACK TO s")
        began = now()
        try:
            change(self, changed)
            if how != "alone" and self.random.random() < 0.5:
                time.sleep(self.random.random() * 0.005)
            if how == "prepare":
                run("PREPARE TRANSACTION " + quote(self.workspace))
                run("COMMIT PREPARED " + quote(self.workspace))
            elif how == "rollback":
                run("ROLLBACK")
            elif how != "alone":
                run("COMMIT")
        except Error as error:
            if how != "serializable" or error.sqlstate != "40001":
                raise
            run("ROLLBACK")
            how = "rollback"
        ended = now()

        if how == "rollback":
            # a secret that nobody should know
            never = [s for s in changed.secrets() if s not in key.secrets()]
            for secret in never:
                self.states.append(State(secret, NEVER, NEVER, UNKNOWN))
                self.announce(secret, self.workspace)
            self.probe(never + key.secrets()[:2])
            return
        touched = [key]
        self.keys[self.keys.index(key)] = changed
        if changed.archived:
            self.keys.remove(changed)
            self.archived.append(changed)
            if len(self.archived) > ARCHIVE_LIMIT:
                fallen = self.archived.pop(0)
                touched.append(fallen)
        asked = []
        for before in touched:
            after = changed if before is key else before.copy()
            after.gone = before is not key
            for secret in after.secrets():
                if secret not in before.secrets():
                    self.announce(secret, self.workspace)
                elif after.codes(secret) == before.codes(secret):
                    continue
                self.states.append(State(secret, began, ended, after.codes(secret)))
                asked.append(secret)
        self.probe(asked or [changed.current])

    def probe(self, secrets):
        """Asks at once, in transactions that were open before the change."""
        for name, session in self.probes.items():
            for secret in secrets:
                question = self.random.randrange(len(QUESTIONS))
                api, client = QUESTIONS[question]
                began = now()
                code = session.one("SELECT code FROM apikeys.validate_key($1, $2, $3)", secret, api, client)
                self.calls.append(Call(name, "probe", "REPEATABLE READ", secret, question, began, now(), code))

    def renew_probes(self):
        for session in self.probes.values():
            session.run("ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1")

    def work(self, wanted):
        self.session.run("SELECT apikeys.create_workspace($1, archive_limit => %d)" % ARCHIVE_LIMIT, self.workspace)
        self.renew_probes()
        while wanted(0):
            while len(self.keys) < LIVE_KEYS:
                self.create()
            self.change()
            if self.random.random() < 0.1:
                self.renew_probes()


#
# Validators.
#
def array(items):
    return "{%s}" % ",".join(items)


def basic(workspace, secret):
    return "Basic " + base64.b64encode(("%s:%s" % (workspace, secret)).encode()).decode()


# Many calls in one statement, each row with the server's time before and after its call. The call depends on the time
# before it, so that it cannot come first.
TIMED = """SELECT r.n, EXTRACT(epoch FROM t.began) * 1000000, v.code, EXTRACT(epoch FROM clock_timestamp()) * 1000000
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS r (key, api, client, n),
	LATERAL (SELECT clock_timestamp() AS began OFFSET 0) AS t,
	apikeys.validate_key(CASE WHEN t.began IS NULL THEN '' ELSE r.key END, r.api, r.client) AS v"""
BULK = """SELECT r.n, v.code FROM unnest({}::text[], {}::text[], {}::text[]) WITH ORDINALITY AS r (key, api, client, n),
	apikeys.validate_key(r.key, r.api, r.client) AS v"""
SETUP = """CREATE OR REPLACE FUNCTION public.ask_in_loop(keys text[], apis text[], clients text[],
	OUT n int, OUT began numeric, OUT code text, OUT ended numeric) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. cardinality(keys) LOOP
		n := i;
		began := EXTRACT(epoch FROM clock_timestamp()) * 1000000;
		SELECT v.code INTO code FROM apikeys.validate_key(keys[i], apis[i], clients[i]) AS v;
		ended := EXTRACT(epoch FROM clock_timestamp()) * 1000000;
		RETURN NEXT;
	END LOOP;
END $$"""


def clock_offset():
    """Wall clock minus monotonic clock, in microseconds: (at least, at most)."""
    best = None
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if best is None or after - before < best[1] - best[0]:
            best = ((wall - after), (wall - before))
            best = (min(best), max(best))
    return best[0] / 1000, best[1] / 1000


class Validator:
    def __init__(self, number, server, args, secrets):
        self.args, self.server, self.secrets = args, server, secrets
        self.random = random.Random(args.seed * 1000 + 500 + number)
        self.session = Session(servers(args)[server])
        self.session.run("SET plan_cache_mode = " + self.random.choice(("auto", "force_generic_plan", "force_custom_plan")))
        self.session.prepare("validate", "SELECT code FROM apikeys.validate_key($1, $2, $3)")
        self.calls, self.states = [], []
        self.isolation = ""
        self.cache = {}

    def note(self, form, ask, began, ended, code):
        self.calls.append(Call(self.server, form, self.isolation, ask[0], ask[2], began, ended, code))

    def one_by_one(self, form, asks, call):
        for ask in asks:
            secret, workspace, question = ask
            api, client = QUESTIONS[question]
            began = now()
            code = call(secret, workspace, api, client)
            self.note(form, ask, began, now(), code)

    def plain(self, asks):
        self.one_by_one("plain", asks, lambda secret, workspace, api, client: self.session.one(
            "SELECT code FROM apikeys.validate_key(%s, %s, %s)" % (quote(secret), quote(api), quote(client))))

    def field(self, asks):
        self.one_by_one("field", asks, lambda secret, workspace, api, client: self.session.one(
            "SELECT (apikeys.validate_key($1, $2, $3, $4)).code", secret, api, client, workspace))

    def prepared(self, asks):
        self.one_by_one("prepared", asks, lambda secret, workspace, api, client: self.session.run_prepared(
            "validate", secret, api, client)[0][0])

    def cached(self, asks):
        """A gateway that remembers: it must be found out."""
        def call(secret, workspace, api, client):
            what = (secret, api, client)
            if what not in self.cache or now() - self.cache[what][0] > self.args.cache * 1000:
                self.cache[what] = (now(), self.session.run_prepared("validate", secret, api, client)[0][0])
            return self.cache[what][1]
        self.one_by_one("cached", asks, call)

    def bearer(self, asks):
        self.one_by_one("bearer", asks, lambda secret, workspace, api, client: self.session.one(
            "SELECT code FROM apikeys.authenticate($1, $2, $3)", "Bearer " + secret, api, client))

    def basic(self, asks):
        self.one_by_one("basic", asks, lambda secret, workspace, api, client: self.session.one(
            "SELECT code FROM apikeys.authenticate($1, $2, $3)", basic(workspace, secret), api, client))

    def arrays(self, asks):
        return [array(a[0] for a in asks), array(QUESTIONS[a[2]][0] for a in asks), array(QUESTIONS[a[2]][1] for a in asks)]

    def bulk(self, asks):
        began = now()
        rows = self.session.run(BULK.format("$1", "$2", "$3"), *self.arrays(asks))
        ended = now()
        for n, code in rows:
            self.note("bulk", asks[int(n) - 1], began, ended, code)

    def timed(self, form, sql, asks):
        low, high = clock_offset()
        began = now()
        rows = self.session.run(sql, *self.arrays(asks))
        ended = now()
        low_after, high_after = clock_offset()
        # a clock that was set meanwhile tells nothing
        steady = abs(low - low_after) < 500 and abs(high - high_after) < 500
        low, high = min(low, low_after), max(high, high_after)
        for n, row_began, code, row_ended in rows:
            self.note(form, asks[int(n) - 1],
                      max(began, float(row_began) - high) if steady else began,
                      min(ended, float(row_ended) - low + 1) if steady else ended, code)

    def timed_bulk(self, asks):
        self.timed("timed bulk", TIMED, asks)

    def loop(self, asks):
        self.timed("loop", "SELECT * FROM public.ask_in_loop($1, $2, $3)", asks)

    def cursor(self, asks):
        alone = self.isolation == "autocommit"
        if alone:
            self.session.run("BEGIN")
        self.session.run("DECLARE asking CURSOR FOR " + BULK.format(*[quote(a) for a in self.arrays(asks)]))
        for _ in asks:
            began = now()
            ((n, code),) = self.session.run("FETCH asking")
            self.note("cursor", asks[int(n) - 1], began, now(), code)
        self.session.run("COMMIT" if alone else "CLOSE asking")

    FORMS = (plain, field, prepared, prepared, bearer, basic, bulk, timed_bulk, loop, loop, cursor)

    def work(self, wanted):
        levels = ["autocommit", "READ COMMITTED", "REPEATABLE READ", "REPEATABLE READ"]
        # a standby knows no SERIALIZABLE
        levels += ["SERIALIZABLE", "SERIALIZABLE"] if self.server == "primary" else []
        while wanted(len(self.calls)):
            self.isolation = self.random.choice(levels)
            if self.isolation != "autocommit":
                self.session.run("BEGIN ISOLATION LEVEL %s%s; SELECT 1" % (self.isolation, self.random.choice((" READ ONLY", ""))))
            try:
                self.ask_often(wanted)
                if self.isolation != "autocommit":
                    self.session.run("COMMIT")
            except Error as error:
                # beside managers of this level, PostgreSQL may refuse a transaction that only reads, too
                if self.isolation != "SERIALIZABLE" or error.sqlstate != "40001":
                    raise
                self.session.run("ROLLBACK")

    def ask_often(self, wanted):
        form = Validator.cached if self.args.cache else self.random.choice(self.FORMS)
        for _ in range(self.random.randint(1, 20)):
            known = self.secrets()
            if not known or not wanted(len(self.calls)):
                time.sleep(0.001)
                break
            form(self, [self.random.choice(known) + (self.random.randrange(len(QUESTIONS)),) for _ in range(20)])


#
# All of it.
#
def servers(args):
    return {"primary": args.primary, **({"standby": args.standby} if args.standby else {})}


def reader(path):
    """A function that gives the secrets announced last, as (secret, workspace)."""
    file, rest, known = open(path, "rb"), [b""], collections.deque(maxlen=SECRETS)

    def secrets():
        data = rest[0] + file.read()
        *lines, rest[0] = data.split(b"\n")
        known.extend(tuple(line.decode().split(" ")) for line in lines)
        return known
    return secrets


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--primary", required=True, help="connection string")
    parser.add_argument("--standby")
    parser.add_argument("--commit", default="remote_apply", help="synchronous_commit of the managers")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--calls", type=int, default=0, help="go on until the validators have made that many (at most 15 minutes)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--validators", type=int, default=2, help="of each server")
    parser.add_argument("--managers", type=int, default=2)
    parser.add_argument("--cache", type=float, default=0, help="milliseconds for which validators remember: a fault, to be found")
    args = parser.parse_args()

    self_test()
    setup = Session(args.primary)
    setup.run("SET synchronous_commit = %s; SET client_min_messages = warning; %s" % (args.commit, SETUP))
    setup.close()
    directory = tempfile.mkdtemp()
    path = os.path.join(directory, "secrets")
    open(path, "w").close()
    stop = os.path.join(directory, "stop")
    start = now()
    share = args.calls / (args.validators * len(servers(args)))

    def validate_on(calls):
        return now() < start + args.seconds * 1e6 or calls < share and now() < start + 900e6

    def announce(secret, workspace):
        out = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(out, ("%s %s\n" % (secret, workspace)).encode())
        os.close(out)

    def run(make, wanted, path):
        worker = error = None
        try:
            worker = make()
            worker.work(wanted)
        except BaseException as e:  # whatever it is, the test tells of it
            error = "%s: %r" % (type(worker).__name__, e)
        with open(path, "wb") as file:
            pickle.dump((worker.states if worker else [], error), file)
            pickle.dump(worker.calls if worker else [], file)
        os._exit(0)

    def fork(name, make, wanted):
        files.append("%s/%s" % (directory, name))
        pid = os.fork()
        if pid == 0:
            run(make, wanted, files[-1])
        return pid

    files = []
    managers = [fork("manager%d" % n, lambda: Manager(n, args, announce), lambda calls: not os.path.exists(stop))
                for n in range(args.managers)]
    validators = [fork("validator%d" % n, lambda: Validator(n, server, args, reader(path)), validate_on)
                  for n, server in enumerate(list(servers(args)) * args.validators)]
    for pid in validators:
        os.waitpid(pid, 0)
    open(stop, "w").close()
    for pid in managers:
        os.waitpid(pid, 0)

    # the states of all first, then the calls, one file after the other: there may be many
    opened = [open(name, "rb") for name in files]
    parts = [pickle.load(file) for file in opened]
    lines = timelines([state for states, _ in parts for state in states])
    changes = sum(len(states) for states, _ in parts)
    errors = [error for _, error in parts if error]
    counts = collections.Counter()
    violations = {server: collections.Counter() for server in servers(args)}
    shown = []
    for file in opened:
        for call in pickle.load(file):
            counts[call.server] += 1
            counts["%s, %s" % (call.form, call.isolation)] += 1
            counts["refused"] += call.code != "VALID"
            wrong = judge(lines[call.secret], call)
            if wrong:
                violations[call.server][wrong] += 1
                if violations[call.server][wrong] <= SHOWN:
                    shown.append("%s on the %s: %s, %s, %s %d to %d, states %s" % (
                        wrong, call.server, call.form, call.isolation, QUESTIONS[call.question], call.began, call.ended,
                        [("%.0f" % s.began, "%.0f" % s.ended, s.codes[call.question]) for s in lines[call.secret]]))
        file.close()
    shutil.rmtree(directory)
    json.dump({"calls": {k: v for k, v in counts.items() if k in servers(args)}, "refused": counts["refused"],
               "forms": {k: v for k, v in sorted(counts.items()) if "," in k},
               "changes": changes,
               "violations": violations, "shown": shown, "errors": errors}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
