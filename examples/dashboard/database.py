"""How the dashboard reaches the database: as the operator, in one transaction for each click.

The dashboard logs in as one role (DASHBOARD_DSN) that may do nothing itself but become its operators' roles. Each
transaction begins by becoming the operator: his role, so that PostgreSQL and the extension decide what he may do, and his
name, team and address for the audit log. All of it ends with the transaction, so that a pooler may stand between.
A connection lives as long as its transaction: a database that was away is back with the next click.
"""

import contextlib
from typing import NamedTuple, Optional

import psycopg
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader


class Operator(NamedTuple):
    name: str
    role: str
    team: Optional[str]


BECOME = """
    SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
           pg_catalog.set_config('TimeZone', 'UTC', true),
           pg_catalog.set_config('IntervalStyle', 'postgres', true),
           pg_catalog.set_config('apikeys.actor', %(name)s, true),
           pg_catalog.set_config('apikeys.team', %(team)s, true),
           pg_catalog.set_config('apikeys.client', %(client)s, true),
           pg_catalog.set_config('role', %(role)s, true)
"""


@contextlib.contextmanager
def acting(dsn: str, operator: Operator, client: str):
    """A transaction in which everything is done by this operator. Rows are dicts; intervals and JSON are text, as a form has them."""
    with psycopg.connect(dsn, row_factory=dict_row, connect_timeout=5) as connection:
        for kind in ("interval", "jsonb"):
            connection.adapters.register_loader(kind, TextLoader)
        connection.execute(
            BECOME, {"name": operator.name, "team": operator.team or "", "client": client, "role": operator.role}
        )
        yield connection


class Refusal(NamedTuple):
    """What to tell the operator of an error."""

    status: int
    message: str
    hint: Optional[str]
    field: Optional[str]  # the argument that is to blame, which is the form's field, too


# The extension's errors (docs/reference.md), by SQLSTATE or its class.
STATUS = {
    "40001": 409,  # somebody else changed it since
    "40P01": 409,
    "2BP01": 409,  # still in use
    "55000": 409,  # archived
    "42710": 422,  # exists already
    "42704": 404,  # there is none, or none that he may see
    "42501": 403,
    "54000": 429,  # too many reports are queued
    "22": 422,  # a bad value
    "23": 422,  # taken; or the workspace's policy refuses it
    "08": 503,
    "53": 503,
    "57": 503,
}


def refusal(error: psycopg.Error) -> Refusal:
    """Errors of the database, for people. Those that nobody foresaw are not shown: their text is for the log."""
    state = error.sqlstate
    if state is None:
        if isinstance(error, psycopg.OperationalError):
            return Refusal(503, "The database cannot be reached at the moment.", "Nothing was changed. Try again.", None)
        if isinstance(error, psycopg.DataError):  # a NUL byte, which the driver refuses
            return Refusal(422, "The text has a character that cannot be stored.", None, None)
        return Refusal(500, "Something went wrong.", "The dashboard's log tells more.", None)
    status = STATUS.get(state) or STATUS.get(state[:2], 500)
    if status == 500:
        return Refusal(500, "Something went wrong.", f"The dashboard's log tells more (SQLSTATE {state}).", None)
    if status == 503:
        return Refusal(503, "The database is not ready at the moment.", "Nothing was changed. Try again.", None)
    message = error.diag.message_primary or "refused"
    return Refusal(status, message[0].upper() + message[1:], error.diag.message_hint, error.diag.column_name)
