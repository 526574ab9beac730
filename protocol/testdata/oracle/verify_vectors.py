#!/usr/bin/python3
"""Checks every block of .vec files like ../oracle.vec, whoever made them: verify_vectors.py FILE…"""

import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import dkg
import files
import handover
import hpke
import logs
import messages
import recovery
import recovery_part
import threshold
from groups import Reader, group_by_name, require, sha256, to_int


def blocks(path):
    values = {}
    for line in [*open(path, encoding="utf-8"), "\n"]:
        line = line.rstrip("\n")
        if line.startswith("#"):
            continue
        if line:
            name, value = line.split(" = ", 1)
            values[name] = value
        elif values:
            yield values
            values = {}


class Block:
    def __init__(self, values):
        self.values = values
        self.group = group_by_name(values["Suite"])

    def hex(self, name):
        return bytes.fromhex(self.values[name])

    def element(self, name):
        return self.group.parse(self.hex(name))

    def elements(self, name):
        b, n = self.hex(name), self.group.element_size
        return [self.group.parse(b[i : i + n]) for i in range(0, len(b), n)]

    def scalar(self, name):
        return self.group.parse_scalar(self.hex(name))

    def proof(self, name):
        b = self.hex(name)
        return b[:32], self.group.parse_scalar(b[32:])

    def number(self, name):
        return int(self.values[name])

    def text(self, name):
        return self.values[name]


def check_tdh2(b):
    g = b.group
    h, m, c2 = b.element("H"), b.element("M"), b.element("C2")
    ct = threshold.Ciphertext(b.element("C1"), b.element("UBar"), c2, b.hex("E"), b.scalar("F"))
    require(threshold.verify(g, h, threshold.capsule(g, ct), b.hex("Label")), "TDH2 proof")
    partials = {}
    for i in (1, 2, 3):
        share, k = b.scalar(f"Share{i}"), b.element(f"K{i}")
        require(g.exp(ct.c1, share) == k, "partial")
        x = threshold.context(g, b.hex("KeyId"), b.number("Epoch"), i, b.hex("RequestHash"))
        h_i = g.exp(g.g, share)
        require(threshold.verify_partials(g, x, h_i, [ct.c1], [k], b.proof(f"Proof{i}")), f"proof {i}")
        partials[i] = k
    for i, j in ((1, 2), (1, 3), (2, 3)):
        require(threshold.combine(g, c2, {i: partials[i], j: partials[j]}) == m, "combination")


def check_batch(b):
    g = b.group
    h_i = g.exp(g.g, b.scalar("Share"))
    x = threshold.context(g, b.hex("KeyId"), b.number("Epoch"), b.number("Index"), b.hex("RequestHash"))
    bases, values = b.elements("Bases"), b.elements("Values")
    require(threshold.verify_partials(g, x, h_i, bases, values, b.proof("Proof")), "batch proof")


def check_file(b):
    data = b.hex("File")
    header = files.parse_header(data)
    require(header.policy == b.hex("Policy"), "policy")
    ct = header.stanzas[b.hex("KeyId")]
    capsule = threshold.capsule(b.group, ct)
    require(threshold.verify(b.group, b.element("H"), capsule, files.label(header.core, b.hex("KeyId"))), "TDH2 proof")
    fk = files.unlock(header, b.element("M"))
    require(fk == b.hex("FileKey"), "file key")
    plaintext = files.open_body(fk, header.core, data[header.body_at :])
    require(plaintext == bytes(i % 251 for i in range(b.number("PlaintextSize"))), "plaintext")


def check_encapsulation(b):
    header = files.parse_encapsulation(b.hex("Encapsulation"))
    capsule = threshold.capsule(b.group, header.stanzas[b.hex("KeyId")])
    require(threshold.verify(b.group, b.element("H"), capsule, files.label(header.core, b.hex("KeyId"))), "TDH2 proof")
    require(files.encapsulated_secret(files.unlock(header, b.element("M"))) == b.hex("Secret"), "secret")


