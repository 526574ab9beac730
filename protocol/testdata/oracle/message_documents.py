"""The blocks of VECTORS.md that are whole messages: handover, recovery part, log, lists, encapsulation. What has an
ECDSA signature is an input, since no two runs make the same one."""

from cryptography import x509
from cryptography.hazmat.primitives import serialization

import dkg
import files
import handover
import hpke
import lists
import logs
import make_vectors
import message_vectors
import messages
import recovery_part
import threshold
from groups import H, Reader, hkdf, hkdf_expand, require, sha256, to_int, u8, u64
from vector_blocks import certificate

TIME = 1767225600000


def captured(make, *arguments):
    """The values of the block that a maker of message_vectors would write."""
    blocks = []
    message_vectors.block, kept = lambda **values: blocks.append(values), message_vectors.block
    try:
        make(*arguments)
    finally:
        message_vectors.block = kept
    return blocks[0]


def inputs_of(b, make, names):
    """The named inputs; if they are not there, all of what `make` makes of the block's counter."""
    made = {} if names[0] in b.inputs else make(b.counter)
    return [b.input(name, lambda c, n=name: made[n]) for name in names]


# What a plan with a new recovery code is made of: both agents deal, and consent.
def made_handover(group, c):
    made = make_vectors.key_generation(group, c)
    shares = {j: make_vectors.generated_share(group, made, j) for j in (1, 2, 3)}
    ceremony_keys = [c.scalar(hpke.CURVE.q) for _ in range(3)]
    identities = made.identities[:2] + [c.scalar(hpke.CURVE.q)]
    bundle, _, rest = make_vectors.hand_over(
        c, made.bundle, shares, [1, 2], 2, ["cloud", "company", "recovery"], identities, ceremony_keys,
        ceremony_keys[2], c.bytes(32),
    )
    plan = list(handover.parse_chain(handover.encode_bundle(bundle)))[-1][0].plan
    offers, deals = Reader(rest["Offers"]), Reader(rest["Deals"])
    values = {"bundle": handover.encode_bundle(bundle), "s_1": group.scalar(shares[1])}
    for i in (1, 2):
        words = f"consent of agent {i}"
        values[f"offer {i}"] = offers.lp4()
        values[f"consent {i}"] = handover.make_consent(identities[i - 1], plan, TIME + 86400000, words)
    values["sealed value 2 of dealer 1"] = handover.parse_deal(plan, deals.lp4()).sealed[2]
    values["ceremony scalar 2"] = ceremony_keys[1].to_bytes(32, "big")
    return values


def handover_block(group, b):
    names = ("bundle", "s_1", "offer 1", "offer 2", "consent 1", "consent 2", "sealed value 2 of dealer 1", "ceremony scalar 2")
    bundle, s_1, *rest = inputs_of(b, lambda c: made_handover(group, c), names)
    offers, consents, sealed, ceremony_key = rest[:2], rest[2:4], rest[4], to_int(rest[5])
    (_, now), (version, after) = handover.parse_chain(bundle)
    plan, out, enc = version.plan, b.outputs, group.encode
    require(group.exp(group.g, group.parse_scalar(s_1)) == now.public_shares[1], "s_1")
    require(handover.renews_code(plan, now) and not handover.is_refresh(plan, now), "a new code")
    handover.check_offers(plan, now, offers)
    out["SHA-256(plan)"], out["sid"], out["previous"] = sha256(plan.encoded), plan.sid, now.newest_hash
    for i, offer in enumerate(map(handover.parse_offer, offers), 1):
        r = offer.proofs[i][: group.element_size]
        out[f"offer_hash {i}"], out[f"c of offer {i}"] = offer.hash, handover.proof_hash(offer.hash, now, i, r)
    for i, consent in enumerate(map(handover.parse_consent, consents), 1):
        require(consent[:2] == (plan.parameters.parties[i - 1].identity_key, sha256(plan.encoded)), "consent")
        out[f"signed digest of consent {i}"] = consent[4]
    for o in version.opens:
        commitments = b"".join(enc(a) for a in o.commitments)
        out[f"open {o.index}"] = o.encoded
        out[f"c of open {o.index}"] = handover.deal_hash(plan.sid, o.index, commitments, o.sealed_hash, o.part_hash, enc(o.r))
    deal = handover.Deal(version.opens[0], {2: sealed})
    out["f_1(2)"] = group.scalar(handover.open_value(plan, deal, 2, ceremony_key))
    out.update({f"h'_{j}": enc(h_j) for j, h_j in after.public_shares.items()})
    out["parts_hash"], out["SHA-256(body)"] = version.parts_hash, after.newest_hash
    out["confirm digest"] = handover.confirm_digest(version.body)
    out["possession digest"] = handover.possession_digest(plan.sid, plan.blob_hash)
    out["active digest"] = handover.active_digest(plan.sid, version.body)
    out["void digest"] = handover.void_digest(plan.sid)


