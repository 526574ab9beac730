#!/usr/bin/python3
"""Encrypts and decrypts files as SPEC.md says, for comparison with the programs.

oracle.py encrypt BUNDLE IN OUT [POLICY]       offline
oracle.py decrypt KIT PARTY IN OUT             share 3 from the kit, the other partial from the live agent PARTY; the recovery code is on
                                               standard input
oracle.py bundle BUNDLE                        prints what a reader of a bundle computes
"""

import http.client
import os
import secrets
import ssl
import sys
import tempfile
import time
import urllib.parse

from cryptography.hazmat.primitives import serialization

import files
import handover
import hpke
import messages
import recovery
import recovery_part
import threshold
from groups import Reader, require, sha256


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def random_scalar(q):
    return secrets.randbelow(q - 1) + 1


def encrypt(bundle_path, in_path, out_path, policy=""):
    bundle = handover.parse_bundle(read(bundle_path))
    group = bundle.parameters.group
    m = group.message(secrets.randbits(group.q.bit_length() + 128))
    r, s = random_scalar(group.q), random_scalar(group.q)
    header, core, fk = files.make_header(
        group, bundle.h, bundle.key_id, m, secrets.token_bytes(32), policy.encode(), r, s
    )
    write(out_path, header + files.seal_body(fk, core, read(in_path), secrets.token_bytes(24)))


def post(party, path, body, certificate, key):
    """One request over mutual TLS 1.3, the agent's identity certificate as the only anchor."""
    url = urllib.parse.urlsplit(party.url)
    anchor = ssl.DER_cert_to_PEM_cert(party.identity_certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=anchor)
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "client.pem")
        private = messages.ecdsa_key(key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write(pem, ssl.DER_cert_to_PEM_cert(certificate).encode() + private)
        context.load_cert_chain(pem)
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=30)
    connection.request("POST", path, body, {"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    data = answer.read()
    require(answer.status == 200, f"{party.name} answered {answer.status}: {data[:500]!r}")
    return data


def decrypt(kit_path, party_name, in_path, out_path):
    kit = recovery.parse_kit(read(kit_path))
    bundle = handover.parse_bundle(kit.bundle)
    group = bundle.parameters.group
    recovery_scalar, k = recovery.open_blob(kit.blob, recovery.read_code(sys.stdin.readline().strip()))
    scalar, _ = recovery.open_kit_keys(kit, k)

    data = read(in_path)
    header = files.parse_header(data)
    ct = header.stanzas[bundle.key_id]
    capsule = threshold.capsule(group, ct)
    require(threshold.verify(group, bundle.h, capsule, files.label(header.core, bundle.key_id)), "TDH2 proof")

    party = next(p for p in bundle.parameters.parties if p.name == party_name)

    def ask(operation, action, endpoint, body):
        """The plaintext of the reply, and the request's hash."""
        reply_scalar = random_scalar(hpke.CURVE.q)
        request = messages.sign_request(
            messages.Request(
                operation, bundle.parameters.tenant, bundle.key_id, bundle.epoch, [party.identity_key], action, "oracle",
                secrets.token_bytes(16), int(time.time() * 1000), hpke.public_key(reply_scalar), body,
            ),
            [kit.certificate],
            scalar,
        )
        answer = post(party, f"/v1/keys/{bundle.key_id.hex()}/{endpoint}", request, kit.certificate, scalar)
        plaintext = messages.open_reply(answer, party.identity_key, reply_scalar, sha256(request))
        require(isinstance(plaintext, bytes), f"{party.name} refused: {plaintext}")
        return plaintext, sha256(request)

    kept, _ = ask(2, 1, "recovery-share", b"")
    kept = Reader(kept)
    require(kept.lp4() == kit.blob.encoded, "the agent keeps another blob")
    parts = recovery_part.parse_parts(kept.lp4())
    kept.end()
    recovery_part.check_parts(parts, bundle)
    share = recovery_part.open_parts(parts, recovery_scalar, bundle, handover.combine_values)
    body = messages.partial_decrypt_body(group, [(header.core, capsule)])
    plaintext, request_hash = ask(1, 4, "partial-decrypt", body)

    partials = {parts.index: group.exp(ct.c1, share)}
    for reply in messages.parse_partial_replies(group, plaintext):
        ((status, value),) = reply.items
        require(status == 0, f"refused: {value}")
        x = threshold.context(group, bundle.key_id, bundle.epoch, reply.index, request_hash)
        h_i = bundle.public_shares[reply.index]
        require(threshold.verify_partials(group, x, h_i, [ct.c1], [value], reply.proof), "wrong partial")
        partials[reply.index] = value
    fk = files.unlock(header, threshold.combine(group, ct.c2, partials))
    write(out_path, files.open_body(fk, header.core, data[header.body_at :]))


def show_bundle(path):
    bundle = handover.parse_bundle(read(path))
    print("key_id", bundle.key_id.hex())
    print("epoch", bundle.epoch)
    print("h", bundle.parameters.group.encode(bundle.h).hex())


if __name__ == "__main__":
    commands = {"encrypt": encrypt, "decrypt": decrypt, "bundle": show_bundle}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])
