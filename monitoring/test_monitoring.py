"""What Prometheus knows of apikeys, compared with what the database says. Run by scripts/check-monitoring, in a copy of monitoring/."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request

URL = os.environ["PROMETHEUS"]
SERVER = os.environ["SERVER"]  # as the exporter calls the server; it asks the same one by another name, too, as if it were a standby
TO_NO_KEY = f'sum(apikeys_validations_total{{workspace="",server="{SERVER}"}})'
passed = failed = 0


def check(name, good, told=""):
    global passed, failed
    print(("ok " if good else "FAIL ") + name, "" if good else told, flush=True)
    passed, failed = passed + bool(good), failed + (not good)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def sql(statement):
    """Each statement in a transaction of its own."""
    done = subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", os.environ["APP"]], input=statement,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


def api(path, **values):
    with urllib.request.urlopen(f"{URL}/api/v1/{path}?{urllib.parse.urlencode(values)}", timeout=10) as answer:
        return json.load(answer)["data"]


def ask(expression):
    """{labels as a sorted tuple: value}, without the labels that all have."""
    return {
        tuple(sorted((k, v) for k, v in row["metric"].items() if k not in ("job", "instance", "__name__"))): float(row["value"][1])
        for row in api("query", query=expression)["result"]
        if row["metric"].get("server", SERVER) == SERVER
    }


def becomes(expression, want, seconds=180):
    """Waits until the answer is what is wanted, and returns the last one."""
    end = time.monotonic() + seconds
    while True:
        try:
            got = ask(expression)
        except OSError as error:
            got = str(error)
        if got == want or time.monotonic() > end:
            return got
        time.sleep(0.5)


def same(name, expression, want):
    got = becomes(expression, want)
    check(name, got == want, f"\n  got  {got}\n  want {want}")


def labels(**values):
    return tuple(sorted({"database": "app", "server": SERVER, **values}.items()))


for name, command in {
    "promtool: the alerts are valid": ("check", "rules", "apikeys.rules.yml"),
    "promtool: the configuration is valid": ("check", "config", "prometheus.yml"),
    "promtool: each alert is raised when it should be, and not otherwise": ("test", "rules", "apikeys.rules.test.yml"),
}.items():
    check(name, *run("promtool", *command))

# ---- traffic

sql("""
    CREATE TEMPORARY TABLE k AS
    SELECT k.key, k.key_id FROM apikeys.create_key('Shop', '{data}', workspace => 'acme') k;
    INSERT INTO k SELECT k.key, k.key_id FROM apikeys.create_key('Soon', '{data,push}', expires_at => now() + interval '3 days') k;
    SELECT count(apikeys.validate_key(k.key, 'data')) FROM k, generate_series(1, 30);
    SELECT count(apikeys.validate_key(k.key, 'push')) FROM k, generate_series(1, 7);
    SELECT count(apikeys.validate_key('nobody''s ' || i, 'data')) FROM generate_series(1, 5) i;
    SELECT r.name FROM k, apikeys.regenerate_key(k.key_id, '1 hour') r WHERE r.workspace = 'acme';
    SELECT count(apikeys.validate_key(k.key, 'data')) FROM k, generate_series(1, 4) WHERE k.key_id = apikeys.key_id('Shop');
    SELECT d.name FROM apikeys.create_key('Lazy', '{push}') c, apikeys.disable_key(c.key_id) d;
    SELECT apikeys.flush_usage();
