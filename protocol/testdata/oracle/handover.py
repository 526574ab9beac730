"""SPEC.md section 13, handover, and the bundles of section 6 that have versions."""

from collections import namedtuple

from cryptography.exceptions import InvalidSignature

import dkg
import hpke
import messages
import recovery_part
from groups import H, Reader, Refused, lp, lp4, require, sha256, to_int, u8, u16, u32, u64
from threshold import lagrange

Plan = namedtuple("Plan", "key_id epoch previous dealers blob_hash parameters encoded sid")
Offer = namedtuple("Offer", "key_id newest_hash nonce ceremony_key mode boot_nonce signature proofs hash")
Open = namedtuple("Open", "index commitments sealed_hash part_hash r z encoded")
Deal = namedtuple("Deal", "open sealed")  # sealed: index of the new epoch -> sealed value
Condition = namedtuple("Condition", "parts_verified code_opened recovery contacts erasure_held erasure")
Status = namedtuple("Status", "epoch decided unacknowledged bundle acknowledgements prepared notices condition")
Version = namedtuple("Version", "plan opens public_shares parts_hash statements body encoded")


# 13.1


def encode_plan(key_id, epoch, previous, dealers, blob_hash, parameters):
    data = b"CPPL" + u8(1) + key_id + u32(epoch) + previous + u8(len(dealers)) + bytes(dealers)
    return data + blob_hash + lp4(parameters.encoded)


def parse_plan(data):
    r = Reader(data)
    r.literal(b"CPPL\x01")
    key_id, epoch, previous = r.take(32), r.u32(), r.take(32)
    dealers = list(r.take(r.u8()))
    blob_hash = r.take(32)
    parameters = dkg.parse_parameters(r.lp4())
    r.end()
    require(epoch > 0, "epoch")
    require(1 <= len(dealers) <= 16 and dealers[0] > 0 and dealers == sorted(set(dealers)), "dealers")
    require((blob_hash == bytes(32)) == (dkg.recovery_party(parameters) is None), "recovery blob")
    return Plan(key_id, epoch, previous, dealers, blob_hash, parameters, data, H("CPV1-HANDOVER-SID", sha256(data)))


def renews_code(plan, now):
    """now: the bundle before."""
    party = dkg.recovery_party(plan.parameters)
    return party is not None and plan.parameters.recovery_key != now.parameters.recovery_key


def check_follows(plan, now):
    """now: the bundle that the plan is to follow."""
    old, new = now.parameters, plan.parameters
    require(plan.key_id == now.key_id, "denied: key_id")
    require(plan.epoch > now.epoch and plan.previous == now.newest_hash, "conflict")
    require(new.group is old.group and new.purpose == old.purpose, "denied: suite, purpose")
    require(new.tenant == old.tenant and new.client_ca == old.client_ca, "denied: tenant, client CA")
    keeps = dkg.recovery_party(new) is not None and not renews_code(plan, now)
    require(not keeps or now.blob_hash in (None, plan.blob_hash), "denied: recovery blob")
    before, after = dkg.recovery_party(old), dkg.recovery_party(new)
    if before and after:
        same = before.identity_key == after.identity_key
        require(same != renews_code(plan, now), "denied: recovery administrator")
    require(len(plan.dealers) == old.t and plan.dealers[-1] <= old.n, "dealers")


def holder_of(parameters, j):
    return next(p for p in parameters.parties if j in p.indices)


def is_refresh(plan, now):
    def without_keys(parameters):
        parties = [p._replace(nonce=b"", ceremony_key=b"" if p.mode else p.ceremony_key) for p in parameters.parties]
        return parameters._replace(parties=parties, encoded=b"", sid=b"")

    return without_keys(plan.parameters) == without_keys(now.parameters) and all(
        holder_of(now.parameters, i).mode != 0 for i in plan.dealers
    )


# 13.6, offers


def offer_hash(signed):
    return H("CPV1-OFFER", sha256(signed))


def proof_hash(offer, now, i, r):
    group = now.parameters.group
    h_i = group.encode(now.public_shares[i])
    return H("CPV1-OFFER-PROOF", offer, u16(group.id), now.key_id, u32(now.epoch), u8(i), h_i, r)


def make_offer(plan, party, boot_nonce, identity, now, shares, nonces):
    """shares: what the agent holds in the bundle's epoch, by index; nonces: of their proofs."""
    group = now.parameters.group
    data = b"CPHO" + u8(1) + plan.key_id + plan.previous + party.nonce + party.ceremony_key + u8(party.mode) + boot_nonce
    hash_ = offer_hash(data)
    data += messages.ecdsa_sign(identity, hash_) + u8(len(shares))
    for i in sorted(shares):
        r = group.encode(group.exp(group.g, nonces[i]))
        z = (nonces[i] + to_int(proof_hash(hash_, now, i, r)) * shares[i]) % group.q
        data += u8(i) + lp(r + group.scalar(z))
    return data


