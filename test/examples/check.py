#!/usr/bin/python3
"""Every example of examples/ answers requests of every verdict: check.py NAME...

Needs a server with the extension installed, of which PGUSER is the superuser (PGHOST, PGPORT), and which listens on
loopback, too, for roles with passwords. Each example gets a database of its own. What an example says is compared with
what it must say (status, headers, body), and the extension's own counters tell which verdict it was. The last line reads
`N passed, N failed`. scripts/check-examples calls it.
"""

import base64
import http.client
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import time

import psycopg
from psycopg.rows import dict_row

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples")
HOST, PORT = "127.0.0.1", os.environ["PGPORT"]
PASSWORD = secrets.token_urlsafe(12)
TOKEN = secrets.token_urlsafe(12)

passed = failed = 0


def check(name, good, *seen):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"FAIL {example}: {name}", *(f"\n     {what!r}" for what in seen), flush=True)


# How a request reaches an example. ask() and manage() return (status, {header: value}, body).

class Process:
    """An example that is a server of its own: HTTP, and JSON as in Flask's."""

    def __init__(self, folder, command, needs):
        self.folder, self.command, self.needs = folder, command, needs

    def start(self, database):
        # none that a connection of ours could be given meanwhile
        for self.port in random.sample(range(20000, 32000), 100):
            with socket.socket() as free:
                if free.connect_ex((HOST, self.port)) != 0:
                    break

        def url(role, form):
            return form.format(role=role, password=PASSWORD, host=HOST, port=PORT, database=database)

        uri = "postgresql://{role}:{password}@{host}:{port}/{database}"
        jdbc = "jdbc:postgresql://{host}:{port}/{database}?user={role}&password={password}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment.update(
            PORT=str(self.port), OPERATOR_TOKEN=TOKEN, PGHOST=HOST, PGPORT=PORT, PGDATABASE=database,
            DATABASE_URL=url("shop_gateway", uri), ADMIN_DATABASE_URL=url("shop_admin", uri),
            JDBC_URL=url("shop_gateway", jdbc), ADMIN_JDBC_URL=url("shop_admin", jdbc),
            GATEWAY_PASSWORD=PASSWORD, ADMIN_PASSWORD=PASSWORD)
        self.log = open(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"{self.folder}.log"), "w+")
        self.process = subprocess.Popen(self.command, cwd=os.path.join(EXAMPLES, self.folder), env=environment,
                                        stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 180
        while True:
            try:
                socket.create_connection((HOST, self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError("it did not start:\n" + self.said())
                time.sleep(0.1)

    def said(self):
        self.log.seek(0)
        return self.log.read()[-4000:]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def http(self, method, path, headers, body=None):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=180)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               dict(headers, **({} if body is None else {"Content-Type": "application/json"})))
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, json.loads(response.read())
        finally:
            connection.close()

    def ask(self, headers):
        return self.http("GET", "/orders", headers)

    def create(self, workspace, name, apis, token):
        return self.http("POST", "/keys", {"X-Operator-Token": token}, {"workspace": workspace, "name": name, "apis": apis})

    def archive(self, key_id, token):
        return self.http("DELETE", f"/keys/{key_id}", {"X-Operator-Token": token})

    def error(self, body):
        return body.get("error"), body.get("field")

    REFUSED = {401: "unauthorized", 403: "forbidden", 429: "too many requests"}
    tells_limits = True


class Orm(Process):
    """A Process that also lists and updates keys: what of a key comes through the ORM as it is, both ways."""

    def __init__(self, command, keeps_column=True):
        super().__init__("orm", command, None)
        self.keeps_column = keeps_column  # of the error 23505

    def list(self, workspace, token):
        return self.http("GET", f"/keys?workspace={workspace}", {"X-Operator-Token": token})

    def update(self, key_id, changes, token):
        return self.http("PATCH", f"/keys/{key_id}", {"X-Operator-Token": token}, changes)


class GraphQL(Process):
    def ask(self, headers):
        status, headers, body = self.http("POST", "/graphql", headers, {"query": "{allOrders(orderBy: ORDER_ID_ASC) {nodes {orderId item}}}"})
        if body.get("data"):
            body = {"orders": [{"order_id": o["orderId"], "item": o["item"]} for o in body["data"]["allOrders"]["nodes"]]}
        return status, headers, body

    def manage(self, query, variables, token):
        status, headers, body = self.http("POST", "/manage", {"X-Operator-Token": token}, {"query": query, "variables": variables})
        if status == 200:
            (field, value), = body["data"].items()
            body = json.loads(value["json"])
            status = 201 if field == "createKey" else 200  # GraphQL knows 200 alone
        return status, headers, body

    def create(self, workspace, name, apis, token):
        return self.manage("mutation($workspace: String, $name: String, $apis: [String]) "
                           "{createKey(input: {workspace: $workspace, name: $name, apis: $apis}) {json}}",
                           {"workspace": workspace, "name": name, "apis": apis}, token)

    def archive(self, key_id, token):
        return self.manage("mutation($id: UUID) {archiveKey(input: {keyId: $id}) {json}}", {"id": key_id}, token)

    def error(self, body):
        return body["errors"][0]["message"], body["errors"][0].get("field")


class Psql:
    """psql as a CGI program; there is no management in it."""
    needs = None
    REFUSED = Process.REFUSED
    tells_limits = True
    create = None
    error = Process.error

    def start(self, database):
        self.database = database

    def stop(self):
        pass

    def ask(self, headers):
        environment = dict(os.environ, REMOTE_ADDR=HOST,
                           **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()})
        done = subprocess.run(["psql", "-qAtX", "-U", "shop_gateway", "-d", self.database, "-f",
                               os.path.join(EXAMPLES, "psql", "request.sql")], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
        if done.returncode != 0:
            return done.returncode, {}, done.stderr
        head, body = done.stdout.split("\n\n", 1)
        headers = dict(line.split(": ", 1) for line in head.split("\n"))
        headers = {name.lower(): value for name, value in headers.items()}
        return int(headers["status"]), headers, json.loads(body)


class PlPgSql:
    needs = None
    REFUSED = Process.REFUSED
    tells_limits = True
    error = Process.error

    def start(self, database):
        self.connections = {
            role: psycopg.connect(dbname=database, user=role, autocommit=True) for role in ("shop_gateway", "shop_admin")}

    def stop(self):
        for connection in self.connections.values():
            connection.close()

    def ask(self, headers):
        headers = {name.lower(): value for name, value in headers.items()}
        status, headers, body = self.connections["shop_gateway"].execute(
            "SELECT * FROM shop.get_orders(%s, %s)",
            (headers.get("authorization") or headers.get("x-api-key"), HOST)).fetchone()
        return status, {name.lower(): value for name, value in headers.items()}, body

    def manage(self, sql, *parameters):
        status, body = self.connections["shop_admin"].execute(sql, parameters).fetchone()
        return status, {}, body

    def create(self, workspace, name, apis, token):
        return self.manage("SELECT * FROM shop.create_key('ann@example.com', %s, %s, %s)", workspace, name, apis)

    def archive(self, key_id, token):
        try:
            return self.manage("SELECT * FROM shop.archive_key('ann@example.com', %s)", key_id)
        except psycopg.errors.InvalidTextRepresentation as error:  # before any function was called
            return 400, {}, {"error": error.diag.message_primary}


class PostgRest:
    """The session that PostgREST makes: its documentation, "Transactions" and "Errors", and its source (PreQuery.hs, Error.hs)."""
    needs = None

    def __init__(self, pre_request, refused, tells_limits):
        self.pre_request, self.REFUSED, self.tells_limits = pre_request, refused, tells_limits

    def start(self, database):
        self.connection = psycopg.connect(dbname=database, user="shop_authenticator", autocommit=True)

    def stop(self):
        self.connection.close()

    def request(self, method, path, role, headers, main, parameters):
        headers = {name.lower(): value for name, value in headers.items()}
        claims = {"role": role, "email": "ann@example.com"} if role == "shop_admin" else {"role": role}
        run = self.connection.execute
        try:
            run("BEGIN ISOLATION LEVEL READ COMMITTED " + ("READ ONLY" if method == "GET" else "READ WRITE"))
            run("SELECT set_config('search_path', 'rest, public', true), set_config('role', %s, true), "
                "set_config('request.jwt.claims', %s, true), set_config('request.method', %s, true), "
                "set_config('request.path', %s, true), set_config('request.headers', %s, true), set_config('request.cookies', '{}', true)",
                (role, json.dumps(claims), method, path, json.dumps(headers)))
            run(f"SELECT {self.pre_request}()")
            body = run(main, parameters).fetchone()[0]
            told = run("SELECT nullif(current_setting('response.headers', true), '')").fetchone()[0]
            run("COMMIT")
            answer = {name.lower(): value for one in json.loads(told or "[]") for name, value in one.items()}
            return 200, answer, body
        except psycopg.Error as error:
            run("ROLLBACK")
            diag = error.diag
            if diag.sqlstate == "PGRST":
                message, detail = json.loads(diag.message_primary), json.loads(diag.message_detail)
                check("PGRST: what PostgREST wants in it", {"code", "message"} <= set(message) and {"status", "headers"} <= set(detail),
                      message, detail)
                return detail["status"], {k.lower(): v for k, v in detail["headers"].items()}, message
            status = {"23505": 409, "42501": 403 if role == "shop_admin" else 401}.get(
                diag.sqlstate, 500 if diag.sqlstate[:2] in ("40", "54", "55", "P0", "XX") else 400)
            return status, {}, {"code": diag.sqlstate, "message": diag.message_primary, "details": None, "hint": None}

    def ask(self, headers):
        # Bearer is PostgREST's own: it takes what follows for a JWT, and refuses it. Keys come as X-API-Key.
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            headers = {"X-API-Key": rest or scheme}
        status, headers, body = self.request(
            "GET", "/rpc/orders", "shop_gateway", dict(headers, **{"X-Real-IP": HOST}),
            "SELECT coalesce(json_agg(_postgrest_t), '[]') FROM (SELECT * FROM rest.orders()) AS _postgrest_t", ())
        return status, headers, {"orders": body} if status == 200 else body

    def create(self, workspace, name, apis, token):
        if token != TOKEN:  # PostgREST itself refuses a JWT with a wrong signature; without one the role is the gateway's
            return self.request("POST", "/rpc/create_key", "shop_gateway", {}, "SELECT 1", ())
        status, headers, body = self.request("POST", "/rpc/create_key", "shop_admin", {},
                                             "SELECT rest.create_key(%s, %s, %s)", (workspace, name, apis))
        return 201 if status == 200 else status, headers, body

    def archive(self, key_id, token):
        return self.request("POST", "/rpc/archive_key", "shop_admin", {}, "SELECT rest.archive_key(%s)", (key_id,))

    def error(self, body):
        return body.get("message"), body.get("details")


SAYS = {401: "a valid API key is required", 403: "the API key is not allowed to make this request", 429: "the API key has no requests left"}
RUN = {
    "flask": Process("flask", ["/usr/bin/python3", "app.py"], None),
    "django": Process("django", ["/usr/bin/python3", "app.py"], None),
    "jdbc": Process("jdbc", ["java", "-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/postgresql.jar", "Server.java"], None),
    "express": Process("express", ["node", "server.js"], None),
    "sqlalchemy": Orm(["/usr/bin/python3", "with_sqlalchemy.py"]),
    "sequelize": Orm(["node", "server.js", "sequelize"]),
    "drizzle": Orm(["node", "server.js", "drizzle"]),
    "prisma": Orm(["node", "server.js", "prisma"], keeps_column=False),
    "postgraphile": GraphQL("postgraphile", ["node", "server.js"], "postgraphile/setup.sql"),
    "psql": Psql(),
    "plpgsql": PlPgSql(),
    "postgrest": PostgRest("rest_private.check_key", SAYS, False),
    "postgrest-long": PostgRest("rest_private.check_key_and_tell", Process.REFUSED, True),
}
RUN["plpgsql"].needs = "plpgsql/functions.sql"
RUN["postgrest"].needs = RUN["postgrest-long"].needs = "postgrest/setup.sql"

ACME = {"orders": [{"order_id": 1, "item": "an anvil"}, {"order_id": 3, "item": "a rocket"}]}
GLOBEX = {"orders": [{"order_id": 2, "item": "a box"}]}


def requests(example, owner):
    """All requests to one example; owner is a connection of the superuser's."""

    def one(sql, *parameters):
        return owner.execute(sql, parameters).fetchone()

    def key(name, apis=("data",), workspace="acme", **more):
        arguments = ", ".join(f"{argument} => %s" for argument in more)
        return one(f"SELECT key_id, key FROM apikeys.create_key(%s, %s, workspace => %s{', ' + arguments if more else ''})",
                   name, list(apis), workspace, *more.values())

    def verdicts():
        counts = {row["code"]: int(row["n"]) for row in owner.execute("SELECT code, sum(count) AS n FROM apikeys.denials GROUP BY code")}
        counts["VALID"] = int(one("SELECT coalesce(sum(valid), 0) AS n FROM apikeys.key_usage")["n"])
        return counts

    def ask(name, headers, code, body=None, limits=False, quota=False):
        """One request, and all that must be true of the answer."""
        before = verdicts()
        status, got, said = RUN[example].ask(headers)
        after = verdicts()
        wanted = {"VALID": 200, "ADDRESS_NOT_ALLOWED": 403, "INSUFFICIENT_PERMISSIONS": 403,
                  "QUOTA_EXCEEDED": 429, "RATE_LIMITED": 429}.get(code, 401)
        check(f"{name}: status", status == wanted, status, said)
        counted = {c: n - before.get(c, 0) for c, n in after.items() if n != before.get(c, 0)}
        check(f"{name}: one request, {code}", counted == {code: 1}, counted)
        if wanted == 200:
            check(f"{name}: body", said == body, said)
        else:
            check(f"{name}: body", isinstance(said, dict) and RUN[example].error(said)[0] == RUN[example].REFUSED[wanted], said)
            told = json.dumps(said)
            check(f"{name}: nothing of the key", "acme" not in told and "globex" not in told, told)
        challenge = 'Bearer realm="apikeys"'
        if wanted == 401 and code != "MISSING":
            challenge += ', error="invalid_token"'
        elif code == "INSUFFICIENT_PERMISSIONS":
            challenge += ', error="insufficient_scope"'
        elif wanted != 401:
            challenge = None
        check(f"{name}: WWW-Authenticate", got.get("www-authenticate") == challenge, got)
        check(f"{name}: Retry-After", got.get("retry-after", "").isdigit() if wanted == 429 else "retry-after" not in got, got)
        if limits is None:  # told elsewhere
            return
        told = limits and (RUN[example].tells_limits or wanted != 200)
        policy = {False: None, True: '"quota";q=1' if quota else '"rate";q=1;w=3600'}[told]
        check(f"{name}: RateLimit-Policy", got.get("ratelimit-policy") == policy, got)
        begins = '"quota";r=0;t=' if quota else '"rate";r=0;t='
        check(f"{name}: RateLimit", got.get("ratelimit", "").startswith(begins) if told else "ratelimit" not in got, got)

    def bearer(row):
        return {"Authorization": f"Bearer {row['key']}"}

    # ---- no key
    ask("no header", {}, "MISSING")
    ask("empty header", {"Authorization": ""}, "MISSING")
    ask("another scheme", {"Authorization": 'Digest username="ann"'}, "MALFORMED")
    ask("a scheme alone", {"Authorization": "Bearer"}, "MALFORMED")
    ask("too long", {"X-API-Key": "a" * 600}, "MALFORMED")
    ask("not ASCII", {"Authorization": "Bearer schl\u00fcssel"}, "MALFORMED")
    ask("SQL", {"Authorization": "Bearer ' OR true --"}, "MALFORMED")
    ask("somebody's guess", {"Authorization": "Bearer ak_" + 43 * "0" + "2PL60u"}, "NOT_FOUND")

    # ---- valid, in every way a key comes, and row-level security by the key
    web, globex = key("web"), key("web", workspace="globex")
    ask("valid", bearer(web), "VALID", ACME)
    ask("valid, another tenant", bearer(globex), "VALID", GLOBEX)
    ask("X-API-Key", {"X-API-Key": web["key"]}, "VALID", ACME)
    basic = base64.b64encode(f"acme:{web['key']}".encode()).decode()
    ask("Basic", {"Authorization": f"Basic {basic}"}, "VALID", ACME)
    ask("after a valid one, nothing", {}, "MISSING")
    basic = base64.b64encode(f"globex:{web['key']}".encode()).decode()
    ask("Basic, another workspace", {"Authorization": f"Basic {basic}"}, "NOT_FOUND")
    typo = web["key"][:-1] + ("a" if web["key"][-1] != "a" else "b")
    ask("a typo", {"Authorization": f"Bearer {typo}"}, "MALFORMED")
    ask("here alone", bearer(key("here", allowed_cidrs=["127.0.0.0/8"])), "VALID", ACME)

    # ---- refused
    ask("elsewhere alone", bearer(key("elsewhere", allowed_cidrs=["192.0.2.0/24"])), "ADDRESS_NOT_ALLOWED")
    ask("another API", bearer(key("push", apis=["push"])), "INSUFFICIENT_PERMISSIONS")
    limited = key("limited", rate_limit=1, rate_window="1 hour")
    ask("the only one of an hour", bearer(limited), "VALID", ACME, limits=True)
    ask("the second one", bearer(limited), "RATE_LIMITED", limits=True)
    quota = key("quota", quota=1, quota_period="month")
    ask("the only one of a month", bearer(quota), "VALID", ACME, limits=True, quota=True)
    ask("one too many", bearer(quota), "QUOTA_EXCEEDED", limits=True, quota=True)
    ask("with the old secret", bearer(web), "VALID", ACME)
    new = one("SELECT key FROM apikeys.regenerate_key(%s, '1 hour')", web["key_id"])
    ask("in the overlap", bearer(web), "VALID", ACME)
    ask("with the new secret", bearer(new), "VALID", ACME)
    one("SELECT state FROM apikeys.end_overlap(%s)", web["key_id"])
    ask("after the overlap", bearer(web), "REGENERATED")
    one("SELECT state FROM apikeys.disable_key(%s)", web["key_id"])
    ask("paused", bearer(new), "DISABLED")
    one("SELECT state FROM apikeys.enable_key(%s)", web["key_id"])
    ask("enabled again", bearer(new), "VALID", ACME)
    one("SELECT state FROM apikeys.update_key(%s, expires_at => now() - interval '1 minute')", web["key_id"])
    ask("expired", bearer(new), "EXPIRED")
    one("SELECT state FROM apikeys.archive_key(%s)", globex["key_id"])
    ask("archived", bearer(globex), "ARCHIVED")

    # ---- management, and its errors
    if RUN[example].create is None:
        return

    def manage(name, answer, status, field=None, message=None):
        got, headers, said = answer
        check(f"{name}: status", got == status, got, said)
        if status >= 400:
            text, at = RUN[example].error(said)
            check(f"{name}: field", at == field, said)
            check(f"{name}: message", text is not None and (message or "") in text, said)
        return said

    create, archive = RUN[example].create, RUN[example].archive
    made = manage("create", create("acme", "Mobile", ["data"], TOKEN), 201)
    check("create: body", set(made) == {"key_id", "name", "key"} and made["name"] == "Mobile", made)
    ask("with the new key", bearer(made), "VALID", ACME)
    actor = one("SELECT actor, db_user FROM apikeys.audit_logs WHERE key_id = %s", made["key_id"])
    session = "shop_authenticator" if isinstance(RUN[example], PostgRest) else "shop_admin"
    check("create: who it was", actor == {"actor": "ann@example.com", "db_user": session}, actor)
    manage("name taken", create("acme", "mobile", ["data"], TOKEN), 409, "name" if getattr(RUN[example], "keeps_column", True) else None)
    manage("no name", create("acme", "", ["data"], TOKEN), 400, "name")
    manage("NULL name", create("acme", None, ["data"], TOKEN), 400, "name")
    manage("no APIs", create("acme", "Other", [], TOKEN), 400, "apis")
    manage("unknown API", create("acme", "Other", ["nothing"], TOKEN), 404)
    manage("unknown workspace", create("nowhere", "Other", ["data"], TOKEN), 404)
    if not isinstance(RUN[example], PlPgSql):  # where the operator is whom the database knows
        before = one("SELECT count(*) AS n FROM apikeys.active_keys")
        status, _, said = create("acme", "Forged", ["data"], "wrong")
        check("no operator", status == 401, status, said)
        check("no operator: nothing made", one("SELECT count(*) AS n FROM apikeys.active_keys") == before)
    archived = manage("archive", archive(made["key_id"], TOKEN), 200)
    check("archive: body", archived == {"key_id": made["key_id"], "state": "archived"}, archived)
    ask("with the archived key", bearer(made), "ARCHIVED")
    manage("archive nothing", archive("00000000-0000-4000-8000-000000000000", TOKEN), 404)
    manage("archive what is no id", archive("Mobile", TOKEN), 400)
    if not isinstance(RUN[example], Orm):
        return

    # ---- types: list, update with everything that has one, list again
    def listed(key_id):
        status, _, said = RUN[example].list("acme", TOKEN)
        check("list: status", status == 200, said)
        return next((row for row in said.get("keys", []) if row["key_id"] == key_id), {})

    def stored(key_id):
        """The same row, as text that Python's and JavaScript's types had no part in."""
        return one("SELECT key_id::text, name, apis, allowed_cidrs, rate_window::text, quota::text, metadata, updated_at::text, "
                   "(SELECT host(last_client) FROM apikeys.key_usage u WHERE u.key_id = k.key_id AND last_client IS NOT NULL) AS last_client "
                   "FROM apikeys.keys k WHERE key_id = %s", key_id)

    def same(what, key_id, **wanted):
        got = listed(key_id)
        check(f"{what}: as the database has it", got == stored(key_id), got, stored(key_id))
        check(f"{what}: as it was meant", wanted.items() <= got.items(), got)
        return got

    plain = key("plain")
    same("a plain key", str(plain["key_id"]), apis=["data"], allowed_cidrs=None, rate_window=None, quota=None, last_client=None)
    rich = key("rich", apis=("data", "push"), rate_limit=10, rate_window="1 day 02:03:04.5", quota=2**53 + 1, quota_period="month",
               allowed_cidrs=["127.0.0.0/8", "2001:db8::/32"], metadata=json.dumps({"a": [1, None, "<i>"]}))
    ask("rich", bearer(rich), "VALID", ACME, limits=None)
    rich_id = str(rich["key_id"])
    one("SELECT state FROM apikeys.update_key(%s, name => 'rich one')", rich_id)
    got = same("all types", rich_id, name="rich one", apis=["data", "push"], allowed_cidrs=["127.0.0.0/8", "2001:db8::/32"],
               rate_window="1 day 02:03:04.5", quota="9007199254740993", metadata={"a": [1, None, "<i>"]}, last_client="127.0.0.1")
    changes = {"apis": ["push"], "rate_limit": 7, "rate_window": "2 days", "allowed_cidrs": ["192.0.2.1/32"], "metadata": {"b": 'it\'s "b"'},
               "if_updated_at": got.get("updated_at")}
    manage("update", RUN[example].update(rich_id, changes, TOKEN), 200)
    same("after the update", rich_id, apis=["push"], rate_window="2 days", allowed_cidrs=["192.0.2.1/32"], metadata={"b": 'it\'s "b"'})
    manage("update what was changed since", RUN[example].update(rich_id, changes, TOKEN), 409)
    manage("update: a bad window", RUN[example].update(rich_id, {"rate_limit": 1, "rate_window": "soon"}, TOKEN), 400)
    manage("update: an unknown API", RUN[example].update(rich_id, {"apis": ["nothing"]}, TOKEN), 404)
    manage("update: an empty list", RUN[example].update(rich_id, {"apis": []}, TOKEN), 400, "apis")
    manage("update: nothing changes", RUN[example].update(str(plain["key_id"]), {}, TOKEN), 200)
    same("after no change", str(plain["key_id"]), apis=["data"], allowed_cidrs=None, metadata=None)


for example in sys.argv[1:]:
    database = "shop_" + example.replace("-", "_")
    began, ran = time.monotonic(), passed + failed
    with psycopg.connect(dbname="postgres", autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {database}")
    with psycopg.connect(dbname=database, autocommit=True, row_factory=dict_row) as owner:
        owner.execute("SET client_min_messages = warning")
        owner.execute("CREATE EXTENSION apikeys CASCADE")
        for role in ("shop_gateway", "shop_admin", "shop_authenticator"):
            owner.execute(f"DROP ROLE IF EXISTS {role}")
        for script in ("shop.sql", RUN[example].needs):
            if script:
                with open(os.path.join(EXAMPLES, script)) as file:
                    owner.execute(file.read())
        for role in ("shop_gateway", "shop_admin"):
            owner.execute(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
        try:
            RUN[example].start(database)
        except (RuntimeError, psycopg.Error, OSError) as error:
            check(f"start: {error}", False)
        else:
            bad = failed
            try:
                requests(example, owner)
            except Exception as error:  # the next example runs all the same
                import traceback
                check("ended: " + traceback.format_exc(), False)
            RUN[example].stop()
            if failed != bad and isinstance(RUN[example], Process):
                print(RUN[example].said())
    with psycopg.connect(dbname="postgres", autocommit=True) as owner:
        owner.execute(f"DROP DATABASE {database} WITH (FORCE)")
    print(f"{example}: {passed + failed - ran} checks, {time.monotonic() - began:.0f} s", flush=True)

print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0 or passed == 0)
