"""SPEC.md section 4: RFC 9180 base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from groups import P256, Refused, hkdf_expand, hmac256, to_int, u16

CURVE = P256()
KEM_SUITE = b"KEM" + u16(0x0010)
SUITE = b"HPKE" + u16(0x0010) + u16(0x0001) + u16(0x0002)


def labeled_extract(suite, salt, label, ikm):
    return hmac256(salt or bytes(32), b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, n):
    return hkdf_expand(prk, u16(n) + b"HPKE-v1" + suite + label + info, n)


def public_key(scalar):
    return CURVE.encode_uncompressed(CURVE.exp(CURVE.g, scalar))


def shared_secret(point, enc, recipient):
    eae = labeled_extract(KEM_SUITE, b"", b"eae_prk", point[0].to_bytes(32, "big"))
    return labeled_expand(KEM_SUITE, eae, b"shared_secret", enc + recipient, 32)


def key_schedule(secret, info):
    psk_hash = labeled_extract(SUITE, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(SUITE, b"", b"info_hash", info)
    ctx = b"\0" + psk_hash + info_hash
    prk = labeled_extract(SUITE, secret, b"secret", b"")
    return labeled_expand(SUITE, prk, b"key", ctx, 32), labeled_expand(SUITE, prk, b"base_nonce", ctx, 12)


def derive_key_pair(ikm):
    """RFC 9180 section 7.1.3: the scalar."""
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    for counter in range(256):
        scalar = to_int(labeled_expand(KEM_SUITE, prk, b"candidate", bytes([counter]), 32))
        if 0 < scalar < CURVE.q:
            return scalar
    raise Refused("DeriveKeyPair")


def seal(recipient, info, aad, plaintext, ephemeral):
    enc = public_key(ephemeral)
    point = CURVE.exp(CURVE.parse_uncompressed(recipient), ephemeral)
    key, nonce = key_schedule(shared_secret(point, enc, recipient), info)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)


def open_(scalar, info, aad, sealed):
    enc = sealed[:65]
    point = CURVE.exp(CURVE.parse_uncompressed(enc), scalar)
    key, nonce = key_schedule(shared_secret(point, enc, public_key(scalar)), info)
    try:
        return AESGCM(key).decrypt(nonce, sealed[65:], aad)
    except InvalidTag:
        raise Refused("HPKE") from None
