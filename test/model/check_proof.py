"""Checks proofs of the audit log with nothing but psql and hashlib.

check_proof.py CONNINFO: of each workspace some entries, at some sizes, with the checkpoint of that size as a consistency
proof to the present one confirms it. The leaf is read, too: it must say what the log says.
"""

import subprocess
import sys

from rfc6962 import extends, includes, leaf_hash


def sql(statement):
    out = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", sys.argv[1], "-c", statement], check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in out.splitlines()]


def hashes(text):
    return [bytes.fromhex(step) for step in text.split(",") if step]


def columns(leaf):
    """The canonical bytes of an entry, as docs/proof.md has them: {name: (type, value)}"""
    found, at = {}, 1
    assert leaf[0] == 2
    while at < len(leaf):
        name = leaf[at + 1:at + 1 + leaf[at]].decode()
        at += 1 + leaf[at]
        kind, length = chr(leaf[at]), int.from_bytes(leaf[at + 1:at + 5], "big")
        found[name] = kind, leaf[at + 5:at + 5 + length]
        at += 5 + length
    return found


PROOF = "SELECT position, encode(root, 'hex'), encode(leaf, 'hex'), (SELECT coalesce(string_agg(encode(h, 'hex'), ',' ORDER BY n), '') FROM unnest(path) WITH ORDINALITY AS u (h, n)) FROM apikeys.audit_inclusion_proof(%s, %s)"
CONSISTENCY = "SELECT coalesce(string_agg(encode(h, 'hex'), ',' ORDER BY n), '') FROM unnest(apikeys.audit_consistency_proof('%s', %s)) WITH ORDINALITY AS u (h, n)"

for workspace, size, root in sql("SELECT coalesce(workspace, ''), size, encode(root, 'hex') FROM apikeys.audit_checkpoint()"):
    size, root = int(size), bytes.fromhex(root)
    sizes = sorted({1, 2, 3, size // 3, size // 2, size - 1, size} & set(range(1, size + 1)))
    for n in sizes:
        position = (n - 1) * 2 // 3
        (audit_id, activity), = sql(f"SELECT audit_id, activity FROM apikeys.audit_tree JOIN apikeys.audit_log USING (audit_id) WHERE position = {position} AND audit_tree.workspace = '{workspace}'")
        (found, old_root, leaf, path), = sql(PROOF % (audit_id, n))
        leaf, old_root = bytes.fromhex(leaf), bytes.fromhex(old_root)
        assert int(found) == position
        assert includes(leaf_hash(leaf), position, n, hashes(path), old_root), (workspace, n)
        entry = columns(leaf)
        assert entry["activity"] == ("t", activity.encode()) and int.from_bytes(entry["audit_id"][1], "big") == int(audit_id)
        assert extends(n, size, old_root, root, hashes(sql(CONSISTENCY % (workspace, n))[0][0])), (workspace, n, size)
print("all proofs hold")
