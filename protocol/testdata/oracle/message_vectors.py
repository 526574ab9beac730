"""The blocks of oracle.vec that are messages: requests and replies, chains, the log."""

import dkg
import files
import handover
import hpke
import logs
import messages
import threshold
from groups import lp4, sha256
from vector_blocks import Counter, block, certificate


def request_block(group):
    c = Counter(f"request {group.name}")
    ca, client, reply = (c.scalar(hpke.CURVE.q) for _ in range(3))
    cert = certificate(
        "alice", client, "acme client CA", ca, ["coprotect:acme:user:alice", "coprotect:acme:group:finance"], client=True
    )
    h = group.exp(group.g, c.scalar(group.q))
    items = []
    for i in range(2):
        core = files.core(group, c.bytes(32), b"" if i == 0 else b'{"version":1,"allow":{"users":["coprotect:acme:user:alice"]}}')
        key_id = c.bytes(32)
        m = group.message(c.scalar(group.q))
        ct = threshold.encrypt(group, h, m, files.label(core, key_id), c.scalar(group.q), c.scalar(group.q))
        items.append((core, threshold.capsule(group, ct)))
    key_id, identity = c.bytes(32), c.scalar(hpke.CURVE.q)
    q = messages.Request(
        1, "acme", key_id, 0, [messages.compressed(identity)], 1, "quarterly review", c.bytes(16),
        1767225600000, hpke.public_key(reply), messages.partial_decrypt_body(group, items),
    )
    request = messages.sign_request(q, [cert], client)
    party = q.audience[0]
    values = [group.exp(group.g, c.scalar(group.q)) for _ in items]
    partial = messages.Partial(1, 0, [(0, values[0]), (1, "not for you")], (c.bytes(32), c.scalar(group.q)))
    plaintext = messages.partial_reply(group, partial)
    sealed = messages.seal_reply(identity, plaintext, q.reply_key, sha256(request), c.scalar(hpke.CURVE.q))
    refusal = ("denied", "not for you", c.bytes(8))
    refused = messages.seal_reply(identity, refusal, q.reply_key, sha256(request), c.scalar(hpke.CURVE.q))
    block(
        Type="request",
        Suite=group.name,
        Request=request,
        RequestHash=sha256(request),
        KeyId=q.key_id,
        Audience=party,
        Reason=q.reason,
        Nonce=q.nonce,
        Time=q.time,
        ReplyKey=reply.to_bytes(32, "big"),
        Cores=b"".join(lp4(core) for core, _ in items),
        Reply=sealed,
        Refused=refused,
        Refusal=messages.refusal(refusal),
        K1=group.encode(values[0]),
        Proof=partial.proof[0] + group.scalar(partial.proof[1]),
    )


def derive_block(group):
    c = Counter(f"derive {group.name}")
    ca, client, reply = (c.scalar(hpke.CURVE.q) for _ in range(3))
    cert = certificate("alice", client, "acme client CA", ca, ["coprotect:acme:user:alice"], client=True)
    coefficients = [c.scalar(group.q) for _ in range(2)]
    private = c.scalar(group.q)
    peer = group.exp(group.g, private)
    q = messages.Request(
        4, "acme", c.bytes(32), 0, [messages.compressed(c.scalar(hpke.CURVE.q))], 1, "cms", c.bytes(16),
        1767225600000, hpke.public_key(reply), messages.derive_body(group, [peer]),
    )
    request = messages.sign_request(q, [cert], client)
    # The peer's side of it: h and its own private key.
    z = group.exp(group.exp(group.g, coefficients[0]), private)
    raw = group.encode(z)[1:] if group.name == "p256" else group.encode(z)
    values = dict(
        Type="derive", Suite=group.name, Request=request, RequestHash=sha256(request), KeyId=q.key_id, Reason=q.reason,
        Peer=group.encode(peer), Z=group.encode(z), Raw=raw,
    )
    for j in (1, 2, 3):
        share = dkg.polynomial(coefficients, j, group.q)
        x = threshold.context(group, q.key_id, 0, j, sha256(request))
        proof = threshold.prove_one(group, x, share, peer, c.scalar(group.q))
        values[f"Share{j}"] = group.scalar(share)
        values[f"K{j}"] = group.encode(group.exp(peer, share))
        values[f"Proof{j}"] = proof[0] + group.scalar(proof[1])
    block(**values)


