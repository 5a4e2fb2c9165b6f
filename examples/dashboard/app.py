"""A dashboard for apikeys: what an administrator sees and does, each click one call of the extension.

Flask, its templates, Flask-WTF for CSRF, psycopg. No JavaScript is needed; static/copy.js makes a copy button work.

    DASHBOARD_DSN         how to reach the database, as the role that may become the operators' roles
    DASHBOARD_OPERATORS   a JSON file: {"ann@example.com": {"password": werkzeug hash, "role": ..., "team": ... or null}}
    DASHBOARD_SECRET      signs the session cookies; a new one at each start, which ends all sessions, if it is not set
    DASHBOARD_HTTPS       1: the cookie is sent over HTTPS alone

The sign-in page stands in for your own: an identity provider's, or that of a proxy in front.
"""

import contextlib
import json
import os
import secrets
from datetime import date, datetime, timedelta, timezone
from uuid import UUID

import psycopg
from flask import Flask, Response, abort, flash, g, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from markupsafe import Markup
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.serving import make_server

from chart import chart
from proof import leads_to
from database import Operator, Refusal, acting, refusal

PAGE = 25
PERIODS = ["hour", "day", "week", "month", "total"]
OVERLAPS = [("0", "none: the old secret stops now"), ("1 hour", "1 hour"), ("1 day", "1 day"), ("7 days", "7 days")]
ORDERS = ["name asc", "name desc", "created_at asc", "created_at desc", "last_used_at asc", "last_used_at desc", "expires_at asc", "expires_at desc"]
LIMITS = ["rate_limit", "quota"]
TEXTS = ["name", "team", "owner"]

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("DASHBOARD_SECRET") or secrets.token_hex(32),
    SESSION_COOKIE_NAME="apikeys_dashboard",
    SESSION_COOKIE_HTTPONLY=True,
    SESSION_COOKIE_SAMESITE="Strict",
    SESSION_COOKIE_SECURE=os.environ.get("DASHBOARD_HTTPS") == "1",
    PERMANENT_SESSION_LIFETIME=timedelta(hours=8),
    MAX_CONTENT_LENGTH=2 * 1024 * 1024,
)
CSRFProtect(app)
app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
app.jinja_env.globals["PERIODS"] = PERIODS
DSN = os.environ.get("DASHBOARD_DSN", "")
with open(os.environ["DASHBOARD_OPERATORS"], encoding="utf-8") as file:
    OPERATORS = json.load(file)
NOBODY = generate_password_hash(secrets.token_hex(16))


# ---- Who is it, and what does the browser get

class Invalid(Exception):
    """A field that cannot be sent to the database at all, such as a number that is none."""

    def __init__(self, field, message):
        super().__init__(message)
        self.field, self.message = field, message


@app.before_request
def require_operator():
    if request.endpoint in ("static", "sign_in", None):
        return None
    known = OPERATORS.get(session.get("operator"))
    if known is None:
        return redirect(url_for("sign_in", next=request.full_path if request.method == "GET" else None))
    g.operator = Operator(session["operator"], known["role"], known.get("team"))
    return None


@app.after_request
def headers(response):
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


@app.route("/sign-in", methods=["GET", "POST"])
def sign_in():
    error = None
    if request.method == "POST":
        name = request.form.get("operator", "").strip()
        known = OPERATORS.get(name)
        # As slow for a name that nobody has.
        if check_password_hash(known["password"] if known else NOBODY, request.form.get("password", "")) and known:
            session.clear()
            session["operator"] = name
            session.permanent = True
            target = request.args.get("next") or ""
            # a path of ours, never another site
            return redirect(target if target[:1] == "/" and target[1:2] not in ("/", "\\") else url_for("keys"))
        error = "That name and that password do not belong together."
    return render_template("sign_in.html", error=error), 401 if error else 200


@app.post("/sign-out")
def sign_out():
    session.clear()
    return redirect(url_for("sign_in"))


# ---- What may the operator do

