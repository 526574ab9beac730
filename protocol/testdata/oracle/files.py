"""SPEC.md section 9: header, body, encapsulation."""

from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import threshold
from groups import H, Reader, Refused, group_by_id, hkdf, hkdf_expand, hmac256, lp, lp4, require, sha256, to_int, u8, u16

MAGIC = b"CPV1\r\n\x1a\0"
CHUNK = 16384
TDH2 = 1

Header = namedtuple("Header", "group core policy nonce stanzas body_at unsigned mac")


def core(group, file_nonce, policy):
    return MAGIC + u16(group.id) + u16(0) + file_nonce + lp4(policy)


def label(core_, key_id):
    return H("CPV1-LABEL", sha256(core_), u16(TDH2), key_id)


def file_key(group, m, file_nonce, core_):
    return hkdf(file_nonce, group.encode(m), b"CPV1-FK" + sha256(core_), 32)


def header_mac(fk, data):
    return hmac256(hkdf(b"", fk, b"CPV1-HDR", 32), data)


def make_header(group, h, key_id, m, file_nonce, policy, r, s):
    core_ = core(group, file_nonce, policy)
    c = threshold.encrypt(group, h, m, label(core_, key_id), r, s)
    enc = group.encode
    stanza = key_id + enc(c.c1) + enc(c.u_bar) + enc(c.c2) + c.e + group.scalar(c.f)
    data = core_ + u8(1) + u16(TDH2) + lp(stanza)
    fk = file_key(group, m, file_nonce, core_)
    return data + header_mac(fk, data), core_, fk


def parse_header(data):
    r = Reader(data)
    r.literal(MAGIC)
    group = group_by_id(r.u16())
    require(r.u16() == 0, "flags")
    nonce = r.take(32)
    policy = r.lp4()
    require(len(policy) <= 65535, "policy")
    core_ = data[: r.at]
    count = r.u8()
    require(1 <= count <= 16, "stanza count")
    stanzas = {}
    for _ in range(count):
        kind, content = r.u16(), r.lp()
        require(kind != 0, "stanza type 0")
        if kind != TDH2:
            continue
        body = Reader(content)
        key_id = body.take(32)
        elements = [group.parse(body.take(group.element_size)) for _ in range(3)]
        c = threshold.Ciphertext(*elements, body.take(32), group.parse_scalar(body.take(group.scalar_size)))
        body.end()
        require(key_id not in stanzas, "two stanzas for one key")
        stanzas[key_id] = c
    require(stanzas, "no stanza of a known type")
    require(r.at + 32 <= 131072, "header size")
    unsigned = data[: r.at]
    mac = r.take(32)
    return Header(group, core_, policy, nonce, stanzas, r.at, unsigned, mac)


def unlock(header, m):
    fk = file_key(header.group, m, header.nonce, header.core)
    require(header_mac(fk, header.unsigned) == header.mac, "header altered")
    return fk


KEM = b"CPKM" + u8(1)


def encapsulated_secret(fk):
    return hkdf(b"", fk, b"CPV1-KEM", 32)


def parse_encapsulation(data):
    require(data.startswith(KEM), "not an encapsulation")
    header = parse_header(data[len(KEM) :])
    require(header.policy == b"" and len(header.stanzas) == 1 and len(KEM) + header.body_at == len(data), "form")
    return header


def body_key_bytes(fk, salt, core_hash):
    """key, base_nonce, commitment"""
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + b"CPV1" + core_hash
    out = hkdf_expand(fk, info, 76, "sha512")
    return out[:32], out[32:44], out[44:]


def body_keys(fk, salt, core_hash):
    key, base_nonce, commitment = body_key_bytes(fk, salt, core_hash)
    return AESGCM(key), to_int(base_nonce), commitment


def chunk_nonce(base, i):
    return (base ^ i).to_bytes(12, "big")


def seal_body(fk, core_, plaintext, salt):
    return seal_body_of(fk, sha256(core_), plaintext, salt)


def seal_body_of(fk, core_hash, plaintext, salt):
    aead, base, commitment = body_keys(fk, salt, core_hash)
    out = [salt, commitment]
    for i in range(len(plaintext) // CHUNK + 1):
        out.append(aead.encrypt(chunk_nonce(base, i), plaintext[i * CHUNK : (i + 1) * CHUNK], None))
    return b"".join(out)


def open_body(fk, core_, body):
    return open_body_of(fk, sha256(core_), body)


def open_body_of(fk, core_hash, body):
    require(len(body) >= 56 + 16, "body cut")
    aead, base, commitment = body_keys(fk, body[:24], core_hash)
    require(body[24:56] == commitment, "commitment")
    chunks = body[56:]
    require(16 <= len(chunks) % (CHUNK + 16), "body cut")
    out = []
    for i in range(len(chunks) // (CHUNK + 16) + 1):
        try:
            out.append(aead.decrypt(chunk_nonce(base, i), chunks[i * (CHUNK + 16) : (i + 1) * (CHUNK + 16)], None))
        except InvalidTag:
            raise Refused(f"chunk {i}") from None
    return b"".join(out)
