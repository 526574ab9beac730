"""A system that `scripts/demo --keep` left running: its agents' processes, connections to them, and requests of its client alice."""

import http.client
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "../../protocol/testdata/oracle"))

from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: E402

import files  # noqa: E402
import handover  # noqa: E402
import hpke  # noqa: E402
import messages  # noqa: E402
import threshold  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def row(name, figure, target, met):
    """One line of the table that scripts/bench prints."""
    print(f"{name:<58} {figure:>10} {target:>10}  {'met' if met else 'not met'}", flush=True)


def detail(text):
    print(f"  {text}", flush=True)


def environment(folder):
    """What env.sh in the folder exports."""
    command = ["sh", "-c", '. "$1/env.sh" && env -0', "sh", folder]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(line.split("=", 1) for line in text.split("\0") if line)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Processes:
    """An agent with all that it started."""

    def __init__(self, configuration):
        found = subprocess.run(["pgrep", "-f", f"coprotect-agent --config {configuration}"], capture_output=True, text=True)
        if not found.stdout:
            raise SystemExit(f"no agent runs with {configuration}")
        self.custodian = int(found.stdout.split()[0])

    def all(self):
        pids, found = [self.custodian], 0
        while found < len(pids):
            pids += [int(p) for p in read(f"/proc/{pids[found]}/task/{pids[found]}/children").split()]
            found += 1
        return pids

    def processor_seconds(self):
        ticks = 0
        for pid in self.all():
            fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.all())

    def resident(self):
        """Bytes of anonymous memory, by the name of the program; pages of libraries are shared with who else runs."""
        sizes = {}
        for pid in self.all():
            name = read(f"/proc/{pid}/comm").decode().strip()
            lines = read(f"/proc/{pid}/smaps_rollup").decode().splitlines()
            sizes[name] = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))
        return sizes


class System:
    def __init__(self, folder, role):
        self.environment = environment(folder)
        client = os.path.join(folder, "clients/alice")
        self.bundle = handover.parse_bundle(read(os.path.join(client, "acme.bundle")))
        self.party = next(p for p in self.bundle.parameters.parties if p.name == role)
        self.processes = Processes(os.path.join(os.path.realpath(folder), role, "agent.toml"))
        self.path = f"/v1/keys/{self.bundle.key_id.hex()}/partial-decrypt"
        certificate, key = os.path.join(client, "alice.pem"), os.path.join(client, "alice.key.pem")
        self.chain = [ssl.PEM_cert_to_DER_cert(read(certificate).decode())]
        self.scalar = load_pem_private_key(read(key), None).private_numbers().private_value
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(self.party.identity_certificate))
        self.context.load_cert_chain(certificate, key)
        self.reply_scalar = secrets.randbelow(hpke.CURVE.q - 1) + 1

    def connect(self):
        url = urllib.parse.urlsplit(self.party.url)
        connection = http.client.HTTPSConnection(url.hostname, url.port, context=self.context, timeout=60)
        connection.connect()
        return connection

    def body(self, count):
        """Items of `count` files that the program encrypted."""
        items = []
        with tempfile.TemporaryDirectory(prefix="coprotect-load-") as folder:
            paths = [os.path.join(folder, str(i)) for i in range(count)]
            for path in paths:
                with open(path, "wb") as f:
                    f.write(b"text")
            subprocess.run(["coprotect", "encrypt", *paths], env=self.environment, check=True, capture_output=True)
            for path in paths:
                header = files.parse_header(read(path + ".cop"))
                capsule = threshold.capsule(header.group, header.stanzas[self.bundle.key_id])
                items.append((header.core, capsule))
        return messages.partial_decrypt_body(self.bundle.parameters.group, items)

    def requests(self, bodies, count):
        """Signed requests, for use within five minutes; their bodies repeat, their nonces do not."""
        reply_key = hpke.public_key(self.reply_scalar)
        signed = []
        for i in range(count):
            request = messages.Request(
                1, self.bundle.parameters.tenant, self.bundle.key_id, self.bundle.epoch, [self.party.identity_key], 1, "load",
                secrets.token_bytes(16), int(time.time() * 1000), reply_key, bodies[i % len(bodies)],
            )
            signed.append(messages.sign_request(request, self.chain, self.scalar))
        return signed

    def send(self, connection, request):
        connection.request("POST", self.path, request, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{self.party.name} answered {answer.status}: {data[:300]!r}")
        return data

    def check(self, request, answer):
        """Every item of the answer is a partial decryption."""
        plaintext = messages.open_reply(answer, self.party.identity_key, self.reply_scalar, messages.sha256(request))
        if not isinstance(plaintext, bytes):
            raise SystemExit(f"{self.party.name} refused: {plaintext}")
        for partial in messages.parse_partial_replies(self.bundle.parameters.group, plaintext):
            if any(status != 0 for status, _ in partial.items):
                raise SystemExit(f"refused: {partial.items}")
