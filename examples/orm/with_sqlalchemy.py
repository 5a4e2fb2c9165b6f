"""SQLAlchemy (1.4 or 2, with psycopg2), in Flask: orders for whoever has a key, and keys for whoever has the operator's token.

    DATABASE_URL=postgresql://shop_gateway@... ADMIN_DATABASE_URL=postgresql://shop_admin@... \
    OPERATOR_TOKEN=... PORT=8080 python3 with_sqlalchemy.py
"""

import contextlib
import hmac
import os

from flask import Flask, jsonify, request
from sqlalchemy import Column, Integer, Text, bindparam, create_engine, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base

app = Flask(__name__)
Base = declarative_base()
gateway = create_engine(os.environ["DATABASE_URL"], future=True)
admin = create_engine(os.environ["ADMIN_DATABASE_URL"], future=True)


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = {"schema": "shop"}
    order_id = Column(Integer, primary_key=True)
    item = Column(Text, nullable=False)


class Refused(Exception):
    """A request that was not valid: what the client is told."""

    def __init__(self, status, headers=None):
        self.status, self.headers = status, headers or {}


@app.errorhandler(Refused)
def refused(error):
    said = {401: "unauthorized", 403: "forbidden", 429: "too many requests"}[error.status]
    return jsonify(error=said), error.status, error.headers


AUTHENTICATE = text("SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers"
                    " FROM apikeys.authenticate(:credentials, :api, :client) AS v")


@app.get("/orders")
def orders():
    # One transaction, for the key that came with the request; its row-level security goes by that key.
    with Session(gateway) as session, session.begin():
        verdict = session.execute(AUTHENTICATE, {
            "credentials": request.headers.get("Authorization") or request.headers.get("X-API-Key"),
            "api": "data", "client": request.remote_addr}).one()
        if not verdict.valid:
            raise Refused(verdict.http_status, verdict.headers)
        rows = session.execute(select(Order).order_by(Order.order_id)).scalars()
        return jsonify(orders=[{"order_id": row.order_id, "item": row.item} for row in rows]), 200, verdict.headers


# Management: another role of the database, and an operator, never a key. The token stands for your sign-in.

@contextlib.contextmanager
def as_operator():
    token = request.headers.get("X-Operator-Token", "")
    if not hmac.compare_digest(token.encode(), os.environ["OPERATOR_TOKEN"].encode()):
        raise Refused(401)
    with Session(admin) as session, session.begin():
        session.execute(text("SELECT apikeys.act_as(:actor)"), {"actor": "ann@example.com"})  # who it is in the audit log
        yield session


# An interval would come as a timedelta, a timestamptz as a datetime to the microsecond; inet comes as text with psycopg2.
LIST = text("""
    SELECT k.key_id::text, k.name, k.apis, k.allowed_cidrs, k.rate_window::text, k.quota, k.metadata, k.updated_at::text,
           (SELECT u.last_client FROM apikeys.key_usage u WHERE u.key_id = k.key_id AND u.last_client IS NOT NULL LIMIT 1)
      FROM apikeys.list_keys(workspace => :workspace) AS k""")

# A dict needs its type; psycopg2 sends all else as a literal, of which PostgreSQL makes what the argument is.
UPDATE = text("""
    SELECT key_id::text, updated_at::text
      FROM apikeys.update_key(:key_id, apis => :apis, rate_limit => :rate_limit, rate_window => :rate_window,
             allowed_cidrs => :allowed_cidrs, metadata => :metadata, if_updated_at => :if_updated_at)""").bindparams(
    bindparam("metadata", type_=JSONB(none_as_null=True)))
CREATE = text("SELECT key_id::text, name, key FROM apikeys.create_key(:name, :apis, workspace => :workspace)")


@app.get("/keys")
def list_keys():
    with as_operator() as session:
        rows = session.execute(LIST, {"workspace": request.args.get("workspace")}).mappings().all()
    return jsonify(keys=[{**row, "quota": None if row["quota"] is None else str(row["quota"])} for row in rows])


@app.post("/keys")
def create_key():
    wanted = request.get_json()
    with as_operator() as session:
        key = session.execute(CREATE, {name: wanted.get(name) for name in ("name", "apis", "workspace")}).mappings().one()
    return jsonify(dict(key)), 201, {"Cache-Control": "no-store"}


@app.route("/keys/<key_id>", methods=["PATCH"])
def update_key(key_id):
    names = ("apis", "rate_limit", "rate_window", "allowed_cidrs", "metadata", "if_updated_at")
    with as_operator() as session:
        key = session.execute(UPDATE, {"key_id": key_id, **{name: request.get_json().get(name) for name in names}}).mappings().one()
    return jsonify(dict(key))


@app.delete("/keys/<key_id>")
def archive_key(key_id):
    with as_operator() as session:
        statement = text("SELECT key_id::text, state FROM apikeys.archive_key(:key_id)")
        return jsonify(dict(session.execute(statement, {"key_id": key_id}).mappings().one()))


# SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
STATUS = {"42704": 404, "42501": 403, "23514": 400,
          "23505": 409, "42710": 409, "2BP01": 409, "55000": 409, "40001": 409}


@app.errorhandler(DBAPIError)
def database_error(error):
    diag = error.orig.diag  # the driver's error; the text of SQLAlchemy's own has the statement's parameters
    status = 400 if (diag.sqlstate or "").startswith("22") else STATUS.get(diag.sqlstate, 500)
    if status == 500:
        app.logger.error("%s", error.orig)
        return jsonify(error="internal error"), status
    return jsonify(error=diag.message_primary, hint=diag.message_hint, field=diag.column_name), status


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
