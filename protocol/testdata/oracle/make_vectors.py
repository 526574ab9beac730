#!/usr/bin/python3
"""Writes one block of each type of oracle.vec to standard output. All numbers come from a counter, so two runs differ only in ECDSA signatures."""

from collections import namedtuple

import dkg
import files
import handover
import hpke
import messages
import recovery
import recovery_part
import threshold
from groups import group_by_name, lp4, sha256
from message_vectors import chain_block, derive_block, log_block, request_block, status_block
from vector_blocks import Counter, block, certificate


def tdh2_block(group):
    c = Counter(f"tdh2 {group.name}")
    coefficients = [c.scalar(group.q), c.scalar(group.q)]
    h = group.exp(group.g, coefficients[0])
    m = group.message(c.scalar(group.q))
    label, key_id, request_hash = c.bytes(32), c.bytes(32), c.bytes(32)
    ct = threshold.encrypt(group, h, m, label, c.scalar(group.q), c.scalar(group.q))
    enc = group.encode
    values = dict(Type="tdh2", Suite=group.name, H=enc(h), M=enc(m), Label=label, KeyId=key_id, Epoch=0, RequestHash=request_hash)
    values.update(C1=enc(ct.c1), UBar=enc(ct.u_bar), C2=enc(ct.c2), E=ct.e, F=group.scalar(ct.f))
    for i in (1, 2, 3):
        share = dkg.polynomial(coefficients, i, group.q)
        x = threshold.context(group, key_id, 0, i, request_hash)
        proof = threshold.prove(group, x, share, [ct.c1], c.scalar(group.q))
        values[f"Share{i}"] = group.scalar(share)
        values[f"K{i}"] = enc(group.exp(ct.c1, share))
        values[f"Proof{i}"] = proof[0] + group.scalar(proof[1])
    block(**values)


def batch_block(group, count):
    c = Counter(f"batch {group.name}")
    share = c.scalar(group.q)
    bases = [group.exp(group.g, c.scalar(group.q)) for _ in range(count)]
    key_id, request_hash = c.bytes(32), c.bytes(32)
    x = threshold.context(group, key_id, 7, 2, request_hash)
    proof = threshold.prove(group, x, share, bases, c.scalar(group.q))
    block(
        Type="batch",
        Suite=group.name,
        KeyId=key_id,
        Epoch=7,
        Index=2,
        RequestHash=request_hash,
        Share=group.scalar(share),
        Bases=b"".join(group.encode(b) for b in bases),
        Values=b"".join(group.encode(group.exp(b, share)) for b in bases),
        Proof=proof[0] + group.scalar(proof[1]),
    )


def pattern(size):
    return bytes(i % 251 for i in range(size))


def file_block(group, policy, size):
    c = Counter(f"file {group.name} {size}")
    secret = c.scalar(group.q)
    h = group.exp(group.g, secret)
    m = group.message(c.scalar(group.q))
    key_id = c.bytes(32)
    header, core, fk = files.make_header(group, h, key_id, m, c.bytes(32), policy, c.scalar(group.q), c.scalar(group.q))
    body = files.seal_body(fk, core, pattern(size), c.bytes(24))
    block(
        Type="file",
        Suite=group.name,
        H=group.encode(h),
        KeyId=key_id,
        M=group.encode(m),
        FileKey=fk,
        Policy=policy,
        PlaintextSize=size,
        File=header + body,
    )


def encapsulation_block(group):
    c = Counter(f"encapsulation {group.name}")
    secret = c.scalar(group.q)
    h = group.exp(group.g, secret)
    m = group.message(c.scalar(group.q))
    key_id = c.bytes(32)
    header, _, fk = files.make_header(group, h, key_id, m, c.bytes(32), b"", c.scalar(group.q), c.scalar(group.q))
    block(
        Type="encapsulation",
        Suite=group.name,
        H=group.encode(h),
        KeyId=key_id,
        M=group.encode(m),
        Secret=files.encapsulated_secret(fk),
        Encapsulation=files.KEM + header,
    )


