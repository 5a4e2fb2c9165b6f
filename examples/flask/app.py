"""Flask with psycopg 3: orders for whoever has a key, and keys for whoever has the operator's token.

    DATABASE_URL=postgresql://shop_gateway@... ADMIN_DATABASE_URL=postgresql://shop_admin@... \
    OPERATOR_TOKEN=... PORT=8080 python3 app.py
"""

import contextlib
import hmac
import os

import psycopg
from flask import Flask, jsonify, request
from psycopg.rows import dict_row

app = Flask(__name__)


class Refused(Exception):
    """A request that was not valid: what the client is told."""

    def __init__(self, status, headers=None):
        self.status, self.headers = status, headers or {}


@app.errorhandler(Refused)
def refused(error):
    text = {401: "unauthorized", 403: "forbidden", 429: "too many requests"}[error.status]
    return jsonify(error=text), error.status, error.headers


@contextlib.contextmanager
def as_key(api):
    """One transaction, for the key that came with the request; its row-level security goes by that key."""
    credentials = request.headers.get("Authorization") or request.headers.get("X-API-Key")
    with psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row) as connection:  # or of a pool
        verdict = connection.execute(
            "SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers"
            " FROM apikeys.authenticate(%s, %s, %s) AS v",
            (credentials, api, request.remote_addr)).fetchone()
        if not verdict["valid"]:
            raise Refused(verdict["http_status"], verdict["headers"])
        yield connection, verdict["headers"]


@app.get("/orders")
def orders():
    with as_key("data") as (connection, headers):
        rows = connection.execute("SELECT order_id, item FROM shop.orders ORDER BY order_id").fetchall()
    return jsonify(orders=rows), 200, headers


# Management: another role of the database, and an operator, never a key. The token stands for your sign-in.

@contextlib.contextmanager
def as_operator():
    token = request.headers.get("X-Operator-Token", "")
    if not hmac.compare_digest(token.encode(), os.environ["OPERATOR_TOKEN"].encode()):
        raise Refused(401)
    with psycopg.connect(os.environ["ADMIN_DATABASE_URL"], row_factory=dict_row) as connection:
        connection.execute("SELECT apikeys.act_as(%s)", ("ann@example.com",))  # who it is in the audit log
        yield connection


@app.post("/keys")
def create_key():
    wanted = request.get_json()
    with as_operator() as connection:
        key = connection.execute(
            "SELECT key_id, name, key FROM apikeys.create_key(%s, %s, workspace => %s)",
            (wanted.get("name"), wanted.get("apis"), wanted.get("workspace"))).fetchone()
    return jsonify(key), 201, {"Cache-Control": "no-store"}


@app.delete("/keys/<key_id>")
def archive_key(key_id):
    with as_operator() as connection:
        return jsonify(connection.execute("SELECT key_id, state FROM apikeys.archive_key(%s)", (key_id,)).fetchone())


# SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
STATUS = {"42704": 404, "42501": 403, "23514": 400,
          "23505": 409, "42710": 409, "2BP01": 409, "55000": 409, "40001": 409}


@app.errorhandler(psycopg.Error)
def database_error(error):
    status = 400 if (error.sqlstate or "").startswith("22") else STATUS.get(error.sqlstate, 500)
    if status == 500:
        app.logger.error("%s", error)
        return jsonify(error="internal error"), status
    diag = error.diag  # its messages are for people, and quote no secret
    return jsonify(error=diag.message_primary, hint=diag.message_hint, field=diag.column_name), status


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