# What a page offers, and a function or view that stands for it. Who has manage in one workspace has the functions; whether it holds
# in another one, the database says when he tries.
OFFERS = {"view": "list_keys", "manage": "create_key", "validate": "validate_key", "audit": "search_audit_logs", "admin": "update_workspace"}


def may():
    """The names in OFFERS that the operator may use, and `everything` for an admin of all workspaces. Looked up once for a page."""
    if "may" not in g:
        g.may = set()
        try:
            with operator_transaction() as connection:
                allowed = {r["proname"] for r in connection.execute(
                    """SELECT proname FROM pg_proc WHERE pronamespace = 'apikeys'::regnamespace AND proname = ANY (%s)
                          AND has_function_privilege(oid, 'EXECUTE')""", [list(OFFERS.values())])}
                g.may = {name for name, function in OFFERS.items() if function in allowed}
                if "admin" in g.may and connection.execute("SELECT FROM apikeys.accesses WHERE workspace = '*'").fetchone() is not None:
                    g.may.add("everything")
        except psycopg.Error:  # the page shows that itself
            pass
    return g.may


app.jinja_env.globals.update(may=may, now=lambda: datetime.now(timezone.utc))


# ---- Calls

def operator_transaction():
    return acting(DSN, g.operator, request.remote_addr)


def rows(statement, **values):
    with operator_transaction() as connection:
        return connection.execute(statement, values).fetchall()


def row(statement, **values):
    found = rows(statement, **values)
    return found[0] if found else {}


def call(function, **values):
    """SELECT * FROM apikeys.function(name => value, ...): function and names are this program's own."""
    arguments = ", ".join(f"{name} => %({name})s" for name in values)
    return rows(f"SELECT * FROM apikeys.{function}({arguments})", **values)


def choices():
    """What a form offers: APIs, and the workspaces that the operator may see."""
    with operator_transaction() as connection:
        return {
            "apis": connection.execute("SELECT api, description FROM apikeys.apis").fetchall(),
            "workspaces": [r["workspace"] for r in connection.execute("SELECT workspace FROM apikeys.workspaces")],
        }


def form_page(template, status=200, **values):
    return render_template(template, **{"errors": {}, "problem": None, "form": {}, **values}), status


def submit(template, action, context):
    """Does what the form asks for. What is refused comes back as the form, with what was typed and why beside its field."""
    try:
        return action()
    except Invalid as wrong:
        status, errors, problem = 422, {wrong.field: wrong.message}, None
    except psycopg.Error as error:
        told = refusal(error)
        if told.status == 500 or (told.status == 404 and told.field is None):
            raise
        text = told.message + (f". {told.hint}" if told.hint else "")
        if told.field and told.field in context.get("fields", ()):
            status, errors, problem = told.status, {told.field: text}, None
        else:
            status, errors, problem = told.status, {}, text
    try:
        shown = context.get("load", dict)()
    except psycopg.Error:  # the database is away: the form shows what it was sent with
        shown = {"key": context.get("stub"), "workspace": context.get("stub"), "members": [], "denied": [], "accesses": [],
                 "apis": [{"api": api} for api in request.form.getlist("apis")],
                 "workspaces": request.form.getlist("workspace")}
    page, status = form_page(template, status, errors=errors, problem=problem, form=request.form, **{**context, **shown})
    return page, status, {"Retry-After": "5"} if status == 503 else {}


@app.errorhandler(psycopg.Error)
def database_error(error):
    told = refusal(error)
    if told.status >= 500:
        app.logger.error("%s: %s", error.sqlstate, error)
    page = render_template("error.html", told=told)
    return page, told.status, {"Retry-After": "5"} if told.status == 503 else {}


@app.errorhandler(CSRFError)
def csrf_error(error):
    return render_template("error.html", told=None, title="This form is out of date",
                           text="Go back, load the page again, and send it once more. Nothing was changed."), 400


@app.errorhandler(404)
def not_found(error):
    return render_template("error.html", told=None, title="Not found", text="There is no such page."), 404


# ---- What a form's fields mean

def text_of(field):
    return request.form.get(field, "").strip()