def check_recovery(b):
    blob = recovery.parse_blob(b.hex("Blob"))
    require(blob.key_id == b.hex("KeyId"), "key_id")
    hpke_scalar, k = recovery.open_blob(blob, recovery.read_code(b.values["Code"]))
    require(hpke_scalar == to_int(b.hex("HpkeScalar")), "blob")
    kit = recovery.parse_kit(b.hex("Kit"))
    client_ca = b.hex("KitClientCa")
    require(recovery.open_kit_keys(kit, k) == (to_int(b.hex("KitKey")), to_int(client_ca) if client_ca else None), "kit")


def check_recovery_part(b):
    scalar = to_int(b.hex("RecoveryScalar"))
    statement = recovery_part.Statement(
        b.group, b.hex("Sid"), b.number("Dealer"), b.number("Index"), hpke.public_key(scalar), b.elements("Commitments")
    )
    recovery_part.check(statement, b.hex("Part"))
    require(recovery_part.open_(statement, b.hex("Part"), scalar) == b.scalar("Value"), "value")


def check_dkg(b):
    g = b.group
    bundle = handover.parse_bundle(b.hex("Bundle"))
    require(bundle.key_id == b.hex("KeyId") and bundle.parameters.sid == b.hex("Sid"), "key_id")
    require(bundle.h == b.element("H"), "h")
    for j in (1, 2, 3):
        require(g.exp(g.g, b.scalar(f"Share{j}")) == bundle.public_shares[j], f"share {j}")
    sealed, (part_hash, sealed_part) = dkg.parse_deal_body(bundle.parameters, 0, b.hex("Deal0"))
    key = to_int(b.hex("CeremonyKey1"))
    aad = bytes([0, 2]) + bundle.parameters.parties[1].identity_key
    dealt = hpke.open_(key, b"CPV1-DEAL" + bundle.parameters.sid, aad, sealed[2])
    require(g.parse_scalar(dealt) == b.scalar("Dealt02"), "dealt share")
    agents = bundle.parameters.parties[:2]
    part = recovery_part.unseal(bundle.statements[0], sealed_part, agents, 1, key)
    parts = recovery_part.parse_parts(b.hex("Parts"))
    require(parts.parts[0] == part and sha256(part) == part_hash, "part")
    recovery_part.check_parts(parts, bundle)
    share = recovery_part.open_parts(parts, to_int(b.hex("CeremonyKey2")), bundle, None)
    require(share == b.scalar("Share3"), "recovery share")


def check_handover(b):
    (_, now), *steps = handover.parse_chain(b.hex("Bundle"))
    for number, (version, after) in enumerate(steps, 1):
        require(handover.extends(after, now) and not handover.extends(now, after), "chain")
        require(handover.is_refresh(version.plan, now) == (number == 1), "refresh")
        check_one_handover(b, str(number), now, version, after)
        now = after
    require(now.epoch == 2 and now.h == b.element("H"), "epoch, h")
    require(handover.encode_bundle(now) == b.hex("Bundle"), "bundle")


