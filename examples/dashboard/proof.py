"""Checks an inclusion proof without asking the database: RFC 9162, 2.1.3.2. docs/proof.md tells what it proves."""

from hashlib import sha256


def leads_to(proof) -> bool:
    """Whether the path of audit_inclusion_proof() leads from the entry's leaf to the root of the tree."""
    fn, sn = proof["position"], proof["size"] - 1
    node = sha256(b"\0" + proof["leaf"]).digest()
    for sibling in proof["path"]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = sha256(b"\1" + sibling + node).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = sha256(b"\1" + node + sibling).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == proof["root"]
