#!/usr/bin/python3
"""The test vectors that stand in documents: fenced blocks that open with ```vector NAME.

    documents.py --check DOCUMENT...    fails if a value is not what the oracle computes
    documents.py --write DOCUMENT...    writes the values again

When a format is changed on purpose, --write, and read the difference.

A block has lines `name = hex`; a line that begins with a blank continues the one before. `--` parts the inputs, which
are taken as they stand, from the outputs, which follow from them. A block without inputs gets those of the default."""

import sys

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

import agent_documents
import file_documents
import handover
import make_vectors
import message_documents
import message_vectors
import messages
import recovery
import threshold
from groups import H, Reader, Refused, group_by_name, lp, require, sha256, to_int, xmd
from vector_blocks import Counter

WIDTH = 100


class Block:
    """The values of a block. What is asked for without being an input becomes one, made from a counter. others: the
    blocks before it in the document, by name."""

    def __init__(self, name, inputs, others):
        self.name, self.inputs, self.outputs, self.others = name, dict(inputs), {}, others
        self.counter = Counter(f"document {name}")

    def input(self, name, make):
        if name not in self.inputs:
            self.inputs[name] = make(self.counter)
        return self.inputs[name]

    def bytes(self, name, size):
        return self.input(name, lambda c: c.bytes(size))

    def scalar(self, name, group):
        return to_int(self.input(name, lambda c: group.scalar(c.scalar(group.q))))

    def fixed(self, name, value):
        return self.input(name, lambda c: value)


def hash_block(b):
    tag, one, two = b.fixed("tag", b"CPV1-EXAMPLE"), b.fixed("x1", b"abc"), b.fixed("x2", b"")
    b.outputs["hashed"] = lp(tag) + lp(one) + lp(two)
    b.outputs["H"] = H(tag.decode(), one, two)


def scalar_block(group, b):
    msg, dst = b.fixed("msg", b"message"), b.fixed("dst", b"CPV1-NONCE")
    b.outputs["XMD"] = xmd(msg, dst, group.wide)
    b.outputs["scalar"] = group.scalar(group.hash_to_scalar(msg, dst))


def gbar_block(group, b):
    h = group.exp(group.g, b.scalar("s", group))
    b.outputs["h"] = group.encode(h)
    b.outputs["gbar"] = group.encode(group.g_bar(h))


def capsule_block(group, b):
    enc = group.encode
    s, label = b.scalar("s", group), b.bytes("L", 32)
    rho = b.scalar("rho", group)
    h, m = group.exp(group.g, s), group.exp(group.g, rho) if group.name == "p256" else group.message(rho)
    c = threshold.encrypt(group, h, m, label, b.scalar("r", group), b.scalar("s of the proof", group))
    capsule = threshold.capsule(group, c)
    require(threshold.verify(group, h, capsule, label), "a ciphertext that checks")
    b.outputs.update({"m": enc(m), "c1": enc(c.c1), "ubar": enc(c.u_bar), "c2": enc(c.c2)})
    b.outputs.update({"SHA-256(c2)": capsule.c2_hash, "e": c.e, "f": group.scalar(c.f)})


def partial_block(group, count, b):
    enc = group.encode
    share, kappa = b.scalar("s_2", group), b.scalar("kappa", group)
    key_id, request_hash = b.bytes("key_id", 32), b.bytes("request_hash", 32)
    bases = [group.exp(group.g, b.scalar(f"log c1_{i}", group)) for i in range(1, count + 1)]
    x = threshold.context(group, key_id, 7, 2, request_hash)
    c, z = threshold.prove(group, x, share, bases, kappa)
    h_i, values = group.exp(group.g, share), [group.exp(base, share) for base in bases]
    require(threshold.verify_partials(group, x, h_i, bases, values, (c, z)), "a proof that holds")
    b.outputs["h_2"], b.outputs["X"] = enc(h_i), x
    for i, (base, value) in enumerate(zip(bases, values), 1):
        b.outputs[f"c1_{i}"], b.outputs[f"k_{i}"] = enc(base), enc(value)
    b.outputs["c"], b.outputs["z"] = c, group.scalar(z)


def code_block(b):
    digits = b.input("symbols", lambda c: bytes(d % 32 for d in c.bytes(28)))
    code = recovery.write_code(list(digits))
    b.outputs["code"] = code.encode()
    b.outputs["input of Argon2id"] = recovery.read_code(code)


def bundle_block(group, b):
    made = b.input("bundle", lambda c: make_vectors.key_generation(group, c).encoded)
    bundle = handover.parse_bundle(made)
    r = Reader(made)
    r.literal(b"CPBN\x01")
    r.u32()
    out, enc = b.outputs, group.encode
    out["R0"], out["sid"], out["parts_hash"] = r.lp4(), bundle.sid, r.take(32)
    for i in range(1, r.u8() + 1):
        out[f"body 1 of party {i}"], out[f"body 2 of party {i}"] = r.lp4(), r.lp4()
        out[f"SHA-256(body 3) of party {i}"], out[f"round 4 of party {i}"] = r.take(32), r.take(64)
    out["key_id"], out["h"] = bundle.key_id, enc(bundle.h)
    out.update({f"h_{j}": enc(h_j) for j, h_j in bundle.public_shares.items()})