def recovery_part_block(group, b):
    scalar = to_int(b.input("recovery scalar", lambda c: c.scalar(hpke.CURVE.q).to_bytes(32, "big")))
    coefficients = [b.scalar("a_0", group), b.scalar("a_1", group)]
    sid, fresh = b.bytes("sid", 32), b.bytes("random bytes", 32)
    commitments = [group.exp(group.g, a) for a in coefficients]
    s = recovery_part.Statement(group, sid, 2, 3, hpke.public_key(scalar), commitments)
    value, digest, out = dkg.polynomial(coefficients, 3, group.q), recovery_part.statement_hash(s), b.outputs
    part = recovery_part.make(s, value, fresh)
    e, _, rounds = recovery_part.parse(group, part)
    root = hkdf(fresh, group.scalar(value), b"CPV1-PVE-ROOT" + digest, 32)
    seed = hkdf_expand(root, u8(1), 32)
    r_1, sealed = recovery_part.round_of(s, digest, 1, seed)
    out["recovery_key"], out["F"] = s.recovery_key, group.encode(recovery_part.committed_value(s))
    out["f_2(3)"], out["S"], out["root"], out["seed_1"] = group.scalar(value), digest, root, seed
    out["r_1"], out["R_1"] = group.scalar(r_1), group.encode(group.exp(group.g, r_1))
    out["input of DeriveKeyPair"] = H("CPV1-PVE-EPH", seed, digest, u8(1))
    out["E_1"], out["e"] = sealed, e
    first = next(k for k in recovery_part.ROUNDS if recovery_part.bit(e, k))
    out["first closed k"], out["v_k"] = u8(first), group.scalar(rounds[first][0])
    out["SHA-256(part)"] = sha256(part)
    recovery_part.check(s, part)
    require(recovery_part.open_(s, part, scalar) == value, "a part that opens")


def log_block(group, b):
    def make(c):
        made = captured(message_vectors.log_block, group)
        return {"entry 1": made["Entry1"], "entry 2": made["Entry2"], "SHA-256(entry 3)": made["Foreign"], "head": made["Head"]}

    one, two, foreign, head = inputs_of(b, make, ("entry 1", "entry 2", "SHA-256(entry 3)", "head"))
    parsed, chain, out = logs.parse_head(head), bytes(32), b.outputs
    for n, entry_hash in enumerate((sha256(one), sha256(two), foreign), 1):
        chain = logs.chain_next(chain, entry_hash)
        out[f"chain_{n}"] = chain
    require(parsed.chain == chain and parsed.seq == 3, "head")
    step, sid, payload = logs.parse_entry(one).handover
    out["step 1"], out["sid 1"], out["SHA-256(payload) 1"] = u8(step), sid, payload
    out["reason 2"] = logs.parse_entry(two).reason.encode()
    out["identity_key"], out["signed digest of head"] = parsed.identity_key, H("CPV1-HEAD", sha256(head[:-64]))


def lists_block(b):
    def make(c):
        ca, client = c.scalar(hpke.CURVE.q), c.scalar(hpke.CURVE.q)
        key = messages.ecdsa_key(client).public_key()
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        clients = [(sha256(spki), "coprotect:acme:user:alice"), (c.bytes(32), "coprotect:acme:admin:root")]
        keys = [(c.bytes(32), 1, TIME), (c.bytes(32), 4, TIME + 2592000000)]
        return {
            "client CA": certificate("acme client CA", ca, "acme client CA", ca, authority=True),
            "SubjectPublicKeyInfo of alice": spki,
            "client list": lists.sign_clients(ca, "acme", 7, TIME, clients),
            "key list": lists.sign_keys(ca, "acme", 3, TIME, keys),
        }

    names = ("client CA", "SubjectPublicKeyInfo of alice", "client list", "key list")
    ca, spki, clients, keys = inputs_of(b, make, names)
    point = x509.load_der_x509_certificate(ca).public_key()
    ca_key = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    clients, keys, out = lists.parse_clients(clients, ca_key), lists.parse_keys(keys, ca_key), b.outputs
    require((sha256(spki), "coprotect:acme:user:alice") in clients.entries, "alice")
    out["SHA-256(SubjectPublicKeyInfo)"], out["client CA's key"] = sha256(spki), ca_key
    out["serial of clients"], out["serial of keys"] = u64(clients.serial), u64(keys.serial)
    for n, (key_id, state, effective) in enumerate(keys.entries, 1):
        out[f"key_id {n}"], out[f"state {n}"], out[f"effective time {n}"] = key_id, u8(state), u64(effective)
    out["signed digest of client list"], out["signed digest of key list"] = clients.digest, keys.digest


def kem_block(group, b):
    s, rho = b.scalar("s", group), b.scalar("rho", group)
    key_id, file_nonce = b.bytes("key_id", 32), b.bytes("file_nonce", 32)
    r, s_proof = b.scalar("r", group), b.scalar("s of the proof", group)
    h, m, out = group.exp(group.g, s), group.exp(group.g, rho), b.outputs
    header, core, fk = files.make_header(group, h, key_id, m, file_nonce, b"", r, s_proof)
    out["h"], out["m"] = group.encode(h), group.encode(m)
    out["ENCAPSULATION"], out["FK"], out["S"] = files.KEM + header, fk, files.encapsulated_secret(fk)
    stanza = files.parse_encapsulation(files.KEM + header).stanzas[key_id]
    label = files.label(core, key_id)
    require(threshold.verify(group, h, threshold.capsule(group, stanza), label), "a ciphertext that checks")
