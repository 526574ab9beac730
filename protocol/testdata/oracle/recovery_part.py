"""SPEC.md sections 8.5 and 8.6: recovery parts."""

import secrets
from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import hpke
from groups import H, Reader, Refused, hkdf, hkdf_expand, lp, lp4, require, sha256, u8, u16

ROUNDS = range(1, 129)

# commitments: A_0, A_1, ...
Statement = namedtuple("Statement", "group sid dealer index recovery_key commitments")


def statement_hash(s):
    commitments = b"".join(s.group.encode(a) for a in s.commitments)
    return H("CPV1-PVE", u16(s.group.id), s.sid, u8(s.dealer), u8(s.index), s.recovery_key, sha256(commitments))


def committed_value(s):
    g = s.group
    return g.product(g.exp(a, s.index**k) for k, a in enumerate(s.commitments))


def seal_info(s):
    return b"CPV1-PVE" + s.sid


def seal_aad(s, k):
    return bytes([s.dealer, s.index, k])


def round_of(s, digest, k, seed):
    """r_k and E_k."""
    r = s.group.hash_to_scalar(seed + digest + u8(k), b"CPV1-PVE-R")
    ephemeral = hpke.derive_key_pair(H("CPV1-PVE-EPH", seed, digest, u8(k)))
    return r, hpke.seal(s.recovery_key, seal_info(s), seal_aad(s, k), seed, ephemeral)


def challenge(s, digest, elements, sealed):
    rounds = b"".join(s.group.encode(r) + e for r, e in zip(elements, sealed))
    return H("CPV1-PVE-E", digest, sha256(rounds))[:16]


