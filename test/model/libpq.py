"""The little of libpq that the programs beside this file use, by ctypes: no package beyond Python's own is needed.

Values go in and come out as text; NULL is None.
"""

import ctypes
import ctypes.util
import os
import subprocess

COMMAND_OK, TUPLES_OK = 1, 2


def _load():
    names = []
    try:
        libdir = subprocess.run([os.environ.get("PG_CONFIG", "pg_config"), "--libdir"],
                                capture_output=True, text=True, check=True).stdout.strip()
        names.append(libdir + "/libpq.so.5")
    except (OSError, subprocess.CalledProcessError):
        pass
    names.append(ctypes.util.find_library("pq") or "libpq.so.5")
    for name in names:
        try:
            lib = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise OSError("libpq was not found: " + ", ".join(names))
    for function, result, arguments in (
            ("PQconnectdb", "p", "s"), ("PQstatus", "i", "p"), ("PQerrorMessage", "s", "p"), ("PQfinish", None, "p"),
            ("PQexec", "p", "ps"), ("PQexecParams", "p", "psiaaaai"), ("PQprepare", "p", "pssia"),
            ("PQexecPrepared", "p", "psiaaai"), ("PQresultStatus", "i", "p"), ("PQresultErrorField", "s", "pi"),
            ("PQntuples", "i", "p"), ("PQnfields", "i", "p"), ("PQgetvalue", "s", "pii"), ("PQgetisnull", "i", "pii"),
            ("PQclear", None, "p")):
        kinds = {"p": ctypes.c_void_p, "s": ctypes.c_char_p, "i": ctypes.c_int, "a": ctypes.c_void_p, None: None}
        getattr(lib, function).restype = kinds[result]
        getattr(lib, function).argtypes = [kinds[a] for a in arguments]
    # what arrives is not to be printed
    lib.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return lib


_pq = _load()
_silent = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda arg, message: None)


class Error(Exception):
    """What the server refused; sqlstate is None when the connection broke."""

    def __init__(self, sqlstate, message):
        super().__init__("%s: %s" % (sqlstate, message))
        self.sqlstate = sqlstate
        self.message = message


class Session:
    def __init__(self, connstr):
        self._conn = _pq.PQconnectdb(connstr.encode())
        if _pq.PQstatus(self._conn) != 0:
            raise Error(None, _pq.PQerrorMessage(self._conn).decode())
        _pq.PQsetNoticeProcessor(self._conn, ctypes.cast(_silent, ctypes.c_void_p), None)

    def run(self, sql, *values):
        """A statement, or without values several; returns the rows of the last."""
        if not values:
            return self._rows(_pq.PQexec(self._conn, sql.encode()))
        return self._rows(_pq.PQexecParams(self._conn, sql.encode(), len(values), None, self._values(values), None, None, 0))

    def prepare(self, name, sql):
        self._rows(_pq.PQprepare(self._conn, name.encode(), sql.encode(), 0, None))

    def run_prepared(self, name, *values):
        return self._rows(_pq.PQexecPrepared(self._conn, name.encode(), len(values), self._values(values), None, None, 0))

    def one(self, sql, *values):
        """The one value that a statement gives."""
        (row,) = self.run(sql, *values)
        return row[0]

    def close(self):
        _pq.PQfinish(self._conn)

    @staticmethod
    def _values(values):
        return (ctypes.c_char_p * len(values))(*[None if v is None else str(v).encode() for v in values])

    def _rows(self, result):
        try:
            if _pq.PQresultStatus(result) not in (COMMAND_OK, TUPLES_OK):
                sqlstate = _pq.PQresultErrorField(result, ord("C"))
                if sqlstate is None:
                    raise Error(None, _pq.PQerrorMessage(self._conn).decode())
                raise Error(sqlstate.decode(), _pq.PQresultErrorField(result, ord("M")).decode())
            columns = range(_pq.PQnfields(result))
            return [[None if _pq.PQgetisnull(result, row, column) else _pq.PQgetvalue(result, row, column).decode()
                     for column in columns] for row in range(_pq.PQntuples(result))]
        finally:
            _pq.PQclear(result)


def quote(text):
    """A literal, for standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"