def parse_offer(data):
    r = Reader(data)
    r.literal(b"CPHO\x01")
    fields = r.take(32), r.take(32), r.take(32), r.take(65), r.u8(), r.take(16)
    signed = data[: r.at]
    signature = r.take(64)
    proofs = [(r.u8(), r.lp()) for _ in range(r.u8())]
    r.end()
    indices = [i for i, _ in proofs]
    require(len(indices) <= 16 and indices == sorted(set(indices)), "offer: proofs")
    require(all(1 <= i <= 16 for i in indices), "offer: index")
    require(1 <= fields[4] <= 2, "offer: mode")
    return Offer(*fields, signature, dict(proofs), offer_hash(signed))


def check_offers(plan, now, offers):
    """now: the bundle that the plan follows; offers: encoded."""
    group = now.parameters.group
    agents = [p for p in plan.parameters.parties if p.mode != 0]
    require(len(offers) == len(agents), "not one offer of each agent")
    for p, offer in zip(agents, map(parse_offer, offers)):
        require((offer.key_id, offer.newest_hash) == (now.key_id, now.newest_hash), f"{p.name}: another version")
        require(offer[2:5] == (p.nonce, p.ceremony_key, p.mode), f"{p.name}: not what it offered")
        messages.ecdsa_verify(p.identity_key, offer.hash, offer.signature)
        held = [i for q in now.parameters.parties if q.identity_key == p.identity_key for i in q.indices]
        require(sorted(offer.proofs) == sorted(held), f"{p.name}: not the shares that it holds")
        for i, proof in offer.proofs.items():
            r = group.parse(proof[: group.element_size])
            z = group.parse_scalar(proof[group.element_size :])
            c = to_int(proof_hash(offer.hash, now, i, group.encode(r)))
            require(group.exp(group.g, z) == group.mul(r, group.exp(now.public_shares[i], c)), f"share {i}")


# 13.2


def seal_info(sid):
    return b"CPV1-HANDOVER-DEAL" + sid


def seal_aad(i, j, holder):
    return u8(i) + u8(j) + holder.identity_key


def deal_hash(sid, index, commitments, sealed_hash, part_hash, r):
    return H("CPV1-HANDOVER", sid, u8(index), sha256(commitments), sealed_hash, part_hash, r)


def statement_of(plan, index, commitments):
    """What the dealer's recovery part is about."""
    recovery = dkg.recovery_party(plan.parameters)
    (j,) = recovery.indices
    return recovery_part.Statement(plan.parameters.group, plan.sid, index, j, recovery.ceremony_key, commitments)


def make_deal(plan, index, coefficients, ephemerals, nonce, fresh, part_key):
    """coefficients[0] is the dealer's share; ephemerals: index -> HPKE ephemeral scalar, and recovery index and an
    agent's position -> one; fresh, part_key: 32 random bytes each, for the recovery part."""
    group = plan.parameters.group
    holders = {j: p for p in plan.parameters.parties for j in p.indices}
    sealed, part_hash = b"", bytes(32)
    for j in sorted(holders):
        value = dkg.polynomial(coefficients, j, group.q)
        if holders[j].mode == 0:
            statement = statement_of(plan, index, [group.exp(group.g, a) for a in coefficients])
            part = recovery_part.make(statement, value, fresh)
            part_hash = sha256(part)
            agents = agents_of(plan.parameters)
            sealed += lp4(recovery_part.seal(statement, part, part_key, agents, [ephemerals[j, i] for i in range(len(agents))]))
            continue
        value, aad = group.scalar(value), seal_aad(index, j, holders[j])
        sealed += lp4(hpke.seal(holders[j].ceremony_key, seal_info(plan.sid), aad, value, ephemerals[j]))
    commitments = b"".join(group.encode(group.exp(group.g, a)) for a in coefficients)
    r = group.encode(group.exp(group.g, nonce))
    c = to_int(deal_hash(plan.sid, index, commitments, sha256(sealed), part_hash, r))
    z = (nonce + c * coefficients[0]) % group.q
    opened = u8(index) + commitments + sha256(sealed) + part_hash + r + group.scalar(z)
    return b"CPHD" + u8(1) + lp4(opened) + lp4(sealed)


