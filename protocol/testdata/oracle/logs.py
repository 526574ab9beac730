"""SPEC.md section 7.3: entries of an agent's log, its head, and what a reader checks of the pieces it gets."""

from collections import namedtuple

import messages
from groups import H, Reader, lp, lp4, require, sha256, u8, u16, u64

HANDOVER = 5
STORE = 7

Entry = namedtuple(
    "Entry",
    "seq time kind operation tenant key_id client request_id request_hash action reason outcome detail items handover",
)
Head = namedtuple("Head", "identity_key seq time chain")


def encode_entry(e):
    data = u8(1) + u64(e.seq) + u64(e.time) + u8(e.kind) + u8(e.operation) + lp(e.tenant.encode()) + e.key_id
    data += lp(e.client.encode()) + e.request_id + e.request_hash + u8(e.action)
    data += lp(e.reason.encode()) + lp(e.outcome.encode()) + lp(e.detail.encode()) + u16(len(e.items))
    data += b"".join(c1_hash + u8(status) for c1_hash, status in e.items)
    require((e.handover is not None) == (e.operation == HANDOVER), "step")
    if e.handover:
        step, sid, payload_hash = e.handover
        data += u8(step) + sid + payload_hash
    return data


def parse_entry(data):
    r = Reader(data)
    require(r.u8() == 1, "version of an entry")
    head = r.u64(), r.u64(), r.u8(), r.u8(), r.lp().decode(), r.take(32), r.lp().decode(), r.take(8), r.take(32), r.u8()
    texts = r.lp().decode(), r.lp().decode(), r.lp().decode()
    items = [(r.take(32), r.u8()) for _ in range(r.u16())]
    handover = (r.u8(), r.take(32), r.take(32)) if head[3] == HANDOVER else None
    r.end()
    return Entry(*head, *texts, items, handover)


def chain_next(chain, entry_hash):
    return H("CPV1-LOG", chain, entry_hash)


def sign_head(identity, seq, time, chain):
    data = b"CPLH" + u8(1) + messages.compressed(identity) + u64(seq) + u64(time) + chain
    return data + messages.ecdsa_sign(identity, H("CPV1-HEAD", sha256(data)))


def parse_head(data):
    r = Reader(data)
    r.literal(b"CPLH\x01")
    head = Head(r.take(33), r.u64(), r.u64(), r.take(32))
    messages.ecdsa_verify(head.identity_key, H("CPV1-HEAD", sha256(data[: r.at])), r.take(64))
    r.end()
    return head


def encode_reply(head, before, lines):
    """lines: encoded entries, or (hash,) for those of other tenants"""
    data = lp(head) + before + u16(len(lines))
    return data + b"".join(lp4(b"") + line[0] if isinstance(line, tuple) else lp4(line) for line in lines)


def read_piece(data, identity_key, first, goal=None):
    """What a piece says that begins at entry `first`: its head, and the entries up to the goal (by default the
    head's number), each an Entry or None; checks the chain, if the piece reaches its head."""
    r = Reader(data)
    head = parse_head(r.lp())
    require(head.identity_key == identity_key, "head of another agent")
    chain, seq, entries = r.take(32), first - 1, []
    for _ in range(r.u16()):
        encoded = r.lp4()
        entry = parse_entry(encoded) if encoded else None
        entry_hash = sha256(encoded) if encoded else r.take(32)
        require(entry is None or entry.seq == seq + 1 or (entry.kind == STORE and entry.seq > seq), "number")
        seq = entry.seq if entry else seq + 1
        chain = chain_next(chain, entry_hash)
        if seq <= (goal or head.seq):
            entries.append(entry)
        if seq == head.seq:
            require(chain == head.chain, "an entry was changed, added or left out")
    r.end()
    require(seq <= head.seq, "goes on after its head")
    return head, entries
