"""SPEC.md section 7.3: entries of an agent's log, its head, its cut and archives, and what a reader checks of what it
gets."""

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
Cut = namedtuple("Cut", "identity_key after seq chain count archive time")


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
    require(handover is None or handover[0] <= 10, "step")
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


def sign_cut(identity, after, seq, chain, count, archive, time):
    data = b"CPLC" + u8(1) + messages.compressed(identity) + u64(after) + u64(seq) + chain + u64(count) + archive + u64(time)
    return data + messages.ecdsa_sign(identity, H("CPV1-LOG-CUT", sha256(data)))


def parse_cut(data):
    r = Reader(data)
    r.literal(b"CPLC\x01")
    cut = Cut(r.take(33), r.u64(), r.u64(), r.take(32), r.u64(), r.take(32), r.u64())
    messages.ecdsa_verify(cut.identity_key, H("CPV1-LOG-CUT", sha256(data[: r.at])), r.take(64))
    r.end()
    require(cut.after < cut.seq and 0 < cut.count <= cut.seq - cut.after, "what it removed")
    return cut


def encode_lines(lines):
    """lines: encoded entries, or (hash,) for those of other tenants"""
    return b"".join(lp4(b"") + line[0] if isinstance(line, tuple) else lp4(line) for line in lines)


def encode_reply(head, before, lines, cut=b""):
    return lp(head) + lp(cut) + before + u16(len(lines)) + encode_lines(lines)


def follow(r, seq, chain):
    """The next entry of a log, or None, and where it leads."""
    encoded = r.lp4()
    entry = parse_entry(encoded) if encoded else None
    entry_hash = sha256(encoded) if encoded else r.take(32)
    require(entry is None or entry.seq == seq + 1 or (entry.kind == STORE and entry.seq > seq), "number")
    return entry, entry.seq if entry else seq + 1, chain_next(chain, entry_hash)


def encode_archive(identity_key, after, before, lines, head):
    return b"CPLA" + u8(1) + identity_key + u64(after) + before + u64(len(lines)) + encode_lines(lines) + head


def read_archive(data, identity_key):
    """Where it begins, its head and its entries, each an Entry or None."""
    r = Reader(data)
    r.literal(b"CPLA\x01")
    require(r.take(33) == identity_key, "archive of another agent")
    after = seq = r.u64()
    chain, entries, count = r.take(32), [], r.u64()
    require(count > 0, "an empty archive")
    for _ in range(count):
        entry, seq, chain = follow(r, seq, chain)
        entries.append(entry)
    head = parse_head(data[r.at :])
    require(head.identity_key == identity_key and (head.seq, head.chain) == (seq, chain), "end of an archive")
    return after, head, entries


def read_piece(data, identity_key, first, goal=None):
    """What a piece says that begins at entry `first`: its head, and the entries up to the goal (by default the
    head's number), each an Entry or None; checks the chain, if the piece reaches its head."""
    r = Reader(data)
    head = parse_head(r.lp())
    require(head.identity_key == identity_key, "head of another agent")
    encoded_cut, chain, seq, entries = r.lp(), r.take(32), first - 1, []
    if encoded_cut:
        cut = parse_cut(encoded_cut)
        require(cut.identity_key == identity_key, "cut of another agent")
        require(seq < cut.seq < head.seq and cut.chain == chain, "where the log begins")
        seq = cut.seq
    for _ in range(r.u16()):
        entry, seq, chain = follow(r, seq, chain)
        if seq <= (goal or head.seq):
            entries.append(entry)
        if seq == head.seq:
            require(chain == head.chain, "an entry was changed, added or left out")
    r.end()
    require(seq <= head.seq, "goes on after its head")
    return head, entries
