#!/usr/bin/python3
"""Derives with a joint key through PyKCS11: the raw secret, and for EC keys each X9.63 KDF, checked here.

pykcs11_derive.py MODULE LABEL PEER    PEER: the other side's raw public value. Prints the raw secret in hexadecimal.
"""
import hashlib
import sys

import PyKCS11
from PyKCS11 import (CKA_CLASS, CKA_EXTRACTABLE, CKA_KEY_TYPE, CKA_LABEL, CKA_SENSITIVE, CKA_VALUE, CKA_VALUE_LEN,
                     CKD_NULL, CKD_SHA1_KDF, CKD_SHA256_KDF, CKD_SHA384_KDF, CKD_SHA512_KDF, CKK_EC,
                     CKK_GENERIC_SECRET, CKM_DH_PKCS_DERIVE, CKO_PRIVATE_KEY, CKO_SECRET_KEY)


def x963(name, secret, size, info):
    out, counter = b"", 1
    while len(out) < size:
        out += hashlib.new(name, secret + counter.to_bytes(4, "big") + info).digest()
        counter += 1
    return out[:size]


def derive(session, key, mechanism, size):
    template = [(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_GENERIC_SECRET), (CKA_SENSITIVE, False),
                (CKA_EXTRACTABLE, True)]
    if size:
        template.append((CKA_VALUE_LEN, size))
    secret = session.deriveKey(key, template, mechanism)
    value = bytes(session.getAttributeValue(secret, [CKA_VALUE])[0])
    session.destroyObject(secret)
    return value


module, label, peer_file = sys.argv[1:]
with open(peer_file, "rb") as file:
    peer = file.read()
library = PyKCS11.PyKCS11Lib()
library.load(module)
slot = next(s for s in library.getSlotList(tokenPresent=True) if library.getTokenInfo(s).label.strip() == label)
session = library.openSession(slot)
key = session.findObjects([(CKA_CLASS, CKO_PRIVATE_KEY), (CKA_LABEL, label)])[0]
if session.getAttributeValue(key, [CKA_KEY_TYPE])[0] == CKK_EC:
    raw = derive(session, key, PyKCS11.ECDH1_DERIVE_Mechanism(peer, CKD_NULL), 0)
    assert derive(session, key, PyKCS11.ECDH1_DERIVE_Mechanism(peer, CKD_NULL), 16) == raw[-16:]
    for kdf, name in ((CKD_SHA1_KDF, "sha1"), (CKD_SHA256_KDF, "sha256"), (CKD_SHA384_KDF, "sha384"),
                      (CKD_SHA512_KDF, "sha512")):
        info = b"shared info"
        got = derive(session, key, PyKCS11.ECDH1_DERIVE_Mechanism(peer, kdf, info), 48)
        assert got == x963(name, raw, 48, info), name
else:
    raw = derive(session, key, PyKCS11.Mechanism(CKM_DH_PKCS_DERIVE, peer), 0)
print(raw.hex())