def whole(field):
    """A number, or None where the field is empty."""
    text = text_of(field)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(field, "This must be a whole number, or nothing.")
    return int(text)


def moment(field):
    """A date and time in UTC, as <input type=datetime-local> sends it, or None."""
    text = text_of(field)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    except ValueError:
        raise Invalid(field, "This must be a date and a time, such as 2030-12-31T23:59.") from None


def day(text, field):
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), timezone.utc) if text else None
    except ValueError:
        raise Invalid(field, "This must be a date, such as 2030-12-31.") from None


def key_values():
    """The attributes of a key from its form; what is empty is None."""
    values = {field: text_of(field) for field in TEXTS}
    values["apis"] = request.form.getlist("apis")
    values["expires_at"] = moment("expires_at")
    values["allowed_cidrs"] = text_of("allowed_cidrs").replace(",", " ").split() or None
    for field in LIMITS:
        values[field] = whole(field)
    values["rate_window"] = text_of("rate_window") if values["rate_limit"] else None
    values["quota_period"] = text_of("quota_period") if values["quota"] else None
    values["metadata"] = text_of("metadata") or None
    try:
        json.loads(values["metadata"] or "{}")
    except (ValueError, RecursionError):
        raise Invalid("metadata", "This must be JSON, such as {\"contract\": 4711}.") from None
    return values


KEY_FIELDS = [*TEXTS, "apis", "workspace", "expires_at", "allowed_cidrs", "rate_limit", "rate_window", "quota", "quota_period", "metadata"]


# ---- Keys

@app.get("/")
def home():
    return redirect(url_for("keys" if "view" in may() or "audit" not in may() else "audit"))


# The page of a form that could not be sent is not shown.
FORMS = {"new_key": "manage", "edit_key": "manage", "confirm": "manage", "new_workspace": "everything", "edit_workspace": "admin",
         "confirm_drop": "everything", "check": "validate"}


@app.before_request
def refuse_forms():
    needed = FORMS.get(request.endpoint) if request.method == "GET" and g.get("operator") else None
    if needed and needed not in may():
        may_not = Refusal(403, "Your role lacks the capability " + ("admin in all workspaces." if needed == "everything" else needed + "."),
                          "apikeys.grant_access() gives it.", None)
        return render_template("error.html", told=may_not), 403
    return None


@app.get("/keys")
def keys():
    asked = request.args
    state = asked.get("state") if asked.get("state") in ("active", "disabled", "archived") else None
    order = asked.get("order") if asked.get("order") in ORDERS else "created_at desc"
    page = max(1, asked.get("page", 1, int))
    found = call("list_keys", workspace=asked.get("workspace") or None, search=asked.get("search") or None, state=state,
                 api=asked.get("api") or None, order_by=order, max_rows=PAGE, skip=min((page - 1) * PAGE, 2**31 - 1))
    return render_template("keys.html", keys=found, state=state, order=order, page=page,
                           total=found[0]["total"] if found else 0, size=PAGE, **choices())


@app.get("/keys/new")
def new_key():
    return form_page("key_form.html", key=None, **choices())


@app.post("/keys/new")
def create_key():
    def action():
        values = {name: value or None for name, value in key_values().items()}
        issued = call("create_key", workspace=text_of("workspace") or None, **values)[0]
        return render_template("secret.html", key=issued, created=True)

    return submit("key_form.html", action, {"key": None, "fields": KEY_FIELDS, "load": choices})


def details(key_id):
    return row("SELECT * FROM apikeys.key_details(%(key_id)s)", key_id=key_id)