def check_one_handover(b, number, now, version, after):
    g, plan = b.group, version.plan
    require(plan.sid == b.hex("Sid" + number) and plan.blob_hash == b.hex("BlobHash" + number), "plan")
    offers = Reader(b.hex("Offers" + number))
    handover.check_offers(plan, now, [offers.lp4() for p in plan.parameters.parties if p.mode != 0])
    offers.end()
    encoded = Reader(b.hex("Deals" + number))
    deals = [handover.parse_deal(plan, encoded.lp4()) for _ in plan.dealers]
    encoded.end()
    require([d.open for d in deals] == version.opens, "deals")
    secrets, shares = Reader(b.hex("CeremonyKeys" + number)), Reader(b.hex("Shares" + number))
    keys = {}
    for p in plan.parameters.parties:
        key = to_int(secrets.take(32))
        keys.update((j, key) for j in p.indices)
    secrets.end()
    made = {}
    parts = recovery_part.parse_parts(b.hex("Parts" + number))
    first_agent = handover.agents_of(plan.parameters)[0]
    received = handover.received_parts(plan, deals, 0, keys[first_agent.indices[0]])
    require(b.hex("Parts" + number) == received, "parts")
    recovery_part.check_parts(parts, after)
    for j in range(1, plan.parameters.n + 1):
        if j == parts.index:
            made[j] = recovery_part.open_parts(parts, keys[j], after, handover.combine_values)
        else:
            values = {d.open.index: handover.open_value(plan, d, j, keys[j]) for d in deals}
            made[j] = handover.combine_values(g, values)
        require(made[j] == g.parse_scalar(shares.take(g.scalar_size)), f"share {j}")
        require(g.exp(g.g, made[j]) == after.public_shares[j], f"public share {j}")
    shares.end()
    first = plan.parameters.parties[0].identity_key
    messages.ecdsa_verify(first, handover.active_digest(plan.sid, version.body), b.hex("Active" + number))
    messages.ecdsa_verify(first, handover.void_digest(plan.sid), b.hex("Void" + number))


def check_request(b):
    data = b.hex("Request")
    require(sha256(data) == b.hex("RequestHash"), "request hash")
    r = Reader(data)
    r.literal(b"CPRQ\x01\x01")
    r.lp()
    require(r.take(32) == b.hex("KeyId") and r.u32() == 0, "key_id")
    require([r.take(33) for _ in range(r.u8())] == [b.hex("Audience")], "audience")
    require(r.u8() == 1 and r.lp().decode() == b.values["Reason"], "action, reason")
    require(r.take(16) == b.hex("Nonce") and r.u64() == b.number("Time"), "nonce, time")
    reply_key = to_int(b.hex("ReplyKey"))
    require(r.take(65) == hpke.public_key(reply_key), "reply key")
    head = data[: r.at]
    body_bytes = r.lp4()
    body = Reader(body_bytes)
    cores = Reader(b.hex("Cores"))
    for _ in range(body.u16()):
        require(body.lp4() == cores.lp4() and body.u16() == 1, "core")
        body.take(2 * b.group.element_size + 32 + 32 + b.group.scalar_size)
    body.end()
    cores.end()
    certificates_at = r.at
    chain = [r.lp() for _ in range(r.u8())]
    point = x509.load_der_x509_certificate(chain[0]).public_key()
    key = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    messages.ecdsa_verify(key, messages.request_digest(head, body_bytes, data[certificates_at : r.at]), r.take(64))
    r.end()
    plaintext = messages.open_reply(b.hex("Reply"), b.hex("Audience"), reply_key, b.hex("RequestHash"))
    refused = messages.open_reply(b.hex("Refused"), b.hex("Audience"), reply_key, b.hex("RequestHash"))
    require(messages.refusal(refused) == b.hex("Refusal"), "refusal")
    (partial,) = messages.parse_partial_replies(b.group, plaintext)
    require(partial.items[0] == (0, b.element("K1")) and partial.items[1][0] == 1, "items")
    require(partial.proof == b.proof("Proof"), "proof")


def check_derive(b):
    g = b.group
    data = b.hex("Request")
    require(sha256(data) == b.hex("RequestHash"), "request hash")
    r = Reader(data)
    r.literal(b"CPRQ\x01\x04")
    r.lp()
    require(r.take(32) == b.hex("KeyId") and r.u32() == 0, "key_id")
    r.take(33 * r.u8())
    require(r.u8() == 1 and r.lp().decode() == b.values["Reason"], "action, reason")
    r.take(16 + 8 + 65)
    peer = b.element("Peer")
    require(r.lp4() == messages.derive_body(g, [peer]), "body")
    partials = {}
    for i in (1, 2, 3):
        share, k = b.scalar(f"Share{i}"), b.element(f"K{i}")
        require(g.exp(peer, share) == k, "partial")
        x = threshold.context(g, b.hex("KeyId"), 0, i, b.hex("RequestHash"))
        require(threshold.verify_partials(g, x, g.exp(g.g, share), [peer], [k], b.proof(f"Proof{i}")), f"proof {i}")
        partials[i] = k
    z = b.element("Z")
    for i, j in ((1, 2), (1, 3), (2, 3)):
        # combine() divides by what the partials make, which is z.
        require(threshold.combine(g, g.mul(z, g.g), {i: partials[i], j: partials[j]}) == g.g, "combination")
    require(b.hex("Raw") == g.encode(z)[1 if g.name == "p256" else 0 :], "shared secret")


