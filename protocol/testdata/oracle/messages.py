"""SPEC.md section 7: signed requests and sealed replies."""

from collections import namedtuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

import hpke
from groups import H, Reader, lp, lp4, require, sha256, to_int, u8, u16, u32, u64

Request = namedtuple("Request", "operation tenant key_id epoch audience action reason nonce time reply_key body")
Partial = namedtuple("Partial", "index epoch items proof")


def ecdsa_key(scalar):
    return ec.derive_private_key(scalar, ec.SECP256R1())


def ecdsa_sign(scalar, digest):
    der = ecdsa_key(scalar).sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(32, "big") + min(s, hpke.CURVE.q - s).to_bytes(32, "big")


def ecdsa_verify(compressed, digest, signature):
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), compressed)
    require(to_int(signature[32:]) <= (hpke.CURVE.q - 1) // 2, "signature: s")
    der = utils.encode_dss_signature(to_int(signature[:32]), to_int(signature[32:]))
    key.verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def compressed(scalar):
    return hpke.CURVE.encode(hpke.CURVE.exp(hpke.CURVE.g, scalar))


def public_key(data):
    """SPEC 1.3: the bytes, once they are a point."""
    hpke.CURVE.parse(data)
    return data


def item(group, core, capsule, stanza_type=1):
    c1, u_bar, c2_hash, e, f = capsule
    return lp4(core) + u16(stanza_type) + group.encode(c1) + group.encode(u_bar) + c2_hash + e + group.scalar(f)


def partial_decrypt_body(group, items):
    return u16(len(items)) + b"".join(item(group, core, capsule) for core, capsule in items)


def derive_body(group, peers):
    return u16(len(peers)) + b"".join(group.encode(peer) for peer in peers)


def request_parts(q, chain):
    data = b"CPRQ" + u8(1) + u8(q.operation) + lp(q.tenant.encode()) + q.key_id + u32(q.epoch)
    data += u8(len(q.audience)) + b"".join(q.audience) + u8(q.action) + lp(q.reason.encode())
    head = data + q.nonce + u64(q.time) + q.reply_key
    return head, q.body, u8(len(chain)) + b"".join(lp(c) for c in chain)


def request_digest(head, body, certificates):
    return H("CPV1-REQUEST", sha256(head), sha256(body), sha256(certificates))


def sign_request(q, chain, scalar):
    head, body, certificates = request_parts(q, chain)
    return head + lp4(body) + certificates + ecdsa_sign(scalar, request_digest(head, body, certificates))


def reply_digest(request_hash, plaintext):
    return H("CPV1-REPLY", request_hash, sha256(plaintext))


def seal_reply(identity, content, reply_key, request_hash, ephemeral):
    """identity: the agent's private key; content: the answer, or (code, detail, request_id)"""
    plaintext = u8(0) + content if isinstance(content, bytes) else u8(1) + refusal(content)
    plaintext += ecdsa_sign(identity, reply_digest(request_hash, plaintext))
    identity_key = compressed(identity)
    sealed = hpke.seal(reply_key, b"CPV1-REPLY" + request_hash, identity_key, plaintext, ephemeral)
    return b"CPRP" + u8(1) + identity_key + lp4(sealed)


def open_reply(data, identity_key, scalar, request_hash):
    """The answer of this agent to this request, as bytes, or its refusal (code, detail, request_id)."""
    r = Reader(data)
    r.literal(b"CPRP\x01")
    require(public_key(r.take(33)) == identity_key, "another party answered")
    sealed = r.lp4()
    r.end()
    opened = hpke.open_(scalar, b"CPV1-REPLY" + request_hash, identity_key, sealed)
    require(len(opened) >= 65, "reply without a signature")
    plaintext, signature = opened[:-64], opened[-64:]
    ecdsa_verify(identity_key, reply_digest(request_hash, plaintext), signature)
    require(plaintext[0] in (0, 1), "neither an answer nor a refusal")
    return plaintext[1:] if plaintext[0] == 0 else parse_refusal(plaintext[1:])


def refusal(content):
    code, detail, request_id = content
    return lp(code.encode()) + lp(detail.encode()) + request_id


def read_refusal(r):
    return r.lp().decode(), r.lp().decode(), r.take(8)


def parse_refusal(data):
    r = Reader(data)
    content = read_refusal(r)
    r.end()
    return content


def partial_reply(group, partial):
    data = u8(partial.index) + u32(partial.epoch) + u16(len(partial.items))
    for status, value in partial.items:
        data += u8(status) + (group.encode(value) if status == 0 else lp(value.encode()))
    if partial.proof:
        data += partial.proof[0] + group.scalar(partial.proof[1])
    return data


def parse_partial_replies(group, data):
    r = Reader(data)
    replies = []
    while r.at < len(data):
        index, epoch, count = r.u8(), r.u32(), r.u16()
        items = []
        for _ in range(count):
            status = r.u8()
            items.append((status, group.parse(r.take(group.element_size)) if status == 0 else r.lp().decode()))
        proof = None
        if any(status == 0 for status, _ in items):
            proof = r.take(32), group.parse_scalar(r.take(group.scalar_size))
        replies.append(Partial(index, epoch, items, proof))
    require(replies, "empty reply")
    return replies


def forward(request, visited, budget_ms):
    return b"CPFW" + u8(1) + lp4(request) + u8(len(visited)) + b"".join(visited) + u32(budget_ms)


def parse_forward(data):
    require(len(data) <= 8 << 20, "longer than 8 MiB")
    r = Reader(data)
    r.literal(b"CPFW\x01")
    request = r.lp4()
    visited = [public_key(r.take(33)) for _ in range(r.u8())]
    budget_ms = r.u32()
    r.end()
    require(len(visited) <= 16 and len(set(visited)) == len(visited), "not up to 16 parties")
    return request, visited, budget_ms


def chain_list(entries):
    """entries: (identity_key, sealed reply) or (identity_key, (code, detail, request_id))"""
    data = b"CPRL" + u8(1) + u8(len(entries))
    for identity_key, answer in entries:
        if isinstance(answer, bytes):
            data += identity_key + u8(1) + lp4(answer)
        else:
            data += identity_key + u8(0) + refusal(answer)
    return data


def parse_chain_list(data):
    r = Reader(data)
    r.literal(b"CPRL\x01")
    entries = []
    for _ in range(r.u8()):
        identity_key = public_key(r.take(33))
        answered = r.u8()
        require(answered in (0, 1), "neither an answer nor a refusal")
        answer = r.lp4() if answered else read_refusal(r)
        entries.append((identity_key, answer))
    r.end()
    require(0 < len(entries) <= 16 and len(dict(entries)) == len(entries), "not 1 to 16 parties")
    return entries