@app.get("/keys/<uuid:key_id>")
def key(key_id):
    hours = 168 if request.args.get("span") == "7d" else 24
    now = datetime.now(timezone.utc)
    found = details(key_id)
    usage = rows(
        """SELECT hour, sum(valid)::bigint AS valid, sum(denied)::bigint AS denied FROM apikeys.usage_history
            WHERE key_id = %(key_id)s AND hour > %(since)s GROUP BY hour""",
        key_id=key_id, since=now - timedelta(hours=hours))
    with operator_transaction() as connection:
        last = connection.execute("SELECT host(last_client) AS client FROM apikeys.key_usage WHERE key_id = %s AND last_client IS NOT NULL "
                                  "ORDER BY last_used_at DESC LIMIT 1", [key_id]).fetchone()
    events = call("search_audit_logs", key_id=key_id, max_rows=6) if "audit" in may() else []
    reason = next((changes.get("reason") for changes in (json.loads(event["changes"]) for event in events if event["changes"])
                   if f"{found['state']}_at" in changes), None)
    return render_template("key.html", key=found, chart=chart(usage, now, hours), last=last, events=events, reason=reason)


@app.get("/keys/<uuid:key_id>/edit")
def edit_key(key_id):
    return form_page("key_form.html", key=details(key_id), **choices())


@app.post("/keys/<uuid:key_id>/edit")
def update_key(key_id):
    def action():
        values = key_values()
        values["allowed_cidrs"] = values["allowed_cidrs"] or []
        values["metadata"] = values["metadata"] or "{}"
        for field in LIMITS:
            values[field] = values[field] or 0
        # The field shows no fractions of seconds: what nobody touched is kept as it is.
        if text_of("expires_at") == text_of("expires_at_shown"):
            values["expires_at"] = None
        elif values["expires_at"] is None:
            values["expires_at"] = "infinity"
        call("update_key", key_id=key_id, if_updated_at=text_of("if_updated_at") or None, **values)
        flash("Saved.")
        return redirect(url_for("key", key_id=key_id), 303)

    return submit("key_form.html", action, {"fields": KEY_FIELDS, "load": lambda: {"key": details(key_id), **choices()},
                                            "stub": {"key_id": key_id, "name": text_of("name")}})


@app.get("/keys/<uuid:key_id>/<any(regenerate, archive, disable):what>")
def confirm(key_id, what):
    return form_page(f"{what}.html", key=details(key_id), overlaps=OVERLAPS)


@app.post("/keys/<uuid:key_id>/<any(regenerate, archive, disable, enable, end_overlap):what>")
def change_key(key_id, what):
    def action():
        reason = {"reason": text_of("reason") or None}
        if what == "regenerate":
            issued = call("regenerate_key", key_id=key_id, overlap=text_of("overlap") or "0", **reason)[0]
            return render_template("secret.html", key=issued, created=False)
        if what == "end_overlap":
            call("end_overlap", key_id=key_id)
        else:
            call(f"{what}_key", key_id=key_id, **reason)
        flash({"archive": "Archived.", "disable": "Paused.", "enable": "Resumed.",
               "end_overlap": "The old secret has stopped."}[what])
        return redirect(url_for("key", key_id=key_id), 303)

    if what in ("enable", "end_overlap"):
        return action()  # a button without a form to go back to
    return submit(f"{what}.html", action, {"overlaps": OVERLAPS, "fields": ["overlap", "reason"],
                                           "load": lambda: {"key": details(key_id)}, "stub": {"key_id": key_id}})


# ---- Whose is this secret?

@app.route("/check", methods=["GET", "POST"])
def check():
    """What a request with a secret would get, without charging it. The secret is not given back to the page."""
    if request.method == "GET":
        return form_page("check.html", verdict=None, **choices())

    def action():
        values = {"key": text_of("key"), "api": text_of("api") or None, "client": text_of("client") or None}
        with operator_transaction() as connection:
            verdict = connection.execute("SELECT * FROM apikeys.validate_key(%(key)s, %(api)s, %(client)s, cost => 0)", values).fetchone()
            keys = connection.execute("SELECT * FROM apikeys.identify_key(%(key)s)", values).fetchall() if "view" in may() else []
        return form_page("check.html", verdict=verdict, key=keys[0] if keys else None, **choices())

    return submit("check.html", action, {"fields": ["key", "api", "client"], "verdict": None, "load": choices})


# ---- Audit logs

