"""SPEC.md sections 7.4 and 10: the lists that a client CA signs."""

from collections import namedtuple

import messages
from groups import H, Reader, lp, require, sha256, u8, u16, u64

# entries: of clients (SHA-256(SubjectPublicKeyInfo), uri), of keys (key_id, state, effective time)
SignedList = namedtuple("SignedList", "tenant serial time entries digest signature")


def sign_clients(ca, tenant, serial, time, entries):
    data = b"CPCL" + u8(1) + lp(tenant.encode()) + u64(serial) + u64(time) + u16(len(entries))
    data += b"".join(key_hash + lp(uri.encode()) for key_hash, uri in sorted(entries))
    return data + messages.ecdsa_sign(ca, H("CPV1-CLIENTS", sha256(data)))


def sign_keys(ca, tenant, serial, time, entries):
    data = b"CPKL" + u8(1) + lp(tenant.encode()) + u64(serial) + u64(time) + u16(len(entries))
    data += b"".join(key_id + u8(state) + u64(effective) for key_id, state, effective in entries)
    return data + messages.ecdsa_sign(ca, H("CPV1-KEYS", sha256(data)))


def parse(data, magic, tag, read_entry, ca_key):
    r = Reader(data)
    r.literal(magic)
    head = r.lp().decode(), r.u64(), r.u64()
    entries = [read_entry(r) for _ in range(r.u16())]
    digest = H(tag, sha256(data[: r.at]))
    signature = r.take(64)
    r.end()
    messages.ecdsa_verify(ca_key, digest, signature)
    return SignedList(*head, entries, digest, signature)


def parse_clients(data, ca_key):
    """ca_key: the CA's point, compressed."""
    read = parse(data, b"CPCL\x01", "CPV1-CLIENTS", lambda r: (r.take(32), r.lp().decode()), ca_key)
    hashes = [key_hash for key_hash, _ in read.entries]
    require(hashes == sorted(set(hashes)) and bytes(32) not in hashes, "clients ascend")
    require(all(uri.startswith(f"coprotect:{read.tenant}:") for _, uri in read.entries), "identities of the tenant")
    return read


def parse_keys(data, ca_key):
    read = parse(data, b"CPKL\x01", "CPV1-KEYS", lambda r: (r.take(32), r.u8(), r.u64()), ca_key)
    require(len({key_id for key_id, _, _ in read.entries}) == len(read.entries), "a key twice")
    require(all(1 <= state <= 4 for _, state, _ in read.entries), "state")
    require(all(state != 1 for _, state, _ in read.entries[1:]), "another key than the first encrypts")
    return read
