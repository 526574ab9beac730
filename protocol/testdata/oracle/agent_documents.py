"""The blocks of VECTORS.md about recovery, invitations, and what agents tell each other and their administrators.
Some take bytes from a block before theirs: b.others."""

import json

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import announcements
import dkg
import handover
import hpke
import invitations
import logs
import make_vectors
import messages
import peers
import recovery
from groups import H, Reader, hkdf, require, sha256, to_int, u8, u32, u64
from message_documents import TIME, inputs_of
from vector_blocks import Counter, certificate


def private_key(b, name):
    return to_int(b.input(name, lambda c: c.scalar(hpke.CURVE.q).to_bytes(32, "big")))


def kit_block(group, b):
    symbols = b.input("symbols", lambda c: bytes(d % 32 for d in c.bytes(28)))
    scalar, key_id = private_key(b, "recovery scalar"), b.bytes("key_id", 32)
    salt, nonce = b.bytes("salt", 16), b.bytes("nonce", 12)
    administrator, client_ca = private_key(b, "administrator's key"), private_key(b, "client CA's key")
    signed = b.input(
        "certificate",
        lambda c: certificate(
            "recovery", administrator, "acme client CA", client_ca, ["coprotect:acme:recovery:ada"], client=True
        ),
    )
    kit_nonce, bundle = b.bytes("nonce of the kit", 12), b.fixed("bundle", b"a bundle")
    code, out = recovery.write_code(list(symbols)), b.outputs
    out["code"] = code.encode()
    secret = recovery.read_code(code)
    blob, k = recovery.make_blob(group, secret, key_id, scalar, (65536, 1, 1), salt, nonce)
    parsed = recovery.parse_blob(blob)
    out["recovery_key"], out["K"] = parsed.recovery_key, k
    out["key of the blob"], out["key of the kit"] = (hkdf(b"", k, tag, 32) for tag in (b"CPV1-BLOB", b"CPV1-KIT"))
    out["aad of the blob"], out["sealed"], out["blob"] = parsed.aad, parsed.sealed, blob
    require(recovery.open_blob(parsed, secret) == (scalar, k), "a blob that opens")
    kit = recovery.make_kit(bundle, blob, signed, administrator, client_ca, k, kit_nonce)
    out["aad of the kit"] = recovery.kit_aad(key_id, blob, signed)
    out["sealed_key"] = recovery.parse_kit(kit).sealed_key
    out["SHA-256(kit)"] = sha256(kit)
    require(recovery.open_kit_keys(recovery.parse_kit(kit), k) == (administrator, client_ca), "a kit that opens")


