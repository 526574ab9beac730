"""What all makers of vectors need: numbers from a counter, certificates, and how a block is written."""

import datetime
import hashlib
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import messages
from groups import sha256, to_int

NOT_BEFORE = datetime.datetime(2026, 1, 1)
NOT_AFTER = datetime.datetime(2126, 1, 1)


class Counter:
    """A stream of numbers that anybody can make again."""

    def __init__(self, name):
        self.name, self.n = name, 0

    def bytes(self, size):
        self.n += 1
        return hashlib.shake_256(f"{self.name} {self.n}".encode()).digest(size)

    def scalar(self, q):
        return to_int(self.bytes(q.bit_length() // 8 + 16)) % (q - 1) + 1


def block(**values):
    for name, value in values.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")
    print()


def certificate(subject, subject_scalar, issuer, issuer_scalar, uris=(), hosts=(), client=False, authority=False):
    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    names = [x509.UniformResourceIdentifier(u) for u in uris] + [x509.IPAddress(ipaddress.ip_address(a)) for a in hosts]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(messages.ecdsa_key(subject_scalar).public_key())
        .serial_number(to_int(sha256(subject.encode())[:16]) >> 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if client:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    signed = builder.sign(messages.ecdsa_key(issuer_scalar), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)
