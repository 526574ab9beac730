"""SPEC.md sections 5 and 6: key generation and its bundle."""

from collections import namedtuple

import hpke
import messages
import recovery_part
from groups import H, Reader, group_by_id, lp, lp4, require, sha256, to_int, u8, u16, u32

Party = namedtuple("Party", "name indices nonce identity_key ceremony_key mode url identity_certificate organisation")
Organisation = namedtuple("Organisation", "kind name key certified_key")
Parameters = namedtuple("Parameters", "group purpose t n tenant parties client_ca recovery_key encoded sid")
Bundle = namedtuple("Bundle", "parameters h public_shares key_id epoch sid generation versions newest_hash parts_hash statements blob_hash")


def compressed_point(uncompressed):
    require(len(uncompressed) == 65, "recovery key")
    return bytes([2 + (uncompressed[64] & 1)]) + uncompressed[1:33]


def organisation_certificate(kind, name, scalar, certified_key):
    """scalar: the organisation's private key."""
    statement = b"CPOC" + u8(1) + u8(kind) + lp(name.encode()) + messages.compressed(scalar) + certified_key
    return statement + messages.ecdsa_sign(scalar, H("CPV1-ORGANISATION", sha256(statement)))


def parse_organisation(data):
    r = Reader(data)
    r.literal(b"CPOC\x01")
    kind, name, key, certified_key = r.u8(), r.lp(), r.take(33), r.take(33)
    signature = r.take(64)
    r.end()
    require(kind in (1, 2), "organisation's kind")
    require(1 <= len(name) <= 64 and all(0x20 <= c <= 0x7E for c in name), "organisation's name")
    messages.ecdsa_verify(key, H("CPV1-ORGANISATION", sha256(data[:-64])), signature)
    return Organisation(kind, name.decode(), key, certified_key)


def encode_parameters(group, purpose, t, n, tenant, parties, client_ca, recovery_key):
    data = b"CPR0" + u8(1) + u16(group.id) + u8(purpose) + u8(t) + u8(n) + lp(tenant.encode()) + u8(len(parties))
    for p in parties:
        data += lp(p.name.encode()) + u8(len(p.indices)) + bytes(p.indices) + p.nonce + p.identity_key + p.ceremony_key
        data += u8(p.mode) + lp(p.url.encode()) + lp(p.identity_certificate) + lp(p.organisation)
    return data + lp(client_ca) + lp(recovery_key)


def parse_parameters(data):
    r = Reader(data)
    r.literal(b"CPR0\x01")
    group = group_by_id(r.u16())
    purpose, t, n, tenant = r.u8(), r.u8(), r.u8(), r.lp().decode()
    parties = []
    for _ in range(r.u8()):
        name = r.lp().decode()
        indices = list(r.take(r.u8()))
        parties.append(Party(name, indices, r.take(32), r.take(33), r.take(65), r.u8(), r.lp().decode(), r.lp(), r.lp()))
    client_ca, recovery_key = r.lp(), r.lp()
    r.end()
    for p in parties:
        organisation = parse_organisation(p.organisation)
        require(organisation.kind == (2 if p.mode == 0 else 1), "organisation's kind")
        certified = p.identity_key if p.mode else compressed_point(recovery_key)
        require(organisation.certified_key == certified, "organisation's party")
    require(sorted(i for p in parties for i in p.indices) == list(range(1, n + 1)), "indices")
    not_agents = [p for p in parties if p.mode == 0]
    require(len(not_agents) <= 1, "more than one party is not an agent")
    require(bool(not_agents) == bool(recovery_key), "recovery key")
    require(all(len(p.indices) == 1 and p.ceremony_key == recovery_key for p in not_agents), "recovery party")
    return Parameters(group, purpose, t, n, tenant, parties, client_ca, recovery_key, data, H("CPV1-SID", sha256(data)))


def polynomial(coefficients, x, q):
    return sum(a * pow(x, k, q) for k, a in enumerate(coefficients)) % q


def pop_hash(sid, sender, commitments, r):
    return H("CPV1-POP", sid, u8(sender), sha256(commitments), r)


def reveal_body(group, sid, sender, coefficients, pop_nonce, rho):
    commitments = b"".join(group.encode(group.exp(group.g, a)) for a in coefficients)
    r = group.encode(group.exp(group.g, pop_nonce))
    c = to_int(pop_hash(sid, sender, commitments, r))
    z = (pop_nonce + c * coefficients[0]) % group.q
    return u8(len(coefficients)) + commitments + r + group.scalar(z) + rho


def commit_body(sid, sender, reveal):
    return H("CPV1-COMMIT", sid, u8(sender), sha256(reveal[1:-32]), reveal[-32:])


def recovery_party(parameters):
    return next((p for p in parameters.parties if p.mode == 0), None)


def recovery_statement(parameters, sender, commitments):
    recovery = recovery_party(parameters)
    (j,) = recovery.indices
    return recovery_part.Statement(parameters.group, parameters.sid, sender, j, recovery.ceremony_key, commitments)


