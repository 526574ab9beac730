"""SPEC.md section 13.6, announcements, and section 12, what an administrator signs of a drill."""

from collections import namedtuple

import dkg
import messages
from groups import H, Reader, lp, lp4, require, sha256, u8, u16, u64

Notice = namedtuple("Notice", "announcement announcer client not_before running_left vetoed")


def layout(parameters):
    data = b"CPHL" + u8(1) + u8(parameters.t) + u8(len(parameters.parties))
    for p in parameters.parties:
        data += lp(p.name.encode()) + u8(len(p.indices)) + bytes(p.indices) + dkg.parse_organisation(p.organisation).key
        data += u8(1) + p.identity_key + lp(p.url.encode()) if p.mode else u8(0)
    return data


def announcement(parameters):
    return b"CPHW" + u8(1) + lp4(layout(parameters)) + lp(parameters.recovery_key)


def notice_hash(announcement_, announcer):
    return H("CPV1-NOTICE", sha256(announcement_), announcer)


def encode_notice(n):
    data = b"CPHN" + u8(1) + lp4(n.announcement) + n.announcer + lp(n.client.encode())
    return data + u64(n.not_before) + u64(n.running_left) + u8(n.vetoed)


def parse_notice(data):
    r = Reader(data)
    r.literal(b"CPHN\x01")
    n = Notice(r.lp4(), r.take(32), r.lp().decode(), r.u64(), r.u64(), r.u8())
    r.end()
    require(n.vetoed in (0, 1) and max(n.not_before, n.running_left) < 1 << 63, "notice")
    return n


# 12


def drill_digest(evidence):
    return H("CPV1-DRILL", sha256(evidence))


def sign_drill(evidence, certificate, scalar):
    return b"CPDS" + u8(1) + lp(certificate) + messages.ecdsa_sign(scalar, drill_digest(evidence))


def parse_drill_signature(data):
    """Certificate and signature."""
    r = Reader(data)
    r.literal(b"CPDS\x01")
    parsed = r.lp(), r.take(64)
    r.end()
    return parsed


def drill_report(time, evidence, passed, failed):
    """The body of operation 6, up to its proof."""
    return u64(time) + sha256(evidence) + u16(passed) + u16(failed)


def code_opened_digest(sid, report):
    return H("CPV1-CODE-OPENED", sid, report)
