"""SPEC.md section 11: what agents ask each other, and answer."""

from collections import namedtuple

import logs
import messages
from groups import H, Reader, lp, lp4, require, sha256, u8, u16, u32, u64

# keys: key_id -> (epoch, acknowledged, decided); lists: (kind, tenant) -> serial
State = namedtuple("State", "head keys lists")
Question = namedtuple("Question", "asker asked nonce known state digest")
Answer = namedtuple("Answer", "identity_key question remembered lists digest")


def encode_state(s):
    data = lp(s.head) + u16(len(s.keys))
    data += b"".join(key_id + b"".join(map(u32, s.keys[key_id])) for key_id in sorted(s.keys))
    data += u16(len(s.lists))
    return data + b"".join(u8(kind) + lp(tenant.encode()) + u64(s.lists[kind, tenant]) for kind, tenant in sorted(s.lists))


def ask(asker, asked, nonce, known, state):
    """asker: its private key; asked: an identity key."""
    data = b"CPPQ" + u8(1) + messages.compressed(asker) + asked + nonce + known + encode_state(state)
    return data + messages.ecdsa_sign(asker, H("CPV1-PEER-QUESTION", sha256(data)))


def answer(asked, question, remembered, lists):
    """asked: its private key; lists: (kind, list)."""
    data = b"CPPR" + u8(1) + messages.compressed(asked) + sha256(question) + lp4(remembered) + u16(len(lists))
    data += b"".join(u8(kind) + lp4(signed) for kind, signed in lists)
    return data + messages.ecdsa_sign(asked, H("CPV1-PEER-ANSWER", sha256(data)))


def signed_by(r, data, tag, identity_key):
    digest = H(tag, sha256(data[: r.at]))
    messages.ecdsa_verify(identity_key, digest, r.take(64))
    r.end()
    return digest


def parse_question(data):
    r = Reader(data)
    r.literal(b"CPPQ\x01")
    asker, asked = messages.public_key(r.take(33)), messages.public_key(r.take(33))
    nonce, known, head = r.take(16), r.take(32), r.lp()
    require(not head or logs.parse_head(head).identity_key == asker, "head of another agent")
    keys = [(r.take(32), (r.u32(), r.u32(), r.u32())) for _ in range(r.u16())]
    lists = [((r.u8(), r.lp().decode()), r.u64()) for _ in range(r.u16())]
    require([k for k, _ in keys] == sorted({k for k, _ in keys}), "keys ascend")
    require([k for k, _ in lists] == sorted({k for k, _ in lists}), "lists ascend")
    require(all(kind in (1, 2) for (kind, _), _ in lists), "kind")
    digest = signed_by(r, data, "CPV1-PEER-QUESTION", asker)
    return Question(asker, asked, nonce, known, State(head, dict(keys), dict(lists)), digest)


def parse_answer(data):
    r = Reader(data)
    r.literal(b"CPPR\x01")
    identity_key, question, remembered = messages.public_key(r.take(33)), r.take(32), r.lp4()
    lists = [(r.u8(), r.lp4()) for _ in range(r.u16())]
    require(all(kind in (1, 2) for kind, _ in lists), "kind")
    digest = signed_by(r, data, "CPV1-PEER-ANSWER", identity_key)
    return Answer(identity_key, question, remembered, lists, digest)