def audit_filters(asked):
    """The filters as arguments; until is the last day that is wanted, the function's is exclusive."""
    until = day(asked.get("until"), "until")
    if until and until.year == 9999:
        raise Invalid("until", "This is too late.")
    try:
        key_id = UUID(asked["key_id"]) if asked.get("key_id") else None
    except ValueError:
        raise Invalid("key_id", "This must be a key's id.") from None
    return {
        "search": asked.get("search") or None,
        "workspace": asked.get("workspace") or None,
        "teams": [asked["team"]] if asked.get("team") else None,
        "actions": [asked["action"]] if asked.get("action") else None,
        "actors": [asked["actor"]] if asked.get("actor") else None,
        "since": day(asked.get("since"), "since"),
        "until": until + timedelta(days=1) if until else None,
        "key_id": key_id,
    }


AUDIT_FIELDS = ["search", "workspace", "team", "action", "actor", "since", "until", "key_id"]


def audit_page(asked, errors=None, problem=None, status=200):
    page = {"entries": [], "older": None}
    try:
        filters = audit_filters(asked)
        before = asked.get("before", None, int)
        if before is not None and not 0 <= before < 2**63:
            before = None
        found = call("search_audit_logs", max_rows=PAGE + 1, before_id=before, **filters)
        page = {"entries": found[:PAGE], "older": found[PAGE - 1]["audit_id"] if len(found) > PAGE else None}
    except Invalid as wrong:
        errors, status = {wrong.field: wrong.message}, 422
    with operator_transaction() as connection:
        offered = connection.execute("SELECT * FROM apikeys.audit_filters()").fetchone()
        reports = connection.execute(
            "SELECT report_id, recipient, state, attempts, last_error FROM apikeys.reports "
            "LIMIT 5").fetchall()
        offered["workspaces"] = [r["workspace"] for r in connection.execute("SELECT workspace FROM apikeys.workspaces")] if "view" in may() else []
    kept = {name: asked[name] for name in AUDIT_FIELDS if asked.get(name)}
    return render_template("audit.html", filters=kept, offered=offered, reports=reports, errors=errors or {}, problem=problem,
                           first="before" not in asked, form=request.form, **page), status


@app.get("/audit")
def audit():
    return audit_page(request.args)


@app.get("/audit/<int:audit_id>")
def entry(audit_id):
    if audit_id >= 2**63 - 1:
        abort(404)
    found = call("search_audit_logs", before_id=audit_id + 1, max_rows=1)
    if not found or found[0]["audit_id"] != audit_id:
        abort(404)
    proof, problem, key = None, None, None
    if found[0]["key_id"] and "view" in may():
        with contextlib.suppress(psycopg.errors.UndefinedObject):  # archived, and dropped since
            key = details(found[0]["key_id"])
    try:
        proof = call("audit_inclusion_proof", audit_id=audit_id)[0]
        proof["leads"] = leads_to(proof)
    except psycopg.Error as error:
        told = refusal(error)
        if told.status >= 500 or told.status == 403:
            raise
        problem = told.message
    return render_template("entry.html", entry=found[0], key=key, proof=proof, problem=problem)


@app.get("/audit/verify")
def verify():
    with operator_transaction() as connection:
        verdicts = connection.execute("SELECT * FROM apikeys.verify_audit_logs()").fetchall()
        notes = {r["workspace"]: r for r in connection.execute("SELECT workspace, size, note FROM apikeys.audit_checkpoint()")}
    return render_template("verify.html", verdicts=verdicts, notes=notes)


@app.get("/audit/download")
def download():
    try:
        filters = audit_filters(request.args)
    except Invalid:
        return redirect(url_for("audit", **request.args))
    operator, client = g.operator, request.remote_addr

    def lines():
        """First nothing, when the first lines are there; so that what is refused is refused with a status."""
        arguments = ", ".join(f"{name} => %({name})s" for name in filters)
        with acting(DSN, operator, client) as connection, connection.cursor("export") as cursor:
            cursor.itersize = 1000
            cursor.execute(f"SELECT line FROM apikeys.export_audit_logs({arguments}) AS line", filters)
            yield ""
            for line in cursor:
                yield line["line"] + "\r\n"

    body = lines()
    next(body)
    return Response(body, content_type="text/csv; charset=utf-8",
                    headers={"Content-Disposition": f'attachment; filename="audit_{date.today():%Y-%m-%d}.csv"'})