def deal_body(parameters, sender, coefficients, ephemerals, fresh, part_key):
    """ephemerals: index, or the recovery index and an agent's position -> HPKE ephemeral scalar; fresh, part_key: 32
    random bytes each, for the recovery part."""
    group = parameters.group
    deals = []
    for holder in parameters.parties:
        for j in holder.indices:
            if holder.mode == 0:
                statement = recovery_statement(parameters, sender, [group.exp(group.g, a) for a in coefficients])
                part = recovery_part.make(statement, polynomial(coefficients, j, group.q), fresh)
                agents = [p for p in parameters.parties if p.mode != 0]
                sealed = recovery_part.seal(statement, part, part_key, agents, [ephemerals[j, i] for i in range(len(agents))])
                deals.append((j, sha256(part) + lp4(sealed)))
            elif j not in parameters.parties[sender].indices:
                share = group.scalar(polynomial(coefficients, j, group.q))
                aad = bytes([sender, j]) + holder.identity_key
                sealed = hpke.seal(holder.ceremony_key, b"CPV1-DEAL" + parameters.sid, aad, share, ephemerals[j])
                deals.append((j, lp(sealed)))
    deals.sort()
    return u8(len(deals)) + b"".join(u8(j) + what for j, what in deals)


def parse_deal_body(parameters, sender, data):
    """Sealed shares by index, and the recovery part's hash and sealed bytes."""
    r = Reader(data)
    count, sealed, part = r.u8(), {}, None
    for _ in range(count):
        j = r.u8()
        holder = next(p for p in parameters.parties if j in p.indices)
        if holder.mode == 0:
            part = r.take(32), r.lp4()
        else:
            sealed[j] = r.lp()
    r.end()
    own = parameters.parties[sender].indices if parameters.parties[sender].mode != 0 else []
    require([*sealed] == [j for p in parameters.parties if p.mode != 0 for j in sorted(p.indices) if j not in own], "indices")
    return sealed, part


def signing_digest(round_, sid, sender, body):
    data = b"CPCM" + u8(1) + u8(round_) + sid + u8(sender) + lp4(body)
    return H("CPV1-CEREMONY", sha256(data))


def encode_bundle(parameters, parts_hash, rounds, signatures):
    """rounds: for each party (body 1, body 2, SHA-256(body 3))."""
    data = b"CPBN" + u8(1) + u32(0) + lp4(parameters.encoded) + parts_hash + u8(len(rounds))
    for (one, two, three), signature in zip(rounds, signatures):
        data += lp4(one) + lp4(two) + three + signature
    return data


def key_id_of(parameters, rounds):
    parts = []
    for one, two, three in rounds:
        parts += [sha256(one), sha256(two), three]
    return H("CPV1-KEYID", sha256(parameters.encoded), *parts)


def parse_generation(data):
    """A bundle of epoch 0. Checks everything that SPEC.md section 6 asks for."""
    r = Reader(data)
    r.literal(b"CPBN\x01")
    epoch = r.u32()
    require(epoch == 0, "epoch")
    parameters = parse_parameters(r.lp4())
    group, sid = parameters.group, parameters.sid
    parts_hash = r.take(32)
    require(recovery_party(parameters) or parts_hash == bytes(32), "parts without a recovery party")
    require(r.u8() == len(parameters.parties), "party count")
    rounds, signatures, commitments = [], [], []
    for sender in range(len(parameters.parties)):
        one, two, three, signature = r.lp4(), r.lp4(), r.take(32), r.take(64)
        require(one == commit_body(sid, sender, two), "commitment")
        body = Reader(two)
        require(body.u8() == parameters.t, "t")
        encoded = body.take(parameters.t * group.element_size)
        a = [group.parse(encoded[k * group.element_size : (k + 1) * group.element_size]) for k in range(parameters.t)]
        pop_r, pop_z = body.take(group.element_size), group.parse_scalar(body.take(group.scalar_size))
        body.take(32)
        body.end()
        c = to_int(pop_hash(sid, sender, encoded, pop_r))
        require(group.exp(group.g, pop_z) == group.mul(group.parse(pop_r), group.exp(a[0], c)), "proof of possession")
        require(all(a[0] != other[0] for other in commitments), "duplicate A_0")
        rounds.append((one, two, three))
        signatures.append(signature)
        commitments.append(a)
    r.end()
    key_id = key_id_of(parameters, rounds)
    for sender, signature in enumerate(signatures):
        identity_key = parameters.parties[sender].identity_key
        messages.ecdsa_verify(identity_key, signing_digest(4, sid, sender, key_id + parts_hash), signature)
    h = group.product(a[0] for a in commitments)
    shares = {}
    for j in range(1, parameters.n + 1):
        shares[j] = group.product(group.exp(a_k, j**k) for a in commitments for k, a_k in enumerate(a))
    statements = {}
    if recovery_party(parameters):
        statements = {i: recovery_statement(parameters, i, a) for i, a in enumerate(commitments)}
    return Bundle(parameters, h, shares, key_id, epoch, sid, data, [], key_id, parts_hash, statements, None)