def chain_block(group):
    c = Counter(f"chain {group.name}")
    parties = [messages.compressed(c.scalar(hpke.CURVE.q)) for _ in range(3)]
    request, reply, request_id = c.bytes(200), c.bytes(100), c.bytes(8)
    refusal = ("unavailable", "cannot connect", request_id)
    block(
        Type="chain",
        Suite=group.name,
        Parties=b"".join(parties),
        Request=request,
        Budget=24300,
        Forward=messages.forward(request, parties[:2], 24300),
        Reply=reply,
        Code=refusal[0],
        Detail=refusal[1],
        RequestId=request_id,
        List=messages.chain_list([(parties[0], reply), (parties[2], refusal)]),
    )


def log_block(group):
    c = Counter(f"log {group.name}")
    identity = c.scalar(hpke.CURVE.q)
    common = dict(time=1767225600000, tenant="acme", key_id=c.bytes(32), client="coprotect:acme:admin:root", action=1)
    first = logs.Entry(
        seq=1, kind=1, operation=5, request_id=c.bytes(8), request_hash=c.bytes(32), reason="handover deal", outcome="ok",
        detail="handover deal", items=[], handover=(4, c.bytes(32), c.bytes(32)), **common,
    )
    second = logs.Entry(
        seq=2, kind=3, operation=1, request_id=c.bytes(8), request_hash=c.bytes(32), reason="größer", outcome="denied",
        detail="partial-decrypt: no", items=[(c.bytes(32), 0), (c.bytes(32), 4)], handover=None, **common,
    )
    entries, foreign = [logs.encode_entry(first), logs.encode_entry(second)], c.bytes(32)
    chain_1 = logs.chain_next(bytes(32), sha256(entries[0]))
    chain = logs.chain_next(logs.chain_next(chain_1, sha256(entries[1])), foreign)
    head = logs.sign_head(identity, 3, 1767225600001, chain)
    first_head = logs.sign_head(identity, 1, first.time, chain_1)
    archive = logs.encode_archive(messages.compressed(identity), 0, bytes(32), entries[:1], first_head)
    cut = logs.sign_cut(identity, 0, 1, chain_1, 1, sha256(archive), 1767225600002)
    block(
        Type="log",
        Suite=group.name,
        Identity=messages.compressed(identity),
        Entry1=entries[0],
        Entry2=entries[1],
        Foreign=foreign,
        Before=chain_1,
        Chain=chain,
        Head=head,
        Reply=logs.encode_reply(head, chain_1, [entries[1], (foreign,)]),
        Archive=archive,
        Cut=cut,
        CutReply=logs.encode_reply(head, chain_1, [entries[1], (foreign,)], cut),
    )


def status_block(group):
    """Of an agent that has all to say, and of one that has nothing to say."""
    c = Counter(f"status {group.name}")
    parties = [messages.compressed(c.scalar(hpke.CURVE.q)) for _ in range(2)]
    full = handover.Status(
        7, 9, 1, c.bytes(100), [(party, c.bytes(64)) for party in parties], (c.bytes(80), c.bytes(64)), [],
        handover.Condition(1767225600000, 1767225500000, "altered: größer", "not told", 1, "no such file"),
    )
    bare = full._replace(
        unacknowledged=0, acknowledgements=[], prepared=None, condition=handover.Condition(None, None, "", "", 0, "")
    )
    block(
        Type="status",
        Suite=group.name,
        Parties=b"".join(parties),
        Status=handover.encode_status(full),
        PartsVerified=full.condition.parts_verified,
        CodeOpened=full.condition.code_opened,
        Recovery=full.condition.recovery,
        Contacts=full.condition.contacts,
        Erasure=full.condition.erasure,
        Bare=handover.encode_status(bare),
    )
