"""Checks the signature of a checkpoint with openssl's command line.

check_note.py NOTE KEY.pem: the signed note (C2SP signed-note) in a file, and the private key, of which only the public half
is used. The signature line's name must be the origin, and its key id that of this key.
"""

import base64
import hashlib
import subprocess
import sys
import tempfile

note = open(sys.argv[1], encoding="utf-8").read()
text, signatures = note.split("\n\n", 1)
text += "\n"
origin, size, root, *extension = text.splitlines()
assert size.isdigit() and len(base64.b64decode(root, validate=True)) == 32 and len(extension) == 1
dash, name, coded = signatures.splitlines()[0].split(" ")
assert dash == "\N{EM DASH}" and name == origin
blob = base64.b64decode(coded, validate=True)
key_id, signature = blob[:4], blob[4:]
public = subprocess.run(["openssl", "pkey", "-in", sys.argv[2], "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
assert key_id == hashlib.sha256(name.encode() + b"\n\x01" + public[-32:]).digest()[:4], "another key"
with tempfile.TemporaryDirectory() as place:
    for file, content in ("text", text.encode()), ("signature", signature), ("public", public):
        open(f"{place}/{file}", "wb").write(content)
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", f"{place}/public", "-rawin", "-in", f"{place}/text", "-sigfile", f"{place}/signature"],
                   check=True, capture_output=True)
print("the signature is right")