def bit(e, k):
    return e[(k - 1) // 8] >> (7 - (k - 1) % 8) & 1


def make(s, value, fresh):
    """fresh: 32 random bytes."""
    g, digest = s.group, statement_hash(s)
    root = hkdf(fresh, g.scalar(value), b"CPV1-PVE-ROOT" + digest, 32)
    seeds = {k: hkdf_expand(root, u8(k), 32) for k in ROUNDS}
    rounds = {k: round_of(s, digest, k, seeds[k]) for k in ROUNDS}
    elements = [g.exp(g.g, rounds[k][0]) for k in ROUNDS]
    e = challenge(s, digest, elements, [rounds[k][1] for k in ROUNDS])
    data = b"CPRV" + u8(1) + e
    if g.name != "p256":
        data += b"".join(g.encode(r) for r in elements)
    for k in ROUNDS:
        r, sealed = rounds[k]
        data += g.scalar(r + value) + sealed if bit(e, k) else seeds[k]
    return data


def parse(group, data):
    """The challenge, the elements if they are in it, and for each round either a seed or (v, sealed seed)."""
    r = Reader(data)
    r.literal(b"CPRV\x01")
    e = r.take(16)
    elements = None if group.name == "p256" else [group.parse(r.take(group.element_size)) for _ in ROUNDS]
    rounds = {}
    for k in ROUNDS:
        rounds[k] = (group.parse_scalar(r.take(group.scalar_size)), r.take(113)) if bit(e, k) else r.take(32)
    r.end()
    return e, elements, rounds


def check(s, data):
    g, digest = s.group, statement_hash(s)
    e, sent, rounds = parse(g, data)
    exponents, sealed = [], []  # R_k = g^exponent, divided by F where the bit is 1
    for k in ROUNDS:
        exponent, sealed_seed = rounds[k] if bit(e, k) else round_of(s, digest, k, rounds[k])
        exponents.append(exponent)
        sealed.append(sealed_seed)
    f = committed_value(s)
    if sent is None:
        f_inverse = g.exp(f, g.q - 1)
        elements = [g.exp(g.g, x) for x in exponents]
        elements = [g.mul(a, f_inverse) if bit(e, k) else a for k, a in zip(ROUNDS, elements)]
        require(None not in elements, "identity")
    else:
        elements = sent
        weights = [secrets.randbits(128) for _ in ROUNDS]
        left = g.product(pow(a, w, g.p) for a, w in zip(elements, weights))
        left = g.mul(left, g.exp(f, sum(w for k, w in zip(ROUNDS, weights) if bit(e, k))))
        require(left == g.exp(g.g, sum(x * w for x, w in zip(exponents, weights))), "elements sent")
    require(challenge(s, digest, elements, sealed) == e, "challenge")


def open_(s, data, scalar):
    """f(index); scalar: the recovery key's."""
    g, digest = s.group, statement_hash(s)
    e, _, rounds = parse(g, data)
    for k in ROUNDS:
        if not bit(e, k):
            continue
        v, sealed = rounds[k]
        try:
            seed = hpke.open_(scalar, seal_info(s), seal_aad(s, k), sealed)
        except Refused:
            continue
        value = (v - g.hash_to_scalar(seed + digest + u8(k), b"CPV1-PVE-R")) % g.q
        if g.exp(g.g, value) == committed_value(s):
            return value
    raise Refused("no round of the part opens")


# 8.6


def key_aad(s, agent):
    return bytes([s.dealer, s.index]) + agent.identity_key


def seal(s, part, key, agents, ephemerals):
    """key: 32 random bytes; agents: the parties that are agents, in order, with an HPKE ephemeral scalar each."""
    aead = AESGCM(hkdf(b"", key, b"CPV1-PARTS", 32))
    data = lp4(aead.encrypt(bytes(12), part, s.sid + bytes([s.dealer, s.index])))
    for agent, ephemeral in zip(agents, ephemerals):
        data += lp(hpke.seal(agent.ceremony_key, b"CPV1-PARTS" + s.sid, key_aad(s, agent), key, ephemeral))
    return data


def unseal(s, sealed, agents, position, scalar):
    """The part, as agents[position] reads it; scalar: its ceremony key's."""
    r = Reader(sealed)
    ciphertext = r.lp4()
    keys = [r.lp() for _ in agents]
    r.end()
    key = hpke.open_(scalar, b"CPV1-PARTS" + s.sid, key_aad(s, agents[position]), keys[position])
    try:
        return AESGCM(hkdf(b"", key, b"CPV1-PARTS", 32)).decrypt(bytes(12), ciphertext, s.sid + bytes([s.dealer, s.index]))
    except InvalidTag:
        raise Refused("sealed part") from None


Parts = namedtuple("Parts", "sid index parts")  # parts: dealer -> part


def parts_hash(sid, index, hashes):
    """hashes: of the parts, by dealer."""
    return H("CPV1-PARTS-HASH", sid, u8(index), b"".join(u8(i) + hashes[i] for i in sorted(hashes)))


def encode_parts(sid, index, parts):
    data = b"CPRS" + u8(1) + sid + u8(index) + u8(len(parts))
    return data + b"".join(u8(i) + lp4(parts[i]) for i in sorted(parts))


def parse_parts(data):
    r = Reader(data)
    r.literal(b"CPRS\x01")
    sid, index, count = r.take(32), r.u8(), r.u8()
    require(1 <= index <= 16 and 1 <= count <= 16, "index, count")
    parts = [(r.u8(), r.lp4()) for _ in range(count)]
    r.end()
    dealers = [i for i, _ in parts]
    require(dealers == sorted(set(dealers)) and dealers[-1] <= 16, "dealers")
    return Parts(sid, index, dict(parts))


def check_parts(parts, bundle):
    """They are those that the bundle's epoch names, and every one of them can be opened."""
    named = parts_hash(parts.sid, parts.index, {i: sha256(p) for i, p in parts.parts.items()})
    require(parts.sid == bundle.sid and named == bundle.parts_hash, "parts of another ceremony")
    require([*parts.parts] == [*bundle.statements], "dealers")
    for i, statement in bundle.statements.items():
        check(statement, parts.parts[i])


def open_parts(parts, scalar, bundle, combine):
    """The recovery share of the bundle's epoch; combine: as handover.combine_values."""
    group, j = bundle.parameters.group, parts.index
    values = {i: open_(s, parts.parts[i], scalar) for i, s in bundle.statements.items()}
    share = sum(values.values()) % group.q if bundle.epoch == 0 else combine(group, values)
    require(group.exp(group.g, share) == bundle.public_shares[j], "altered: the parts do not make the share")
    return share