@app.post("/audit/email")
def email():
    try:
        call("email_audit_logs", recipient=text_of("recipient"), **audit_filters(request.form))
    except Invalid as wrong:
        return audit_page(request.form, {wrong.field: wrong.message}, status=422)
    except psycopg.Error as error:
        told = refusal(error)
        if error.sqlstate != "0A000" and (told.status >= 500 or told.status == 403):
            raise
        text, status = told.message + (f". {told.hint}" if told.hint else ""), told.status
        if error.sqlstate == "0A000":  # built without libcurl, which is no secret
            text, status = error.diag.message_primary, 501
        if told.field == "recipient":
            return audit_page(request.form, errors={"recipient": text}, status=status)
        return audit_page(request.form, problem=text, status=status)
    flash("The report is queued.")
    kept = {name: request.form[name] for name in AUDIT_FIELDS if request.form.get(name)}
    return redirect(url_for("audit", **kept), 303)


# ---- Workspaces and teams

# Refused requests by code; those without a workspace belong to no key, and are shown to who sees all workspaces.
DENIED = "SELECT code, api, count, last_at, host(last_client) AS last_client FROM apikeys.denials WHERE workspace IS NOT DISTINCT FROM %s ORDER BY last_at DESC LIMIT 20"


@app.get("/workspaces")
def workspaces():
    with operator_transaction() as connection:
        return render_template("workspaces.html", workspaces=connection.execute("SELECT * FROM apikeys.workspaces").fetchall(),
                               denied=connection.execute(DENIED, [None]).fetchall())


def workspace_values():
    """The settings of a workspace from its form; what is empty is None."""
    values = {field: text_of(field) or None for field in ("name", "default_lifetime", "max_lifetime", "leak_action")}
    values.update({field: whole(field) for field in ("archive_limit", "key_limit", "rate_limit")})
    values["rate_window"] = text_of("rate_window") if values["rate_limit"] else None
    return values


WORKSPACE_FIELDS = ["workspace", "name", "prefix", "archive_limit", "key_limit", "default_lifetime", "max_lifetime",
                    "rate_limit", "rate_window", "leak_action"]


@app.get("/workspaces/new")
def new_workspace():
    return form_page("workspace_form.html", workspace=None)


@app.post("/workspaces/new")
def create_workspace():
    def action():
        call("create_workspace", workspace=text_of("workspace"), prefix=text_of("prefix") or None, **workspace_values())
        flash("Created.")
        return redirect(url_for("workspaces"), 303)

    return submit("workspace_form.html", action, {"workspace": None, "fields": WORKSPACE_FIELDS})


def workspace_and_members(workspace_id):
    with operator_transaction() as connection:
        found = connection.execute("SELECT * FROM apikeys.workspaces WHERE workspace = %s", [workspace_id]).fetchone()
        members = connection.execute(
            "SELECT actor, team FROM apikeys.team_members WHERE workspace = %s", [workspace_id]).fetchall()
        denied = connection.execute(DENIED, [workspace_id]).fetchall()
        accesses = connection.execute("SELECT role, capability, workspace, in_force FROM apikeys.accesses WHERE workspace IN (%s, '*')",
                                      [workspace_id]).fetchall() if "admin" in may() else []
    if found is None:
        abort(404)
    return {"workspace": found, "members": members, "denied": denied, "accesses": accesses}


@app.get("/workspaces/<workspace_id>")
def workspace(workspace_id):
    return form_page("workspace.html", **workspace_and_members(workspace_id))


@app.get("/workspaces/<workspace_id>/edit")
def edit_workspace(workspace_id):
    return form_page("workspace_form.html", **workspace_and_members(workspace_id))