def recovery_block(group):
    c = Counter(f"recovery {group.name}")
    code = recovery.write_code([b % 32 for b in c.bytes(28)])
    hpke_scalar, key_id = c.scalar(hpke.CURVE.q), c.bytes(32)
    blob, k = recovery.make_blob(
        group, recovery.read_code(code), key_id, hpke_scalar, (65536, 1, 1), c.bytes(16), c.bytes(12)
    )
    scalar = c.scalar(hpke.CURVE.q)
    cert = certificate("recovery", scalar, "recovery", scalar, ["coprotect:acme:recovery:ada"], client=True)
    nonce = c.bytes(12)
    client_ca = c.scalar(hpke.CURVE.q) if group.name == "p256" else None
    kit = recovery.make_kit(b"a bundle", blob, cert, scalar, client_ca, k, nonce)
    block(
        Type="recovery",
        Suite=group.name,
        Code=code,
        KeyId=key_id,
        HpkeScalar=hpke_scalar.to_bytes(32, "big"),
        Blob=blob,
        Kit=kit,
        KitKey=scalar.to_bytes(32, "big"),
        KitClientCa=client_ca.to_bytes(32, "big") if client_ca else b"",
    )


def recovery_part_block(group):
    c = Counter(f"recovery part {group.name}")
    scalar, coefficients = c.scalar(hpke.CURVE.q), [c.scalar(group.q), c.scalar(group.q)]
    commitments = [group.exp(group.g, a) for a in coefficients]
    statement = recovery_part.Statement(group, c.bytes(32), 2, 3, hpke.public_key(scalar), commitments)
    value = dkg.polynomial(coefficients, 3, group.q)
    block(
        Type="recovery-part",
        Suite=group.name,
        Sid=statement.sid,
        Dealer=statement.dealer,
        Index=statement.index,
        RecoveryScalar=scalar.to_bytes(32, "big"),
        Commitments=b"".join(group.encode(a) for a in commitments),
        Value=group.scalar(value),
        Part=recovery_part.make(statement, value, c.bytes(32)),
    )


def party(c, position, name, identity, ceremony_key, organisation, recovery_key):
    """The one of index position + 1; "recovery" is not an agent. organisation: a certificate, or the private key of
    whose party it is."""
    agent = name != "recovery"
    cert = certificate(name, identity, name, identity, authority=True) if agent else b""
    url = f"https://127.0.0.1:844{position}" if agent else ""
    key, sealing_key = messages.compressed(identity), hpke.public_key(ceremony_key)
    if isinstance(organisation, int):
        certified = key if agent else messages.compressed(recovery_key)
        organisation = dkg.organisation_certificate(1 if agent else 2, name, organisation, certified)
    return dkg.Party(name, [position + 1], c.bytes(32), key, sealing_key, int(agent), url, cert, organisation)


Generation = namedtuple("Generation", "identities ceremony_keys recovery_key deals polynomials bundle encoded parts")


