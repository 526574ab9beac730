"""The blocks of FILE.md: whole files, a body of several chunks, and the check of answers."""

import files
import threshold
from groups import group_by_name, hkdf, lp, require, sha256, to_int, u8, u16, u32


def file_block(b, grease):
    group = group_by_name("p256")
    enc = group.encode
    a0, a1 = b.scalar("a_0", group), b.scalar("a_1", group)
    rho, r, s = b.scalar("rho", group), b.scalar("r", group), b.scalar("s", group)
    key_id, file_nonce, salt = b.bytes("key_id", 32), b.bytes("file_nonce", 32), b.bytes("salt", 24)
    policy = b.fixed("policy", b'{"version":1}')
    plaintext = b.fixed("plaintext", b"hello, world\n")
    out = b.outputs
    h, m = group.exp(group.g, a0), group.exp(group.g, rho)
    core = files.core(group, file_nonce, policy)
    label = files.label(core, key_id)
    out["h"], out["gbar"], out["m"] = enc(h), enc(group.g_bar(h)), enc(m)
    out["CORE"], out["SHA-256(CORE)"], out["L"] = core, sha256(core), label
    c = threshold.encrypt(group, h, m, label, r, s)
    out["c1"], out["ubar"], out["c2"] = enc(c.c1), enc(c.u_bar), enc(c.c2)
    out["w"], out["wbar"] = enc(group.exp(group.g, s)), enc(group.exp(group.g_bar(h), s))
    out["e"], out["f"] = c.e, group.scalar(c.f)
    stanza = key_id + enc(c.c1) + enc(c.u_bar) + enc(c.c2) + c.e + group.scalar(c.f)
    stanzas = u8(1) + u16(files.TDH2) + lp(stanza)
    if grease:
        stanzas = u8(2) + u16(0x3A3A) + lp(b.fixed("grease", b"grease")) + stanzas[1:]
    fk = files.file_key(group, m, file_nonce, core)
    out["STANZAS"], out["FK"] = stanzas, fk
    out["HMAC key"] = hkdf(b"", fk, b"CPV1-HDR", 32)
    out["HMAC"] = files.header_mac(fk, core + stanzas)
    out["body key"], out["base_nonce"], out["commitment"] = files.body_key_bytes(fk, salt, sha256(core))
    out["BODY"] = files.seal_body(fk, core, plaintext, salt)
    header = core + stanzas + out["HMAC"]
    require(files.parse_header(header).stanzas.keys() == {key_id}, "a header that is read again")
    out["k_1"] = enc(group.exp(c.c1, (a0 + a1) % group.q))
    out["k_2"] = enc(group.exp(c.c1, (a0 + 2 * a1) % group.q))
    parts = {i: group.exp(c.c1, (a0 + i * a1) % group.q) for i in (1, 2)}
    require(threshold.combine(group, c.c2, parts) == m, "m from two parties")


def two_keys_block(group, b):
    """A header for two keys. Each key has its own private key here, in the place of shares."""
    enc, out = group.encode, b.outputs
    privates = [b.scalar(f"s_{n}", group) for n in "AB"]
    key_ids = [b.bytes(f"key_id {n}", 32) for n in "AB"]
    file_nonce, rho = b.bytes("file_nonce", 32), b.scalar("rho", group)
    random = [(b.scalar(f"r {n}", group), b.scalar(f"s {n}", group)) for n in "AB"]
    m, core = group.exp(group.g, rho), files.core(group, file_nonce, b"")
    out["m"], out["CORE"] = enc(m), core
    stanzas = u8(2)
    for n, private, key_id, (r, s) in zip("AB", privates, key_ids, random):
        h, label = group.exp(group.g, private), files.label(core, key_id)
        c = threshold.encrypt(group, h, m, label, r, s)
        content = key_id + enc(c.c1) + enc(c.u_bar) + enc(c.c2) + c.e + group.scalar(c.f)
        out[f"h {n}"], out[f"L {n}"], out[f"content {n}"] = enc(h), label, content
        require(group.mul(c.c2, group.exp(c.c1, -private)) == m, "m from either stanza")
        stanzas += u16(files.TDH2) + lp(content)
    fk = files.file_key(group, m, file_nonce, core)
    out["STANZAS"], out["FK"], out["HMAC"] = stanzas, fk, files.header_mac(fk, core + stanzas)
    header = files.parse_header(core + stanzas + out["HMAC"])
    require([*header.stanzas] == key_ids and files.unlock(header, m) == fk, "a header that is read again")


def pattern(size):
    return bytes(n % 251 for n in range(size))


def chunks_block(b):
    fk, core_hash, salt = b.bytes("FK", 32), b.bytes("SHA-256(CORE)", 32), b.bytes("salt", 24)
    out = b.outputs
    out["body key"], out["base_nonce"], out["commitment"] = files.body_key_bytes(fk, salt, core_hash)
    for i in (1, 2):
        out[f"nonce of chunk {i}"] = files.chunk_nonce(to_int(out["base_nonce"]), i)
    for size in (16383, 16384, 32773):
        body = files.seal_body_of(fk, core_hash, pattern(size), salt)
        last = 56 + size // files.CHUNK * (files.CHUNK + 16)
        require(files.open_body_of(fk, core_hash, body) == pattern(size), "a body that opens")
        if size >= files.CHUNK:
            out[f"last chunk of {size}"] = body[last:]
        out[f"SHA-256(BODY of {size})"] = sha256(body)