def request_block(b):
    """What message_vectors signs and seals, with everything that a verifier computes of it."""

    fresh = {} if "request" in b.inputs else message_documents.captured(message_vectors.request_block, group_by_name("p256"))
    request = b.input("request", lambda c: fresh["Request"])
    scalar = b.input("reply scalar", lambda c: fresh["ReplyKey"])
    reply = b.input("reply", lambda c: fresh["Reply"])
    r = Reader(request)
    r.literal(b"CPRQ\x01")
    r.u8(), r.lp(), r.take(36)
    r.take(33 * r.u8())
    r.u8(), r.lp(), r.take(16 + 8 + 65)
    head, body, start = request[: r.at], r.lp4(), r.at
    chain = [r.lp() for _ in range(r.u8())]
    certificates, signature = request[start : r.at], r.take(64)
    r.end()
    digest = messages.request_digest(head, body, certificates)
    key = x509.load_der_x509_certificate(chain[0]).public_key()
    signer = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    messages.ecdsa_verify(signer, digest, signature)
    b.outputs.update({"head": head, "body": body, "certificates": certificates})
    b.outputs.update({"signed digest": digest, "signature": signature, "request_hash": sha256(request)})
    identity_key = reply[5:38]
    b.outputs["identity_key"] = identity_key
    b.outputs["answer"] = messages.open_reply(reply, identity_key, to_int(scalar), sha256(request))


def of_suite(block, suite, *arguments):
    return lambda b: block(group_by_name(suite), *arguments, b)


BLOCKS = {
    "hash": hash_block,
    "hash-to-scalar-p256": of_suite(scalar_block, "p256"),
    "hash-to-scalar-ffdhe2048": of_suite(scalar_block, "ffdhe2048"),
    "gbar-p256": of_suite(gbar_block, "p256"),
    "gbar-ffdhe2048": of_suite(gbar_block, "ffdhe2048"),
    "capsule-p256": of_suite(capsule_block, "p256"),
    "capsule-ffdhe2048": of_suite(capsule_block, "ffdhe2048"),
    "partial-p256": of_suite(partial_block, "p256", 1),
    "batch-p256": of_suite(partial_block, "p256", 2),
    "batch-ffdhe2048": of_suite(partial_block, "ffdhe2048", 2),
    "code": code_block,
    "bundle-p256": of_suite(bundle_block, "p256"),
    "request-p256": request_block,
    "handover-p256": of_suite(message_documents.handover_block, "p256"),
    "recovery-part-p256": of_suite(message_documents.recovery_part_block, "p256"),
    "log-p256": of_suite(message_documents.log_block, "p256"),
    "lists-p256": message_documents.lists_block,
    "kem-p256": of_suite(message_documents.kem_block, "p256"),
    "kit-p256": of_suite(agent_documents.kit_block, "p256"),
    "invitation-p256": of_suite(agent_documents.invitation_block, "p256"),
    "chain-p256": agent_documents.chain_block,
    "peers-p256": agent_documents.peers_block,
    "notice-p256": agent_documents.notice_block,
    "drill-p256": agent_documents.drill_block,
    "file-p256": lambda b: file_documents.file_block(b, False),
    "file-grease-p256": lambda b: file_documents.file_block(b, True),
    "file-two-keys-p256": of_suite(file_documents.two_keys_block, "p256"),
    "file-ffdhe3072": of_suite(file_documents.modp_block, "ffdhe3072"),
    "body-chunks": file_documents.chunks_block,
    "answer-p256": of_suite(file_documents.answer_block, "p256"),
    "answers-p256": of_suite(file_documents.answers_block, "p256"),
}


def read_values(lines):
    values = {}
    current = values
    name = None
    for line in lines:
        if line.startswith(" "):
            current[name] += line.strip()
        elif line == "--":
            current = {}
        elif line:
            name, value = line.split(" =", 1)
            require(name not in current, f"{name} twice")
            current[name] = value.strip()
    decoded = {k: bytes.fromhex(v) for k, v in values.items()}
    return decoded, None if current is values else {k: bytes.fromhex(v) for k, v in current.items()}


def written(values):
    for name, value in values.items():
        line, rest = f"{name} =", f" {value.hex()}".rstrip()
        while True:
            room = (WIDTH - len(line)) // 2 * 2 - 1 if rest.startswith(" ") else WIDTH - len(line)
            line, rest = line + rest[:room], rest[room:]
            yield line
            if not rest:
                break
            line = "    "


def work(path, write):
    """Whether the document is right."""
    lines = open(path, encoding="utf-8").read().split("\n")
    out, good, i, done = [], True, 0, {}
    while i < len(lines):
        out.append(lines[i])
        i += 1
        if not out[-1].startswith("```vector "):
            continue
        name = out[-1].split()[1]
        end = lines.index("```", i)
        inputs, outputs = read_values(lines[i:end])
        require(name in BLOCKS, f"{path}: no vector {name} is known")
        block = Block(name, inputs, done)
        try:
            BLOCKS[name](block)
        except (Refused, InvalidSignature, UnicodeDecodeError) as error:
            if not write:
                good = False
                print(f"{path}: vector {name}: its inputs are of a form that was changed ({error}): --write", file=sys.stderr)
                out += lines[i : end]
                i = end
                continue
            block = Block(name, {}, done)  # the inputs are of a form that was changed
            BLOCKS[name](block)
        if not write and (block.outputs != outputs or block.inputs != inputs):
            good = False
            wrong = [k for k in block.outputs if (outputs or {}).get(k) != block.outputs[k]]
            print(f"{path}: vector {name}: not what the oracle computes: {', '.join(wrong) or 'its names'}", file=sys.stderr)
        done[name] = block
        out += [*written(block.inputs), "--", *written(block.outputs)]
        i = end
    if write:
        open(path, "w", encoding="utf-8").write("\n".join(out))
    return good


if __name__ == "__main__":
    require(len(sys.argv) > 2 and sys.argv[1] in ("--check", "--write"), __doc__)
    results = [work(path, sys.argv[1] == "--write") for path in sys.argv[2:]]
    sys.exit(0 if all(results) else 1)