def key_generation(group, c):
    """2 of 3, with the secrets of all parties."""
    identities = [c.scalar(hpke.CURVE.q) for _ in range(3)]
    ceremony_keys = [c.scalar(hpke.CURVE.q) for _ in range(3)]
    names = ("cloud", "company", "recovery")
    ca, recovery_key = c.scalar(hpke.CURVE.q), ceremony_keys[2]
    # The cloud stands for itself; the others are the company's, whose organisation key is the client CA's.
    by = (identities[0], ca, ca)
    parties = [party(c, i, name, identities[i], ceremony_keys[i], by[i], recovery_key) for i, name in enumerate(names)]
    client_ca = certificate("acme client CA", ca, "acme client CA", ca, authority=True)
    parameters = dkg.parse_parameters(
        dkg.encode_parameters(group, 1, 2, 3, "acme", parties, client_ca, hpke.public_key(recovery_key))
    )
    rounds, deals, polynomials = [], [], []
    for sender in range(3):
        coefficients = [c.scalar(group.q), c.scalar(group.q)]
        reveal = dkg.reveal_body(group, parameters.sid, sender, coefficients, c.scalar(group.q), c.bytes(32))
        ephemerals = {j: c.scalar(hpke.CURVE.q) for j in (1, 2, (3, 0), (3, 1))}
        deal = dkg.deal_body(parameters, sender, coefficients, ephemerals, c.bytes(32), c.bytes(32))
        rounds.append((dkg.commit_body(parameters.sid, sender, reveal), reveal, sha256(deal)))
        deals.append(deal)
        polynomials.append(coefficients)
    key_id = dkg.key_id_of(parameters, rounds)
    hashes, parts = {}, {}
    for sender in range(3):
        _, (hashes[sender], sealed) = dkg.parse_deal_body(parameters, sender, deals[sender])
        commitments = [group.exp(group.g, a) for a in polynomials[sender]]
        statement = dkg.recovery_statement(parameters, sender, commitments)
        parts[sender] = recovery_part.unseal(statement, sealed, parameters.parties[:2], 0, ceremony_keys[0])
    parts_hash = recovery_part.parts_hash(parameters.sid, 3, hashes)
    confirmed = [dkg.signing_digest(4, parameters.sid, i, key_id + parts_hash) for i in range(3)]
    signatures = [messages.ecdsa_sign(identity, digest) for identity, digest in zip(identities, confirmed)]
    encoded = dkg.encode_bundle(parameters, parts_hash, rounds, signatures)
    parts = recovery_part.encode_parts(parameters.sid, 3, parts)
    bundle = handover.parse_bundle(encoded)
    return Generation(identities, ceremony_keys, recovery_key, deals, polynomials, bundle, encoded, parts)


def generated_share(group, made, j):
    return sum(dkg.polynomial(p, j, group.q) for p in made.polynomials) % group.q


def dkg_block(group):
    made = key_generation(group, Counter(f"dkg {group.name}"))
    h = group.encode(made.bundle.h)
    values = dict(Type="dkg", Suite=group.name, Sid=made.bundle.sid, KeyId=made.bundle.key_id, H=h, Bundle=made.encoded)
    for j in (1, 2, 3):
        values[f"Share{j}"] = group.scalar(generated_share(group, made, j))
    # What party 0 dealt, and the key that opens the deal to index 2.
    values["Deal0"] = made.deals[0]
    values["CeremonyKey1"] = made.ceremony_keys[1].to_bytes(32, "big")
    values["CeremonyKey2"] = made.recovery_key.to_bytes(32, "big")
    values["Parts"] = made.parts
    values["Dealt02"] = group.scalar(dkg.polynomial(made.polynomials[0], 2, group.q))
    block(**values)