def parse_open(plan, data):
    group = plan.parameters.group
    r = Reader(data)
    index = r.u8()
    commitments = [group.parse(r.take(group.element_size)) for _ in range(plan.parameters.t)]
    sealed_hash, part_hash = r.take(32), r.take(32)
    require(dkg.recovery_party(plan.parameters) or part_hash == bytes(32), "part without a recovery party")
    proof_r = group.parse(r.take(group.element_size))
    z = group.parse_scalar(r.take(group.scalar_size))
    r.end()
    return Open(index, commitments, sealed_hash, part_hash, proof_r, z, data)


def parse_deal(plan, data):
    r = Reader(data)
    r.literal(b"CPHD\x01")
    opened, sealed = parse_open(plan, r.lp4()), r.lp4()
    r.end()
    require(sha256(sealed) == opened.sealed_hash, f"dealer {opened.index}: sealed values")
    values = Reader(sealed)
    by_index = {j: values.lp4() for j in range(1, plan.parameters.n + 1)}
    values.end()
    return Deal(opened, by_index)


def check_opens(plan, now, opens):
    group = plan.parameters.group
    require([o.index for o in opens] == plan.dealers, "not one open part of each dealer")
    for o in opens:
        h_i = now.public_shares[o.index]
        require(o.commitments[0] == h_i, f"dealer {o.index}: deals something else than its share")
        commitments = b"".join(group.encode(a) for a in o.commitments)
        c = to_int(deal_hash(plan.sid, o.index, commitments, o.sealed_hash, o.part_hash, group.encode(o.r)))
        require(group.exp(group.g, o.z) == group.mul(o.r, group.exp(h_i, c)), f"dealer {o.index}: proof")


def committed(group, commitments, j):
    return group.product(group.exp(a, j**k) for k, a in enumerate(commitments))


def new_public_shares(plan, now, opens):
    group = plan.parameters.group
    weights = [lagrange(group, plan.dealers, o.index) for o in opens]
    combined = []
    for k in range(plan.parameters.t):
        combined.append(group.product(group.exp(o.commitments[k], w) for o, w in zip(opens, weights)))
    require(combined[0] == now.h, "C_0")
    shares = {j: committed(group, combined, j) for j in range(1, plan.parameters.n + 1)}
    for j, h_j in shares.items():
        require(h_j not in (None, 1), f"public share {j}")
    return shares


def agents_of(parameters):
    return [p for p in parameters.parties if p.mode != 0]


def received_parts(plan, deals, agent, scalar):
    """The recovery parts, encoded, as the agent at a position among the agents reads them with its ceremony key."""
    parts = {}
    for d in deals:
        statement = statement_of(plan, d.open.index, d.open.commitments)
        parts[d.open.index] = recovery_part.unseal(
            statement, d.sealed[statement.index], agents_of(plan.parameters), agent, scalar
        )
        require(sha256(parts[d.open.index]) == d.open.part_hash, "another part than the one named")
    return recovery_part.encode_parts(plan.sid, statement.index, parts)


def possession_digest(sid, blob_hash):
    return H("CPV1-RECOVERY-KEY", sid, blob_hash)


def open_value(plan, deal, j, scalar):
    """The holder's scalar is that of its ceremony key."""
    group, o = plan.parameters.group, deal.open
    aad = seal_aad(o.index, j, holder_of(plan.parameters, j))
    value = group.parse_scalar(hpke.open_(scalar, seal_info(plan.sid), aad, deal.sealed[j]))
    require(group.exp(group.g, value) == committed(group, o.commitments, j), f"dealer {o.index}: value for {j}")
    return value


def combine_values(group, by_dealer):
    return sum(lagrange(group, sorted(by_dealer), i) * v for i, v in by_dealer.items()) % group.q


# 13.3


def confirm_digest(body):
    return H("CPV1-HANDOVER-CONFIRM", sha256(body))


def active_digest(sid, body):
    return H("CPV1-HANDOVER-ACTIVE", sid, sha256(body))


def void_digest(sid):
    return H("CPV1-HANDOVER-VOID", sid)


# 13.4


def signers(plan, now):
    """now: the bundle before."""
    return [p for p in plan.parameters.parties if p.mode != 0 or renews_code(plan, now)]


def body_of(plan, opens):
    return b"CPVN" + u8(1) + lp4(plan.encoded) + b"".join(lp4(o.encoded) for o in opens)


