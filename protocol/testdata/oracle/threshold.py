"""SPEC.md section 3: TDH2, partial decryption with proofs, combination."""

from collections import namedtuple

from groups import H, require, sha256, to_int, u8, u16, u32, xmd

Ciphertext = namedtuple("Ciphertext", "c1 u_bar c2 e f")
Capsule = namedtuple("Capsule", "c1 u_bar c2_hash e f")


def tdh2_hash(group, h, c1, u_bar, c2_hash, w, w_bar, label):
    enc = group.encode
    return H("CPV1-TDH2", u16(group.id), enc(h), enc(group.g_bar(h)), enc(c1), enc(u_bar), c2_hash, enc(w), enc(w_bar), label)


def encrypt(group, h, m, label, r, s):
    g_bar = group.g_bar(h)
    c1, u_bar = group.exp(group.g, r), group.exp(g_bar, r)
    c2 = group.mul(m, group.exp(h, r))
    w, w_bar = group.exp(group.g, s), group.exp(g_bar, s)
    e = tdh2_hash(group, h, c1, u_bar, sha256(group.encode(c2)), w, w_bar, label)
    return Ciphertext(c1, u_bar, c2, e, (s + r * to_int(e)) % group.q)


def capsule(group, c):
    return Capsule(c.c1, c.u_bar, sha256(group.encode(c.c2)), c.e, c.f)


def verify(group, h, capsule_, label):
    c1, u_bar, c2_hash, e, f = capsule_
    n = to_int(e)
    w = group.mul(group.exp(group.g, f), group.exp(c1, -n))
    w_bar = group.mul(group.exp(group.g_bar(h), f), group.exp(u_bar, -n))
    return e == tdh2_hash(group, h, c1, u_bar, c2_hash, w, w_bar, label)


def context(group, key_id, epoch, index, request_hash):
    return H("CPV1-PARTIAL", u16(group.id), key_id, u32(epoch), u8(index), request_hash)


def dleq_hash(group, x, h_i, c1, k, a, b):
    return H("CPV1-DLEQ", x, *(group.encode(e) for e in (h_i, c1, k, a, b)))


def prove_one(group, x, share, c1, nonce):
    h_i, k = group.exp(group.g, share), group.exp(c1, share)
    c = dleq_hash(group, x, h_i, c1, k, group.exp(group.g, nonce), group.exp(c1, nonce))
    return c, (nonce - to_int(c) * share) % group.q


def verify_one(group, x, h_i, c1, k, proof):
    c, z = proof
    n = to_int(c)
    a = group.mul(group.exp(group.g, z), group.exp(h_i, n))
    b = group.mul(group.exp(c1, z), group.exp(k, n))
    return c == dleq_hash(group, x, h_i, c1, k, a, b)


def batch_seed(group, x, h_i, bases, values):
    joined = [sha256(b"".join(group.encode(e) for e in elements)) for elements in (bases, values)]
    return H("CPV1-DLEQ-SEED", x, group.encode(h_i), *joined)


def batch_weight(group, seed, i):
    msg, dst = seed + u16(i), b"CPV1-DLEQ-WEIGHT"
    return group.hash_to_scalar(msg, dst) if group.name == "p256" else to_int(xmd(msg, dst, 32))


def composites(group, seed, bases, values):
    weights = [batch_weight(group, seed, i) for i in range(len(bases))]
    return [group.product(group.exp(e, d) for e, d in zip(elements, weights)) for elements in (bases, values)]


def batch_hash(group, seed, h_i, m, z, a, b):
    return H("CPV1-DLEQ-BATCH", seed, *(group.encode(e) for e in (h_i, m, z, a, b)))


def prove_batch(group, x, share, bases, nonce):
    h_i = group.exp(group.g, share)
    values = [group.exp(c1, share) for c1 in bases]
    seed = batch_seed(group, x, h_i, bases, values)
    m, z = composites(group, seed, bases, values)
    c = batch_hash(group, seed, h_i, m, z, group.exp(group.g, nonce), group.exp(m, nonce))
    return c, (nonce - to_int(c) * share) % group.q


def verify_batch(group, x, h_i, bases, values, proof):
    c, s = proof
    n = to_int(c)
    seed = batch_seed(group, x, h_i, bases, values)
    m, z = composites(group, seed, bases, values)
    a = group.mul(group.exp(group.g, s), group.exp(h_i, n))
    b = group.mul(group.exp(m, s), group.exp(z, n))
    return c == batch_hash(group, seed, h_i, m, z, a, b)


def prove(group, x, share, bases, nonce):
    if len(bases) == 1:
        return prove_one(group, x, share, bases[0], nonce)
    return prove_batch(group, x, share, bases, nonce)


def verify_partials(group, x, h_i, bases, values, proof):
    if len(bases) == 1:
        return verify_one(group, x, h_i, bases[0], values[0], proof)
    return verify_batch(group, x, h_i, bases, values, proof)


def lagrange(group, indices, i):
    result = 1
    for j in indices:
        if j != i:
            result = result * j * pow(j - i, -1, group.q) % group.q
    return result


def combine(group, c2, partials):
    """partials: index -> k_i."""
    require(partials, "no partials")
    indices = sorted(partials)
    return group.product([c2] + [group.exp(k, -lagrange(group, indices, i)) for i, k in partials.items()])