def check_chain(b):
    parties = [b.hex("Parties")[i : i + 33] for i in range(0, 99, 33)]
    forward = messages.parse_forward(b.hex("Forward"))
    require(forward == (b.hex("Request"), parties[:2], b.number("Budget")), "forward message")
    refusal = b.values["Code"], b.values["Detail"], b.hex("RequestId")
    require(messages.parse_chain_list(b.hex("List")) == [(parties[0], b.hex("Reply")), (parties[2], refusal)], "list")


def check_log(b):
    entries = [b.hex("Entry1"), b.hex("Entry2")]
    for encoded in entries:
        require(logs.encode_entry(logs.parse_entry(encoded)) == encoded, "entry")
    require(logs.parse_entry(entries[0]).handover[0] == 4, "step")
    require(logs.chain_next(bytes(32), sha256(entries[0])) == b.hex("Before"), "chain before")
    head, found = logs.read_piece(b.hex("Reply"), b.hex("Identity"), 2)
    require(head.chain == b.hex("Chain") and head == logs.parse_head(b.hex("Head")), "head")
    require(found == [logs.parse_entry(entries[1]), None], "entries")
    cut = logs.parse_cut(b.hex("Cut"))
    require((cut.after, cut.seq, cut.count) == (0, 1, 1) and cut.chain == b.hex("Before"), "cut")
    require(cut.archive == sha256(b.hex("Archive")), "archive of the cut")
    after, last, archived = logs.read_archive(b.hex("Archive"), b.hex("Identity"))
    require((after, last.seq, last.chain) == (0, 1, cut.chain), "archive")
    require(archived == [logs.parse_entry(entries[0])], "entries of the archive")
    require(logs.read_piece(b.hex("CutReply"), b.hex("Identity"), 1) == (head, found), "log that begins with a cut")


def check_status(b):
    status, bare = handover.parse_status(b.hex("Status")), handover.parse_status(b.hex("Bare"))
    require(handover.encode_status(status) == b.hex("Status"), "status")
    require(handover.encode_status(bare) == b.hex("Bare"), "bare status")
    require(b"".join(party for party, _ in status.acknowledgements) == b.hex("Parties"), "parties")
    said = status.condition
    require((said.parts_verified, said.code_opened) == (b.number("PartsVerified"), b.number("CodeOpened")), "dates")
    require([said.recovery, said.contacts, said.erasure] == [b.text(n) for n in ("Recovery", "Contacts", "Erasure")], "texts")
    require(said.erasure_held == 1 and bare.condition == handover.Condition(None, None, "", "", 0, ""), "condition")


CHECKS = {
    "tdh2": check_tdh2,
    "batch": check_batch,
    "file": check_file,
    "encapsulation": check_encapsulation,
    "recovery": check_recovery,
    "recovery-part": check_recovery_part,
    "dkg": check_dkg,
    "handover": check_handover,
    "request": check_request,
    "derive": check_derive,
    "chain": check_chain,
    "log": check_log,
    "status": check_status,
}


def main():
    count = 0
    for path in sys.argv[1:]:
        for values in blocks(path):
            CHECKS[values["Type"]](Block(values))
            count += 1
    require(count > 0, "no blocks")
    print(f"{count} blocks hold")


if __name__ == "__main__":
    main()