""")
same("requests, by workspace, API and code", "apikeys_validations_total", {
    labels(workspace="acme", api="data", code="VALID"): 34,
    labels(workspace="acme", api="push", code="INSUFFICIENT_PERMISSIONS"): 7,
    labels(workspace="default", api="data", code="VALID"): 30,
    labels(workspace="default", api="push", code="VALID"): 7,
    labels(api="data", code="NOT_FOUND"): 5,
})
same("requests with an old secret", 'apikeys_old_secret_requests_total{workspace="acme"}', {labels(workspace="acme"): 4})
same("the other server of the same database is kept apart", "count(apikeys_keys) by (database)", {(("database", "app"),): 6})
same("keys by state", "apikeys_keys", {labels(state="active"): 2, labels(state="disabled"): 1, labels(state="archived"): 0})
same("keys by workspace and state", "apikeys_workspace_keys > 0", {
    labels(workspace="acme", state="active"): 1, labels(workspace="default", state="active"): 1, labels(workspace="default", state="disabled"): 1})
same("every workspace is told of", "apikeys_workspaces_left_out", {labels(): 0})
same("the log is in its trees", "apikeys_audit_pending_entries + apikeys_audit_pending_age_seconds", {labels(): 0})
same("a checkpoint is not overdue", "apikeys_audit_checkpoint_age_seconds < bool 60", {labels(): 1})
same("keys that expire", "apikeys_keys_expiring", {labels(days="1"): 0, labels(days="7"): 1, labels(days="30"): 1})
same("no key has expired", "apikeys_keys_expired", {labels(): 0})
same("the worker runs", "apikeys_worker", {labels(state="running"): 1})
same("nothing was lost", "apikeys_lost_total", {labels(kind=kind): 0 for kind in ("counts", "limits_not_kept", "limits_given_up")})
same("no reports", "sum(apikeys_reports)", {(): 0})
same("the size of the log", "apikeys_audit_entries_total", {labels(): float(sql("SELECT count(*) FROM apikeys.audit_logs"))})
same("usage is flushed", "apikeys_last_flush_age_seconds < bool 30", {labels(): 1})
same("memory is within its bound", "apikeys_memory_bytes > bool 0 and apikeys_memory_bytes < apikeys_memory_max_bytes", {labels(): 1})
same("counters in memory", 'apikeys_memory_entries{kind="counters"} > bool 0', {labels(kind="counters"): 1})

# It counts on, and every metric of the function is among them.
sql("SELECT count(apikeys.validate_key('')) FROM generate_series(1, 6)")
same("more traffic arrives", TO_NO_KEY, {(): 11})
wanted = set(sql("SELECT DISTINCT name FROM apikeys.metrics()").split())
have = {name for name in api("label/__name__/values") if name.startswith("apikeys_")}
check("every metric of metrics() arrives, and no other", have == wanted, f"{have ^ wanted}")
arrived = json.dumps(api("series", **{"match[]": '{__name__=~"apikeys_.*"}'}))
check("and none names a key", not any(name in arrived for name in ("Shop", "Soon", "Lazy", "nobody")))

# ---- alerts: of those that need no waiting, one is raised and all work

rules = [rule for group in api("rules")["groups"] for rule in group["rules"]]
check("all alerts are healthy", len(rules) == 12 and all(rule["health"] in ("ok", "unknown") for rule in rules), str(rules)[:500])

# ---- the board: each of its queries is one that Prometheus answers, and most have figures by now

with open("grafana.json", encoding="utf-8") as file:
    board = json.load(file)
queries = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]
check("the board has panels", len(queries) >= 16)
empty, names = [], set()
for title, query in queries:
    try:
        if not ask(query.replace("$database", ".*").replace("$workspace", ".*").replace("$server", SERVER)):
            empty.append(title)
    except OSError as error:
        check(f"board: {title}", False, str(error))
check("every panel has figures", not empty, str(empty))
check("its ids are unique", len({panel["id"] for panel in board["panels"]}) == len(board["panels"]))

# ---- what the exporter cannot ask for is noticed, though it goes on giving the last figures

not_watched = next(rule["query"] for rule in rules if rule["name"] == "ApikeysNotWatched")
away = {labels(): 1}
same("the database is watched", not_watched, {})
sql("SELECT apikeys.revoke_access('apikeys_exporter', 'monitor')")
same("a role that lost its capability is noticed", not_watched, away)
sql("SELECT apikeys.grant_access('apikeys_exporter', 'monitor')")
same("and so is that it has it again", not_watched, {})

data = sql("SHOW data_directory")


def server(action):
    command = ["pg_ctl", "-s", "-w", "-m", "fast", "-D", data, "-l", os.path.join(os.path.dirname(data), "server.log"), action]
    if os.getuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


server("stop")
same("a server that is away is noticed", not_watched, away)
same("while its figures stay", TO_NO_KEY, {(): 11})
server("start")
sql("SELECT count(apikeys.validate_key('')) FROM generate_series(1, 9)")
same("after a restart of the server it goes on", TO_NO_KEY, {(): 20})
same("and is watched again", not_watched, {})

# ---- nobody uses it, and all is flushed: the worker writes the time of its flushes, as long as the exporter asks

time.sleep(12)
same("a quiet database is flushed, too", "apikeys_last_flush_age_seconds < bool 10", {labels(): 1})

print(f"{passed} passed, {failed} failed")
raise SystemExit(failed > 0)