def modp_block(group, b):
    """A file in a group of integers, and the answer of index 1 with its proof."""
    enc, out = group.encode, b.outputs
    a0, a1, y = b.scalar("a_0", group), b.scalar("a_1", group), b.scalar("y", group)
    r, s, kappa = b.scalar("r", group), b.scalar("s", group), b.scalar("kappa", group)
    key_id, file_nonce, salt = b.bytes("key_id", 32), b.bytes("file_nonce", 32), b.bytes("salt", 24)
    request_hash, plaintext = b.bytes("request_hash", 32), b.fixed("plaintext", b"hello, world\n")
    h, m, core = group.exp(group.g, a0), y * y % group.p, files.core(group, file_nonce, b"")
    label = files.label(core, key_id)
    c = threshold.encrypt(group, h, m, label, r, s)
    out["h"], out["gbar"], out["m"], out["CORE"], out["L"] = enc(h), enc(group.g_bar(h)), enc(m), core, label
    out["c1"], out["ubar"], out["c2"] = enc(c.c1), enc(c.u_bar), enc(c.c2)
    out["SHA-256(w)"] = sha256(enc(group.exp(group.g, s)))
    out["SHA-256(wbar)"] = sha256(enc(group.exp(group.g_bar(h), s)))
    out["e"], out["f"] = c.e, group.scalar(c.f)
    stanzas = u8(1) + u16(files.TDH2) + lp(key_id + enc(c.c1) + enc(c.u_bar) + enc(c.c2) + c.e + group.scalar(c.f))
    fk = files.file_key(group, m, file_nonce, core)
    out["SHA-256(STANZAS)"], out["FK"], out["HMAC"] = sha256(stanzas), fk, files.header_mac(fk, core + stanzas)
    out["BODY"] = files.seal_body(fk, core, plaintext, salt)
    shares = {i: (a0 + i * a1) % group.q for i in (1, 2)}
    parts = {i: group.exp(c.c1, share) for i, share in shares.items()}
    require(threshold.combine(group, c.c2, parts) == m, "m from two parties")
    require(files.unlock(files.parse_header(core + stanzas + out["HMAC"]), m) == fk, "a header that is read again")
    out["k_1"], out["k_2"] = enc(parts[1]), enc(parts[2])
    x, h_1 = threshold.context(group, key_id, 0, 1, request_hash), group.exp(group.g, shares[1])
    proof = threshold.prove_one(group, x, shares[1], c.c1, kappa)
    require(threshold.verify_one(group, x, h_1, c.c1, parts[1], proof), "a proof that holds")
    out["h_1"], out["X"], out["c"], out["z"] = enc(h_1), x, proof[0], group.scalar(proof[1])


def answer_inputs(group, b, count):
    s_1, kappa, key_id = b.scalar("s_1", group), b.scalar("kappa", group), b.bytes("key_id", 32)
    epoch, request_hash = b.fixed("epoch", u32(7)), b.bytes("request_hash", 32)
    names = ["c1"] if count == 1 else [f"c1_{j}" for j in range(count)]
    bases = [group.parse(b.input(n, lambda c: group.encode(group.exp(group.g, c.scalar(group.q))))) for n in names]
    x, h_1 = threshold.context(group, key_id, to_int(epoch), 1, request_hash), group.exp(group.g, s_1)
    b.outputs["h_1"], b.outputs["X"] = group.encode(h_1), x
    return s_1, kappa, bases, x, h_1


def answer_block(group, b):
    enc, out = group.encode, b.outputs
    s_1, kappa, (c1,), x, h_1 = answer_inputs(group, b, 1)
    k_1 = group.exp(c1, s_1)
    c, z = threshold.prove_one(group, x, s_1, c1, kappa)
    out["k_1"], out["a"], out["b"] = enc(k_1), enc(group.exp(group.g, kappa)), enc(group.exp(c1, kappa))
    out["c"], out["z"] = c, group.scalar(z)
    require(threshold.verify_one(group, x, h_1, c1, k_1, (c, z)), "a proof that holds")


def answers_block(group, b):
    enc, out = group.encode, b.outputs
    s_1, kappa, bases, x, h_1 = answer_inputs(group, b, 2)
    values = [group.exp(c1, s_1) for c1 in bases]
    seed = threshold.batch_seed(group, x, h_1, bases, values)
    m, z_ = threshold.composites(group, seed, bases, values)
    c, z = threshold.prove_batch(group, x, s_1, bases, kappa)
    out["k_0"], out["k_1"], out["seed"] = enc(values[0]), enc(values[1]), seed
    out["d_0"], out["d_1"] = (group.scalar(threshold.batch_weight(group, seed, j)) for j in (0, 1))
    out["M"], out["Z"] = enc(m), enc(z_)
    out["a"], out["b"] = enc(group.exp(group.g, kappa)), enc(group.exp(m, kappa))
    out["c"], out["z"] = c, group.scalar(z)
    require(threshold.verify_batch(group, x, h_1, bases, values, (c, z)), "a proof that holds")
