"""src/pure/merkle.c, as a library, against rfc6962.py.

tree_test.py LIBRARY [SIZE]: the known vectors, then every size up to SIZE
(300), every leaf of it, and every pair of sizes: roots, stored nodes,
inclusion and consistency proofs, byte for byte, and both checks of both
implementations on right and on wrong proofs. Prints what it compared.
"""

import ctypes
import hashlib
import sys

import rfc6962
from rfc6962 import Tree, leaf_hash

LEVELS = 63
HASH = ctypes.c_uint8 * 32
READER = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.POINTER(ctypes.c_uint8))


class CTree(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint64), ("peaks", HASH * LEVELS)]


class CPath(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int), ("hashes", HASH * (LEVELS + 1))]

    def steps(self):
        return [bytes(self.hashes[i]) for i in range(self.count)]


def c_path(steps):
    path = CPath(count=len(steps))
    for i, step in enumerate(steps):
        path.hashes[i] = HASH(*step)
    return path


# The leaves and roots that implementations of Certificate Transparency share
VECTOR_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Stored:
    """The nodes that the C tree said to store, and nothing else."""

    def __init__(self, lib):
        self.lib = lib
        self.nodes = {}
        self.tree = CTree(size=0)
        self.reader = READER(self.read)

    def read(self, arg, level, index, out):
        node = self.nodes.get((level, index))
        if node is None:
            return False
        ctypes.memmove(out, node, 32)
        return True

    def append(self, leaf):
        completed = (HASH * LEVELS)()
        position = self.tree.size
        count = self.lib.ak_merkle_append(ctypes.byref(self.tree), 0, leaf, completed)
        assert count > 0 and self.tree.size == position + 1
        for level in range(count):
            self.nodes[level, position >> level] = bytes(completed[level])

    def root(self):
        out = HASH()
        assert self.lib.ak_merkle_root(ctypes.byref(self.tree), out)
        return bytes(out)

    def prove(self, function, a, b):
        path = CPath()
        result = function(ctypes.c_uint64(a), ctypes.c_uint64(b), self.reader, None, ctypes.byref(path))
        return result, path


def spoiled(steps):
    """Proofs that are nearly right."""
    for i in range(len(steps)):
        yield steps[:i] + steps[i + 1:]
        yield steps[:i] + [bytes([steps[i][0] ^ 1]) + steps[i][1:]] + steps[i + 1:]
    yield steps + [bytes(32)]
    if len(steps) > 1:
        yield steps[::-1] if steps != steps[::-1] else steps[1:]


def main():
    lib = ctypes.CDLL(sys.argv[1])
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    lib.ak_merkle_append.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
    for name in ("ak_merkle_root", "ak_merkle_check_inclusion", "ak_merkle_check_consistency"):
        getattr(lib, name).restype = ctypes.c_bool
    u64 = ctypes.c_uint64
    lib.ak_merkle_check_inclusion.argtypes = [ctypes.c_char_p, u64, u64, ctypes.c_void_p, ctypes.c_char_p]
    lib.ak_merkle_check_consistency.argtypes = [u64, u64, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]

    # the vectors, by both
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTOR_LEAVES]
    stored = Stored(lib)
    for size, root in enumerate(VECTOR_ROOTS):
        assert stored.root().hex() == root == Tree(leaves[:size]).root().hex(), f"vector of size {size}"
        if size < len(leaves):
            stored.append(leaves[size])

    leaves = [leaf_hash(i.to_bytes(8, "big")) for i in range(most)]
    model = Tree(leaves)
    stored = Stored(lib)
    roots, inclusions, consistencies, refusals = 0, 0, 0, 0
    root_of = []
    for size in range(most + 1):
        root = stored.root()
        assert root == model.root(0, size), f"root of size {size}"
        root_of.append(root)
        again = CTree()
        assert lib.ak_merkle_open(ctypes.byref(again), u64(size), stored.reader, None) == 0
        assert again.size == size and all(
            bytes(again.peaks[level]) == bytes(stored.tree.peaks[level]) for level in range(LEVELS) if size >> level & 1)
        roots += 1
        if size < most:
            stored.append(leaves[size])
    for (level, index), node in stored.nodes.items():
        assert node == model.root(index << level, (index + 1) << level), f"node {level}, {index}"
    assert len(stored.nodes) == sum(most >> level for level in range(LEVELS)), "too many or too few nodes are stored"

    for size in range(1, most + 1):
        root = root_of[size]
        for position in range(size):
            result, path = stored.prove(lib.ak_merkle_inclusion, position, size)
            steps = path.steps()
            assert result == 0 and steps == model.path(position, size), f"leaf {position} of {size}"
            assert rfc6962.includes(leaves[position], position, size, steps, root)
            assert lib.ak_merkle_check_inclusion(leaves[position], position, size, ctypes.byref(path), root)
            inclusions += 1
            if (position * 31 + size) % 97 == 0:
                other = leaves[(position + 1) % most]
                assert not lib.ak_merkle_check_inclusion(other, position, size, ctypes.byref(path), root)
                assert not rfc6962.includes(other, position, size, steps, root)
                for wrong in spoiled(steps):
                    assert not lib.ak_merkle_check_inclusion(leaves[position], position, size,
                                                             ctypes.byref(c_path(wrong)), root)
                    assert not rfc6962.includes(leaves[position], position, size, wrong, root)
                    refusals += 1
        for old in range(1, size + 1):
            result, path = stored.prove(lib.ak_merkle_consistency, old, size)
            steps = path.steps()
            assert result == 0 and steps == model.consistency(old, size), f"sizes {old}, {size}"
            assert rfc6962.extends(old, size, root_of[old], root, steps)
            assert lib.ak_merkle_check_consistency(old, size, root_of[old], root, ctypes.byref(path))
            consistencies += 1
            if (old * 31 + size) % 97 == 0:
                for wrong in spoiled(steps):
                    assert not lib.ak_merkle_check_consistency(old, size, root_of[old], root, ctypes.byref(c_path(wrong)))
                    assert not rfc6962.extends(old, size, root_of[old], root, wrong)
                    refusals += 1
                if old < size:
                    assert not lib.ak_merkle_check_consistency(old, size, root_of[old - 1], root, ctypes.byref(path))

    # what there is no proof of
    for a, b in ((5, 5), (6, 5), (0, 0)):
        assert stored.prove(lib.ak_merkle_inclusion, a, b)[0] == 3
        assert not lib.ak_merkle_check_inclusion(leaves[0], a, b, ctypes.byref(CPath()), root_of[0])
    assert stored.prove(lib.ak_merkle_consistency, 6, 5)[0] == 3
    assert not lib.ak_merkle_check_consistency(6, 5, root_of[6], root_of[5], ctypes.byref(CPath()))
    assert stored.prove(lib.ak_merkle_consistency, 0, 5)[1].steps() == []
    assert lib.ak_merkle_check_consistency(0, 5, hashlib.sha256(b"").digest(), root_of[5], ctypes.byref(CPath()))
    assert not lib.ak_merkle_check_consistency(0, 5, root_of[5], root_of[5], ctypes.byref(CPath()))
    # a node that is not stored
    assert stored.prove(lib.ak_merkle_inclusion, 3, 2 * most)[0] == 1

    print(f"{roots} roots, {inclusions} inclusion proofs, {consistencies} consistency proofs, {refusals} wrong ones refused")


main()
