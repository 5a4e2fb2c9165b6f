"""Django with psycopg (3, or 2 with a Django before 4.2): orders by key, and keys by an operator. All in one file.

    PGHOST=... PGPORT=... PGDATABASE=shop GATEWAY_PASSWORD=... ADMIN_PASSWORD=... \
    OPERATOR_TOKEN=... PORT=8080 python3 app.py
"""

import contextlib
import hmac
import json
import logging
import os

from django.conf import settings

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
            "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[__name__ + ".errors"],
    DATABASES={
        "default": dict(DATABASE, USER="shop_gateway", PASSWORD=os.environ["GATEWAY_PASSWORD"]),
        "admin": dict(DATABASE, USER="shop_admin", PASSWORD=os.environ["ADMIN_PASSWORD"]),
    })

from django.core.wsgi import get_wsgi_application  # noqa: E402 (after the settings)
from django.db import Error, connections, transaction  # noqa: E402
from django.http import JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.http import require_http_methods  # noqa: E402


class Refused(Exception):
    """A request that was not valid: what the client is told."""

    def __init__(self, status, headers=None):
        self.status, self.headers = status, headers or {}


def answer(body, status=200, headers=None):
    response = JsonResponse(body, status=status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


@contextlib.contextmanager
def as_key(request, api):
    """One transaction, for the key that came with the request; its row-level security goes by that key."""
    credentials = request.headers.get("Authorization") or request.headers.get("X-API-Key")
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT v.valid, v.http_status, apikeys.response_headers(v)::pg_catalog.text"
            " FROM apikeys.authenticate(%s, %s, %s) AS v",
            (credentials, api, request.META["REMOTE_ADDR"]))
        valid, status, headers = cursor.fetchone()
        if not valid:
            raise Refused(status, json.loads(headers))
        yield cursor, json.loads(headers)


@require_http_methods(["GET"])
def orders(request):
    with as_key(request, "data") as (cursor, headers):     # models work here as well as a cursor
        cursor.execute("SELECT order_id, item FROM shop.orders ORDER BY order_id")
        rows = [{"order_id": order_id, "item": item} for order_id, item in cursor]
    return answer({"orders": rows}, 200, headers)


# Management: another role of the database, and an operator, never a key. The token stands for your sign-in.

@contextlib.contextmanager
def as_operator(request):
    token = request.headers.get("X-Operator-Token", "")
    if not hmac.compare_digest(token.encode(), os.environ["OPERATOR_TOKEN"].encode()):
        raise Refused(401)
    with transaction.atomic(using="admin"), connections["admin"].cursor() as cursor:
        cursor.execute("SELECT apikeys.act_as(%s)", ("ann@example.com",))  # who it is in the audit log
        yield cursor


@require_http_methods(["POST"])
def create_key(request):
    wanted = json.loads(request.body)
    with as_operator(request) as cursor:
        cursor.execute("SELECT key_id, name, key FROM apikeys.create_key(%s, %s, workspace => %s)",
                       (wanted.get("name"), wanted.get("apis"), wanted.get("workspace")))
        key_id, name, key = cursor.fetchone()
    return answer({"key_id": key_id, "name": name, "key": key}, 201, {"Cache-Control": "no-store"})


@require_http_methods(["DELETE"])
def archive_key(request, key_id):
    with as_operator(request) as cursor:
        cursor.execute("SELECT key_id, state FROM apikeys.archive_key(%s)", (key_id,))
        key_id, state = cursor.fetchone()
    return answer({"key_id": key_id, "state": state})


# SQLSTATE to HTTP; of class 22 (a bad value) all are 400.
STATUS = {"42704": 404, "42501": 403, "23514": 400,
          "23505": 409, "42710": 409, "2BP01": 409, "55000": 409, "40001": 409}
REFUSED = {401: "unauthorized", 403: "forbidden", 429: "too many requests"}


class errors:
    """The middleware that makes responses of exceptions."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if isinstance(error, Refused):
            return answer({"error": REFUSED[error.status]}, error.status, error.headers)
        diag = getattr(error.__cause__, "diag", None) if isinstance(error, Error) else None
        sqlstate = getattr(diag, "sqlstate", None) or ""
        status = 400 if sqlstate.startswith("22") else STATUS.get(sqlstate, 500)
        if status == 500:
            logging.error("%s", error)
            return answer({"error": "internal error"}, status)
        return answer({"error": diag.message_primary, "hint": diag.message_hint, "field": diag.column_name}, status)


urlpatterns = [path("orders", orders), path("keys", create_key), path("keys/<key_id>", archive_key)]

if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application()).serve_forever()