def parse_version(now, data):
    r = Reader(data)
    r.literal(b"CPVN\x01")
    plan = parse_plan(r.lp4())
    check_follows(plan, now)
    opens = [parse_open(plan, r.lp4()) for _ in plan.dealers]
    body = data[: r.at]
    check_opens(plan, now, opens)
    shares = new_public_shares(plan, now, opens)
    for p in signers(plan, now):
        try:
            messages.ecdsa_verify(p.identity_key, confirm_digest(body), r.take(64))
        except InvalidSignature:
            raise Refused(f"{p.name} did not confirm") from None
    r.end()
    parts_hash, statements = bytes(32), {}
    recovery = dkg.recovery_party(plan.parameters)
    if recovery:
        parts_hash = recovery_part.parts_hash(plan.sid, recovery.indices[0], {o.index: o.part_hash for o in opens})
        statements = {o.index: statement_of(plan, o.index, o.commitments) for o in opens}
    return Version(plan, opens, shares, parts_hash, statements, body, data)


# 6


def followed_by(now, version):
    """The bundle after `now`, with a version that was read after it."""
    plan = version.plan
    return now._replace(
        parameters=plan.parameters,
        public_shares=version.public_shares,
        epoch=plan.epoch,
        sid=plan.sid,
        versions=now.versions + [version.encoded],
        newest_hash=sha256(version.body),
        parts_hash=version.parts_hash,
        statements=version.statements,
        blob_hash=plan.blob_hash if dkg.recovery_party(plan.parameters) else None,
    )


def encode_bundle(bundle):
    if not bundle.versions:
        return bundle.generation
    data = b"CPBN" + u8(2) + lp4(bundle.generation) + u16(len(bundle.versions))
    return data + b"".join(lp4(v) for v in bundle.versions)


def parse_chain(data):
    """The bundle of epoch 0, and then each version with the bundle that it makes."""
    r = Reader(data)
    r.literal(b"CPBN\x02")
    bundle = dkg.parse_generation(r.lp4())
    count = r.u16()
    require(count > 0, "no version")
    yield None, bundle
    for _ in range(count):
        version = parse_version(bundle, r.lp4())
        bundle = followed_by(bundle, version)
        yield version, bundle
    r.end()


def parse_bundle(data):
    """Of either form."""
    if data.startswith(b"CPBN\x02"):
        return list(parse_chain(data))[-1][1]
    return dkg.parse_generation(data)


def extends(bundle, older):
    return bundle.generation == older.generation and bundle.versions[: len(older.versions)] == older.versions


# 13.6, status. Its bundle, transcript and notices are left as bytes.


def encode_condition(condition):
    data = b""
    for time in (condition.parts_verified, condition.code_opened):
        data += u8(0) if time is None else u8(1) + u64(time)
    data += lp(condition.recovery.encode()) + lp(condition.contacts.encode())
    return data + u8(condition.erasure_held) + lp(condition.erasure.encode())


def encode_status(status):
    data = b"CPHS" + u8(1) + u32(status.epoch) + u32(status.decided) + u8(status.unacknowledged) + lp4(status.bundle)
    data += u8(len(status.acknowledgements)) + b"".join(key + signature for key, signature in status.acknowledgements)
    data += u8(0) if status.prepared is None else u8(1) + lp4(status.prepared[0]) + status.prepared[1]
    data += u8(len(status.notices)) + b"".join(lp4(notice) for notice in status.notices)
    return data + encode_condition(status.condition)


def parse_status(data):
    r = Reader(data)

    def count(most):
        n = r.u8()
        require(n <= most, "status: count")
        return n

    def time():
        t = r.u64()
        require(t < 1 << 63, "status: time")
        return t

    def text():
        t = r.lp()
        require(len(t) <= 1024, "status: text")
        return t.decode()

    r.literal(b"CPHS\x01")
    epoch, decided, unacknowledged, bundle = r.u32(), r.u32(), count(1), r.lp4()
    acknowledgements = [(messages.public_key(r.take(33)), r.take(64)) for _ in range(count(16))]
    prepared = (r.lp4(), r.take(64)) if count(1) else None
    notices = [r.lp4() for _ in range(count(8))]
    dates = [time() if count(1) else None for _ in range(2)]
    condition = Condition(*dates, text(), text(), count(2), text())
    r.end()
    return Status(epoch, decided, unacknowledged, bundle, acknowledgements, prepared, notices, condition)


# 13.8


def make_consent(identity, plan, not_after, words):
    data = b"CPHC" + u8(1) + messages.compressed(identity) + sha256(plan.encoded) + u64(not_after) + lp4(words.encode())
    return data + messages.ecdsa_sign(identity, H("CPV1-CONSENT", sha256(data)))


def parse_consent(data):
    """Identity key, hash of the plan, not after, words, and the digest that is signed."""
    r = Reader(data)
    r.literal(b"CPHC\x01")
    consent = messages.public_key(r.take(33)), r.take(32), r.u64(), r.lp4().decode()
    digest = H("CPV1-CONSENT", sha256(data[: r.at]))
    messages.ecdsa_verify(consent[0], digest, r.take(64))
    r.end()
    return *consent, digest
