"""The Merkle tree of RFC 6962, written from its text and from nothing else.

The definitions are recursive, over the list of all leaves, as section 2.1 has
them; the two checks are the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2. This
is the second implementation that src/pure/merkle.c and the SQL functions are
compared with, so it shares no idea with them: no stored nodes, no levels.
"""

import hashlib


def leaf_hash(data):
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n):
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class Tree:
    """A tree over leaf hashes; remembers what it computed, by the range."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.known = {}

    def root(self, lo=0, hi=None):
        hi = len(self.leaves) if hi is None else hi
        if hi == lo:
            return hashlib.sha256(b"").digest()
        if hi - lo == 1:
            return self.leaves[lo]
        if (lo, hi) not in self.known:
            k = split(hi - lo)
            self.known[lo, hi] = node_hash(self.root(lo, lo + k), self.root(lo + k, hi))
        return self.known[lo, hi]

    def path(self, m, n, lo=0):
        """PATH(m, D[n])"""
        if n == 1:
            return []
        k = split(n)
        if m < k:
            return self.path(m, k, lo) + [self.root(lo + k, lo + n)]
        return self.path(m - k, n - k, lo + k) + [self.root(lo, lo + k)]

    def consistency(self, m, n):
        """PROOF(m, D[n]), for 0 < m <= n"""
        return self.subproof(m, 0, n, True)

    def subproof(self, m, lo, n, whole):
        if m == n:
            return [] if whole else [self.root(lo, lo + n)]
        k = split(n)
        if m <= k:
            return self.subproof(m, lo, k, whole) + [self.root(lo + k, lo + n)]
        return self.subproof(m - k, lo + k, n - k, False) + [self.root(lo, lo + k)]


def includes(leaf, m, n, path, root):
    """RFC 9162, 2.1.3.2"""
    if m >= n:
        return False
    fn, sn, r = m, n - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


def extends(m, n, old_root, new_root, path):
    """RFC 9162, 2.1.4.2, for 0 < m <= n"""
    if m == n:
        return not path and old_root == new_root
    if not path:
        return False
    path = list(path)
    if m & (m - 1) == 0:
        path.insert(0, old_root)
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == old_root and sr == new_root