# Of the agent that is the first party of the key generation in VECTORS.md.
def invitation_block(group, b):
    parameters = dkg.parse_parameters(b.others["bundle-p256"].outputs["R0"])
    plan = handover.parse_bundle(b.others["handover-p256"].inputs["bundle"]).versions[-1]
    plan = Reader(plan[5:]).lp4()
    agent, nothing = parameters.parties[0], bytes(32)

    def make(c):
        identity = make_vectors.key_generation(group, Counter("document bundle-p256")).identities[0]
        require(messages.compressed(identity) == agent.identity_key, "the identity key of R0")
        invitation_id, client = c.bytes(8), c.scalar(hpke.CURVE.q)
        offered = b"CPHO" + u8(1) + nothing + nothing + agent.nonce + agent.ceremony_key + u8(agent.mode) + c.bytes(16)
        return {
            "id": invitation_id,
            "secret": c.bytes(16),
            "client_key": client.to_bytes(32, "big"),
            "client_certificate": certificate(
                "invitation", client, "cloud", identity, [f"coprotect:invitation:{invitation_id.hex()}"], client=True
            ),
            "expires": u64(TIME + 86400000),
            "nonce": c.bytes(16),
            "offer": offered + messages.ecdsa_sign(identity, handover.offer_hash(offered)) + u8(0),
        }

    names = ("id", "secret", "client_key", "client_certificate", "expires", "nonce", "offer")
    id_, secret, client_key, client_certificate, expires, nonce, offer = inputs_of(b, make, names)
    i = invitations.Invitation(
        agent.name, agent.url, agent.identity_certificate, agent.organisation, id_, secret, to_int(expires),
        parameters.tenant, client_certificate, client_key,
    )
    made, out = invitations.encode_invitation(i), b.outputs
    out["invitation"], out["checksum"] = made, sha256(made)[:4]
    line = invitations.line(made)
    require(invitations.parse_line(line) == i, "a line that is read again")
    out["SHA-256(line)"] = sha256(line)
    open_ = invitations.open_message(i, parameters.purpose, group.id, nothing, nothing, nonce)
    answered = handover.parse_offer(offer)
    messages.ecdsa_verify(agent.identity_key, answered.hash, answered.signature)
    require(answered[2:5] == (agent.nonce, agent.ceremony_key, agent.mode), "the offer of R0")
    out["open"] = open_
    out["input of HMAC for open"] = H("CPV1-OPEN", sha256(open_[:-32]))
    for name, message in (
        ("offer", invitations.offer_message(i, offer, open_)),
        ("parameters", invitations.parameters_message(i, parameters.encoded)),
        ("status", invitations.control_message(i, 1, nothing, nonce)),
        ("abort", invitations.control_message(i, 2, parameters.sid, nonce)),
        ("void", invitations.void_message(i, plan)),
    ):
        out[f"SHA-256({name} without its MAC)"], out[f"MAC of {name}"] = sha256(message[:-32]), message[-32:]


def chain_block(b):
    request, reply = b.others["request-p256"].inputs["request"], b.others["request-p256"].inputs["reply"]
    parties = [b.input(f"party {n}", lambda c: messages.compressed(c.scalar(hpke.CURVE.q))) for n in (1, 2)]
    budget, request_id = b.fixed("budget_ms", u32(24300)), b.bytes("request_id", 8)
    code, detail = b.fixed("code", b"unavailable"), b.fixed("detail", b"cannot connect")
    forward, out = messages.forward(request, parties, to_int(budget)), b.outputs
    out["after the request"], out["SHA-256(forward)"] = forward[9 + len(request) :], sha256(forward)
    refusal = code.decode(), detail.decode(), request_id
    list_ = messages.chain_list([(reply[5:38], reply), (parties[1], refusal)])
    out["second entry"], out["SHA-256(list)"] = parties[1] + u8(0) + messages.refusal(refusal), sha256(list_)
    require(messages.parse_forward(forward) == (request, parties, to_int(budget)), "a message that is read again")
    require(messages.parse_chain_list(list_) == [(reply[5:38], reply), (parties[1], refusal)], "a list that is read again")


def peers_block(b):
    clients = b.others["lists-p256"].inputs["client list"]

    def make(c):
        asker, asked = c.scalar(hpke.CURVE.q), c.scalar(hpke.CURVE.q)
        keys = {c.bytes(32): (3, 3, 4), c.bytes(32): (0, 0, 0)}
        head = logs.sign_head(asker, 120, TIME, c.bytes(32))
        before = peers.ask(asker, messages.compressed(asked), c.bytes(16), bytes(32), peers.State(b"", {}, {}))
        state = peers.State(head, keys, {(1, "acme"): 6, (2, "acme"): 3})
        question = peers.ask(asker, messages.compressed(asked), c.bytes(16), sha256(before), state)
        return {"question before": before, "question": question, "answer": peers.answer(asked, question, before, [(1, clients)])}

    before, question, answer = inputs_of(b, make, ("question before", "question", "answer"))
    asked, answered, out = peers.parse_question(question), peers.parse_answer(answer), b.outputs
    require(answered.question == sha256(question) and answered.identity_key == asked.asked, "an answer to this question")
    require(answered.remembered == before and answered.lists == [(1, clients)], "what was remembered")
    require(peers.parse_question(before).state == peers.State(b"", {}, {}) and asked.known == sha256(before), "known")
    out["asker"], out["asked"] = asked.asker, asked.asked
    out["SHA-256(question before)"], out["head"] = sha256(before), asked.state.head
    for n, (key_id, numbers) in enumerate(asked.state.keys.items(), 1):
        out[f"key_id {n}"], out[f"epoch, acknowledged, decided {n}"] = key_id, b"".join(map(u32, numbers))
    out["serial of clients"], out["serial of keys"] = (u64(asked.state.lists[kind, "acme"]) for kind in (1, 2))
    out["signed digest of question"], out["SHA-256(question)"] = asked.digest, sha256(question)
    out["signed digest of answer"] = answered.digest


