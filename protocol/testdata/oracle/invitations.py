"""SPEC.md section 5.3: the invitation's line, its MACs, and the messages that carry them."""

import base64
from collections import namedtuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import dkg
from groups import H, Reader, hmac256, lp, lp4, require, sha256, u8, u16, u64

PREFIX = b"coprotect-invitation-1."

Invitation = namedtuple(
    "Invitation", "role url identity_certificate organisation id secret expires tenant client_certificate client_key"
)


def encode_invitation(i):
    data = u8(1) + lp(i.role.encode()) + lp(i.url.encode()) + lp(i.identity_certificate) + lp(i.organisation)
    return data + i.id + i.secret + u64(i.expires) + lp(i.tenant.encode()) + lp(i.client_certificate) + i.client_key


def line(invitation):
    return PREFIX + base64.urlsafe_b64encode(invitation + sha256(invitation)[:4]).rstrip(b"=")


def parse_line(text):
    require(text.startswith(PREFIX), "not an invitation")
    symbols = text[len(PREFIX) :]
    data = base64.urlsafe_b64decode(symbols + b"=" * (-len(symbols) % 4))
    require(sha256(data[:-4])[:4] == data[-4:], "checksum")
    r = Reader(data[:-4])
    require(r.u8() == 1, "version")
    i = Invitation(
        r.lp().decode(), r.lp().decode(), r.lp(), r.lp(), r.take(8), r.take(16), r.u64(), r.lp().decode(), r.lp(), r.take(32)
    )
    r.end()
    client = x509.load_der_x509_certificate(i.client_certificate)
    issuer = x509.load_der_x509_certificate(i.identity_certificate).public_key()
    issuer.verify(client.signature, client.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    names = client.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    require(uris == [f"coprotect:invitation:{i.id.hex()}"], "the client certificate is another invitation's")
    if i.organisation:
        require(dkg.parse_organisation(i.organisation).kind == 1, "organisation's kind")
    return i


def mac(secret, tag, x):
    return hmac256(secret, H(tag, sha256(x)))


def open_message(i, purpose, suite, key_id, newest_hash, nonce):
    data = b"CPCO" + u8(1) + i.id + lp(i.tenant.encode()) + u8(purpose) + u16(suite) + key_id + newest_hash + nonce
    return data + mac(i.secret, "CPV1-OPEN", data)


def offer_message(i, offer, open_):
    data = b"CPCF" + u8(1) + lp4(offer)
    return data + mac(i.secret, "CPV1-OPEN-OFFER", open_ + data)


def parameters_message(i, parameters):
    data = b"CPCP" + u8(1) + i.id + lp4(parameters)
    return data + mac(i.secret, "CPV1-PARAMETERS", data)


def control_message(i, kind, sid, nonce):
    data = b"CPCK" + u8(1) + i.id + u8(kind) + sid + nonce
    return data + mac(i.secret, "CPV1-CONTROL", data)


def void_message(i, plan):
    data = b"CPHV" + u8(1) + i.id + lp4(plan)
    return data + mac(i.secret, "CPV1-VOID", data)


def join_message(i, bundle, plan, deals, blob, possession):
    data = b"CPHJ" + u8(1) + i.id + lp4(bundle) + lp4(plan) + u8(len(deals)) + b"".join(map(lp4, deals))
    data += lp4(blob) + lp(possession)
    return data + mac(i.secret, "CPV1-JOIN", data)
