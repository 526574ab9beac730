"""SPEC.md section 8: code, blob, kit."""

from collections import namedtuple

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import hpke
from groups import H, Reader, Refused, group_by_id, hkdf, lp, lp4, require, sha256, to_int, u8, u16, u32

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Blob = namedtuple("Blob", "group key_id recovery_key memory passes lanes salt nonce sealed aad encoded")
Kit = namedtuple("Kit", "bundle blob certificate nonce sealed_key")


def gf_mul(a, b):
    """GF(32) with x^5 + x^2 + 1."""
    result = 0
    while b:
        if b & 1:
            result ^= a
        a <<= 1
        if a & 32:
            a ^= 0b100101
        b >>= 1
    return result


def gf_pow(n):
    result = 1
    for _ in range(n):
        result = gf_mul(result, 2)
    return result


def check_symbol(group_number, digits):
    c = gf_pow(group_number)
    for i, d in enumerate(digits):
        c ^= gf_mul(gf_pow(i + 1), d)
    return c


def write_code(digits):
    """28 numbers of 0..31 -> the code as people write it."""
    groups = []
    for g in range(7):
        four = digits[4 * g : 4 * g + 4]
        groups.append("".join(ALPHABET[d] for d in four + [check_symbol(g, four)]))
    return "-".join(groups)


def read_code(text):
    text = text.upper().replace("-", "").replace(" ", "").strip()
    text = text.replace("I", "1").replace("L", "1").replace("O", "0")
    require(len(text) == 35, "code length")
    data = ""
    for g in range(7):
        five = text[5 * g : 5 * g + 5]
        digits = [ALPHABET.index(c) for c in five[:4]]
        require(ALPHABET[check_symbol(g, digits)] == five[4], f"group {g + 1} is mistyped")
        data += five[:4]
    return data.encode()


def argon2id(secret, salt, memory, passes, lanes):
    return hash_secret_raw(secret, salt, passes, memory, lanes, 32, Type.ID, 19)


def make_blob(group, secret, key_id, hpke_scalar, cost, salt, nonce):
    memory, passes, lanes = cost
    aad = b"CPRB" + u8(1) + u16(group.id) + key_id + hpke.public_key(hpke_scalar)
    aad += u32(memory) + u32(passes) + u8(lanes) + salt + nonce
    k = argon2id(secret, salt, memory, passes, lanes)
    key = hkdf(b"", k, b"CPV1-BLOB", 32)
    return aad + lp(AESGCM(key).encrypt(nonce, hpke_scalar.to_bytes(32, "big"), aad)), k


def parse_blob(data):
    r = Reader(data)
    r.literal(b"CPRB\x01")
    group = group_by_id(r.u16())
    fields = [r.take(32), r.take(65)]
    memory, passes, lanes = r.u32(), r.u32(), r.u8()
    require(8 * lanes <= memory <= 2097152 and 1 <= passes <= 16 and 1 <= lanes <= 16, "Argon2 cost")
    salt, nonce = r.take(16), r.take(12)
    aad = data[: r.at]
    sealed = r.lp()
    r.end()
    return Blob(group, *fields, memory, passes, lanes, salt, nonce, sealed, aad, data)


def open_blob(blob, secret):
    """Recovery HPKE scalar and K."""
    k = argon2id(secret, blob.salt, blob.memory, blob.passes, blob.lanes)
    try:
        opened = AESGCM(hkdf(b"", k, b"CPV1-BLOB", 32)).decrypt(blob.nonce, blob.sealed, blob.aad)
    except InvalidTag:
        raise Refused("wrong code") from None
    require(hpke.public_key(to_int(opened)) == blob.recovery_key, "not the private half of the recovery key")
    return to_int(opened), k


def kit_aad(key_id, blob, certificate):
    return H("CPV1-KIT", key_id, sha256(blob), certificate)


def make_kit(bundle, blob, certificate, scalar, client_ca, k, nonce):
    """client_ca: its scalar, or None."""
    key = hkdf(b"", k, b"CPV1-KIT", 32)
    aad = kit_aad(parse_blob(blob).key_id, blob, certificate)
    scalars = [scalar] if client_ca is None else [scalar, client_ca]
    sealed = AESGCM(key).encrypt(nonce, b"".join(s.to_bytes(32, "big") for s in scalars), aad)
    return b"CPKT" + u8(1) + lp4(bundle) + lp4(blob) + lp(certificate) + nonce + lp(sealed)


def parse_kit(data):
    r = Reader(data)
    r.literal(b"CPKT\x01")
    kit = Kit(r.lp4(), parse_blob(r.lp4()), r.lp(), r.take(12), r.lp())
    r.end()
    return kit


def open_kit_keys(kit, k):
    """The recovery administrator's private scalar, and the client CA's or None."""
    aad = kit_aad(kit.blob.key_id, kit.blob.encoded, kit.certificate)
    scalars = AESGCM(hkdf(b"", k, b"CPV1-KIT", 32)).decrypt(kit.nonce, kit.sealed_key, aad)
    require(len(scalars) in (32, 64), "sealed keys")
    return to_int(scalars[:32]), to_int(scalars[32:]) if scalars[32:] else None