def notice_block(b):
    parameters = handover.parse_bundle(b.others["handover-p256"].inputs["bundle"]).parameters
    announcer, client = b.bytes("announcer", 32), b.fixed("client", b"coprotect:acme:recovery:ada")
    not_before, left = b.fixed("not before", u64(TIME + 604800000)), b.fixed("running time left", u64(518400000))
    vetoed, out = b.fixed("vetoed", u8(0)), b.outputs
    announced = announcements.announcement(parameters)
    out["layout"], out["announcement"] = announcements.layout(parameters), announced
    out["notice_hash"] = announcements.notice_hash(announced, announcer)
    notice = announcements.Notice(announced, announcer, client.decode(), to_int(not_before), to_int(left), to_int(vetoed))
    encoded = announcements.encode_notice(notice)
    require(announcements.parse_notice(encoded) == notice, "a notice that is read again")
    out["after the announcement"], out["SHA-256(notice)"] = encoded[9 + len(announced) :], sha256(encoded)


def evidence(key_id, request_hashes):
    return json.dumps({
        "version": 1, "kind": "drill", "time": "2026-01-01T00:00:00Z", "tenant": "acme", "key_id": key_id.hex(), "epoch": 0,
        "suite": "p256", "purpose": "envelope", "administrator": "coprotect:acme:admin:root",
        "canary_sha256": sha256(b"canary").hex(),
        "quorums": [{
            "parties": ["cloud", "company"], "result": "passed",
            "requests": [{"party": p, "request_hash": h.hex()} for p, h in zip(("cloud", "company"), request_hashes)],
        }],
        "passed": 1, "failed": 0,
    }).encode()


def drill_block(b):
    def make(c):
        ca, administrator = c.scalar(hpke.CURVE.q), c.scalar(hpke.CURVE.q)
        file = evidence(c.bytes(32), [c.bytes(32), c.bytes(32)])
        signed = certificate("root", administrator, "acme client CA", ca, ["coprotect:acme:admin:root"], client=True)
        scalar, sid = c.scalar(hpke.CURVE.q), c.bytes(32)
        report = announcements.drill_report(TIME, file, 1, 0)
        return {
            "evidence": file,
            "signature file": announcements.sign_drill(file, signed, administrator),
            "sid": sid,
            "recovery scalar": scalar.to_bytes(32, "big"),
            "proof": messages.ecdsa_sign(scalar, announcements.code_opened_digest(sid, report)),
        }

    names = ("evidence", "signature file", "sid", "recovery scalar", "proof")
    file, signature_file, sid, scalar, proof = inputs_of(b, make, names)
    signed, signature = announcements.parse_drill_signature(signature_file)
    point = x509.load_der_x509_certificate(signed).public_key()
    key = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    messages.ecdsa_verify(key, announcements.drill_digest(file), signature)
    out, report = b.outputs, announcements.drill_report(TIME, file, 1, 0)
    out["SHA-256(evidence)"], out["signed digest"] = sha256(file), announcements.drill_digest(file)
    out["administrator's key"], out["report up to its proof"] = key, report
    out["recovery_key"] = hpke.public_key(to_int(scalar))
    out["digest of the proof"] = announcements.code_opened_digest(sid, report)
    messages.ecdsa_verify(messages.compressed(to_int(scalar)), out["digest of the proof"], proof)