def hand_over(c, now, shares, dealers, t, names, identities, ceremony_keys, recovery_key, blob_hash):
    """The bundle after it, every new share, and the rest of what a block says of it. now: the bundle before;
    shares: all of it by index; the secret keys by party; recovery_key: a scalar."""
    group, old = now.parameters.group, now.parameters
    present = {p.identity_key: p for p in old.parties}
    by = [
        present[key].organisation if key in present else identity
        for identity, key in ((identity, messages.compressed(identity)) for identity in identities)
    ]
    parties = [party(c, i, name, identities[i], ceremony_keys[i], by[i], recovery_key) for i, name in enumerate(names)]
    # Who stays keeps its certificate to the byte.
    certificates = {p.identity_key: p.identity_certificate for p in old.parties}
    parties = [p._replace(identity_certificate=certificates.get(p.identity_key, p.identity_certificate)) for p in parties]
    parameters = dkg.parse_parameters(
        dkg.encode_parameters(
            group, old.purpose, t, len(parties), old.tenant, parties, old.client_ca, hpke.public_key(recovery_key)
        )
    )
    plan = handover.parse_plan(handover.encode_plan(now.key_id, now.epoch + 1, now.newest_hash, dealers, blob_hash, parameters))
    offers = b""
    for p, identity in zip(parties, identities):
        if p.mode != 0:
            held = {j: shares[j] for q in old.parties if q.identity_key == p.identity_key for j in q.indices}
            nonces = {j: c.scalar(group.q) for j in held}
            offers += lp4(handover.make_offer(plan, p, c.bytes(16), identity, now, held, nonces))
    deals, encoded = [], b""
    for i in dealers:
        coefficients = [shares[i]] + [c.scalar(group.q) for _ in range(t - 1)]
        recovery_index = parameters.n
        places = [*range(1, recovery_index), *((recovery_index, a) for a in range(recovery_index - 1))]
        ephemerals = {place: c.scalar(hpke.CURVE.q) for place in places}
        deal = handover.make_deal(plan, i, coefficients, ephemerals, c.scalar(group.q), c.bytes(32), c.bytes(32))
        deals.append(handover.parse_deal(plan, deal))
        encoded += lp4(deal)
    body = handover.body_of(plan, [d.open for d in deals])
    by_key = {messages.compressed(identity): identity for identity in identities}
    version = body
    for p in handover.signers(plan, now):
        version += messages.ecdsa_sign(by_key[p.identity_key], handover.confirm_digest(body))
    bundle = handover.followed_by(now, handover.parse_version(now, version))
    new_shares = {}
    for j in range(1, parameters.n):
        values = {d.open.index: handover.open_value(plan, d, j, ceremony_keys[j - 1]) for d in deals}
        new_shares[j] = handover.combine_values(group, values)
    parts = handover.received_parts(plan, deals, 0, ceremony_keys[0])
    opened = recovery_part.open_parts(
        recovery_part.parse_parts(parts), recovery_key, bundle, handover.combine_values
    )
    new_shares[parameters.n] = opened
    return bundle, new_shares, dict(
        Sid=plan.sid,
        Offers=offers,
        Deals=encoded,
        CeremonyKeys=b"".join(k.to_bytes(32, "big") for k in ceremony_keys),
        Shares=b"".join(group.scalar(s) for s in new_shares.values()),
        BlobHash=blob_hash,
        Parts=parts,
        Active=messages.ecdsa_sign(identities[0], handover.active_digest(plan.sid, body)),
        Void=messages.ecdsa_sign(identities[0], handover.void_digest(plan.sid)),
    )


def handover_block(group):
    """A refresh, then 3 of 5 with a new recovery key."""
    c = Counter(f"handover {group.name}")
    made = key_generation(group, c)
    shares = {j: generated_share(group, made, j) for j in (1, 2, 3)}
    values = dict(Type="handover", Suite=group.name, H=group.encode(made.bundle.h))
    ceremony_keys = [c.scalar(hpke.CURVE.q) for _ in range(2)] + [made.recovery_key]
    names = ["cloud", "company", "recovery"]
    bundle, shares, first = hand_over(
        c, made.bundle, shares, [1, 2], 2, names, made.identities, ceremony_keys, made.recovery_key, c.bytes(32)
    )
    names = ["cloud", "company", "cloud-b", "company-b", "recovery"]
    identities = made.identities[:2] + [c.scalar(hpke.CURVE.q) for _ in range(3)]
    ceremony_keys = [c.scalar(hpke.CURVE.q) for _ in range(5)]
    bundle, shares, second = hand_over(
        c, bundle, shares, [1, 3], 3, names, identities, ceremony_keys, ceremony_keys[4], c.bytes(32)
    )
    values["Bundle"] = handover.encode_bundle(bundle)
    for number, what in (("1", first), ("2", second)):
        values.update((name + number, value) for name, value in what.items())
    block(**values)


def main():
    print("# Made by oracle/make_vectors.py, an implementation of SPEC.md that shares no code with this one.\n")
    for name in ("p256", "ffdhe2048", "ffdhe3072", "ffdhe4096"):
        group = group_by_name(name)
        tdh2_block(group)
        batch_block(group, 3)
        file_block(group, b"", 100)
        recovery_part_block(group)
        if name in ("p256", "ffdhe3072"):
            handover_block(group)
            recovery_block(group)
            dkg_block(group)
            request_block(group)
            derive_block(group)
            chain_block(group)
            log_block(group)
            status_block(group)
    for size in (0, files.CHUNK - 1, files.CHUNK, files.CHUNK + 5):
        file_block(group_by_name("p256"), b'{"version":1,"allow":{"groups":["coprotect:acme:group:finance"]}}', size)
    for name in ("p256", "ffdhe3072"):
        encapsulation_block(group_by_name(name))


if __name__ == "__main__":
    main()