@app.post("/workspaces/<workspace_id>/edit")
def update_workspace(workspace_id):
    def action():
        values = workspace_values()
        values["name"] = text_of("name")
        # Some are an admin's of all workspaces alone: what nobody touched is not sent.
        for field, nothing in {"key_limit": 0, "rate_limit": 0, "default_lifetime": "0", "max_lifetime": "0"}.items():
            values[field] = None if text_of(field) == text_of(f"{field}_shown") else values[field] or nothing
        if values["rate_limit"] is None and text_of("rate_window") == text_of("rate_window_shown"):
            values["rate_window"] = None
        call("update_workspace", workspace=workspace_id, prefix=text_of("prefix") or None, **values)
        flash("Saved.")
        return redirect(url_for("workspace", workspace_id=workspace_id), 303)

    return submit("workspace_form.html", action,
                  {"fields": WORKSPACE_FIELDS, "load": lambda: workspace_and_members(workspace_id), "stub": {"workspace": workspace_id}})


@app.post("/workspaces/<workspace_id>/members")
def add_member(workspace_id):
    def action():
        call("add_team_member", actor=text_of("actor"), team=text_of("team"), workspace=workspace_id)
        flash("Added.")
        return redirect(url_for("workspace", workspace_id=workspace_id), 303)

    return submit("workspace.html", action,
                  {"fields": ["actor", "team"], "load": lambda: workspace_and_members(workspace_id), "stub": {"workspace": workspace_id}})


@app.post("/workspaces/<workspace_id>/members/remove")
def remove_member(workspace_id):
    call("remove_team_member", actor=text_of("actor"), workspace=workspace_id)
    flash("Removed.")
    return redirect(url_for("workspace", workspace_id=workspace_id), 303)


@app.get("/workspaces/<workspace_id>/drop")
def confirm_drop(workspace_id):
    return form_page("workspace_drop.html", **workspace_and_members(workspace_id))


@app.post("/workspaces/<workspace_id>/drop")
def drop_workspace(workspace_id):
    def action():
        call("drop_workspace", workspace=workspace_id)
        flash("Deleted.")
        return redirect(url_for("workspaces"), 303)

    return submit("workspace_drop.html", action,
                  {"load": lambda: workspace_and_members(workspace_id), "stub": {"workspace": workspace_id}})


@app.template_filter("time")
def time_element(value):
    """<time> in UTC; for datetime-local fields see the filter `local`."""
    if value is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(), f"{value:%Y-%m-%d %H:%M}")


@app.template_filter("ago")
def ago(value):
    """<time>, in words that need no arithmetic; the exact time is its title."""
    if value is None:
        return Markup("never")
    seconds = (datetime.now(timezone.utc) - value).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        number = int(abs(seconds) // size)
        if number:
            words = f"{number} {unit}{'s' * (number > 1)}"
            break
    else:
        words = None
    text = "just now" if words is None else f"{words} ago" if seconds > 0 else f"in {words}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value.isoformat(), f"{value:%Y-%m-%d %H:%M} UTC", text)


WINDOWS = {"00:00:01": "second", "00:01:00": "minute", "01:00:00": "hour", "1 day": "day"}


@app.template_filter("window")
def window(value):
    return f"per {WINDOWS[value]}" if value in WINDOWS else f"in {value}"


@app.template_filter("big")
def big(value):
    """A number with its thousands apart."""
    return f"{value:,}".replace(",", "\u202f")


@app.template_filter("changed")
def changed(changes):
    """What an entry says of attributes that changed: name, old, new. Old and new are absent where it is not a change."""
    known = json.loads(changes) if isinstance(changes, str) else changes or {}
    found = []
    for name, value in known.items():
        pair = isinstance(value, dict) and set(value) == {"old", "new"}
        show = lambda v: None if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
        found.append((name, show(value["old"]) if pair else None, show(value["new"]) if pair else show(value)))
    return found


@app.template_filter("local")
def local(value):
    return f"{value:%Y-%m-%dT%H:%M:%S}" if value else ""


if __name__ == "__main__":
    # For one's own machine; elsewhere any WSGI server takes app:app.
    server = make_server("127.0.0.1", int(os.environ.get("DASHBOARD_PORT", 0)), app, threaded=True)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()
