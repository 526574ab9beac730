"""SPEC.md section 3: TDH2, partial decryption with proofs, combination."""

from collections import namedtuple

from groups import H, lp, require, sha256, to_int, u8, u16, u32, xmd

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


def challenge_bytes(group, msg, dst):
    """HashToScalar of section 3.2 as 32 bytes."""
    if group.name == "p256":
        return group.scalar(group.hash_to_scalar(msg, dst))
    return xmd(msg, dst, 32)


def composites(group, h_i, bases, values, context_string):
    """RFC 9497 section 2.2.1, ComputeComposites."""
    dst = b"HashToScalar-" + context_string
    seed = sha256(lp(group.encode(h_i)) + lp(b"Seed-" + context_string))
    m, z = [], []
    for i, (c, d) in enumerate(zip(bases, values)):
        transcript = lp(seed) + u16(i) + lp(group.encode(c)) + lp(group.encode(d)) + b"Composite"
        if group.name == "p256":
            weight = group.hash_to_scalar(transcript, dst)
        else:
            weight = to_int(xmd(transcript, dst, 16))
        m.append(group.exp(c, weight))
        z.append(group.exp(d, weight))
    return group.product(m), group.product(z)


def batch_hash(group, h_i, m, z, t2, t3, context_string):
    transcript = b"".join(lp(group.encode(e)) for e in (h_i, m, z, t2, t3)) + b"Challenge"
    return challenge_bytes(group, transcript, b"HashToScalar-" + context_string)


def prove_batch(group, share, bases, context_string, nonce):
    h_i = group.exp(group.g, share)
    values = [group.exp(c, share) for c in bases]
    m, z = composites(group, h_i, bases, values, context_string)
    c = batch_hash(group, h_i, m, z, group.exp(group.g, nonce), group.exp(m, nonce), context_string)
    return c, (nonce - to_int(c) * share) % group.q


def verify_batch(group, h_i, bases, values, proof, context_string):
    c, s = proof
    n = to_int(c)
    m, z = composites(group, h_i, bases, values, context_string)
    t2 = group.mul(group.exp(group.g, s), group.exp(h_i, n))
    t3 = group.mul(group.exp(m, s), group.exp(z, n))
    return c == batch_hash(group, h_i, m, z, t2, t3, context_string)


def batch_context(x):
    return b"CPV1-DLEQ-BATCH-" + x


def prove(group, x, share, bases, nonce):
    if len(bases) == 1:
        return prove_one(group, x, share, bases[0], nonce)
    return prove_batch(group, share, bases, batch_context(x), nonce)


def verify_partials(group, x, h_i, bases, values, proof):
    if len(bases) == 1:
        return verify_one(group, x, h_i, bases[0], values[0], proof)
    return verify_batch(group, h_i, bases, values, proof, batch_context(x))


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
