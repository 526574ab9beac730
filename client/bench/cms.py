#!/usr/bin/python3
"""`openssl cms -decrypt` with a key that two agents hold, through libcoprotect-pkcs11.so and through the OpenSSL provider, against one in a SoftHSM2 token.

cms.py [--rounds N] SYSTEM     SYSTEM is the folder of `scripts/demo --keep`
"""

import argparse
import glob
import os
import subprocess
import tempfile

from interleaved import environment, medians, run

PIN = "1234"
ENGINE = ["-engine", "pkcs11", "-keyform", "engine", "-inkey"]
PROVIDER = ["-provider", "coprotect", "-provider", "default", "-inkey"]
EXTENSIONS = "keyUsage = critical, keyAgreement\n"


class Message:
    """A message to a key in a token, and the command that opens it."""

    def __init__(self, folder, name, public_key, key, env):
        self.env = env
        self.folder = folder
        certificate = self.path(f"{name}.pem")
        call(["openssl", "x509", "-new", "-subj", f"/CN={name}", "-force_pubkey", public_key, "-CA", self.path("ca.pem"), "-CAkey",
              self.path("ca.key"), "-extfile", self.path("extensions"), "-days", "2", "-out", certificate], env)
        call(["openssl", "cms", "-encrypt", "-binary", "-aes256", "-in", self.path("message"), "-outform", "DER", "-out",
              self.path(f"{name}.cms"), "-recip", certificate, "-keyopt", "ecdh_kdf_md:sha256"], env)
        self.command = ["openssl", "cms", "-decrypt", "-binary", *key, "-recip", certificate, "-inform", "DER", "-in", self.path(f"{name}.cms"), "-out", self.path(f"{name}.opened")]

    def path(self, name):
        return os.path.join(self.folder, name)

    def open(self):
        return run(self.command, self.env)


def call(command, env):
    return subprocess.run(command, env=env, check=True, capture_output=True).stdout


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def soft_token(folder, env):
    """A SoftHSM2 token with an EC key; its environment and the file of its public key."""
    module = glob.glob("/usr/lib/*/softhsm/libsofthsm2.so")[0]
    tokens = os.path.join(folder, "tokens")
    os.mkdir(tokens)
    configuration = os.path.join(folder, "softhsm2.conf")
    write(configuration, f"directories.tokendir = {tokens}\nobjectstore.backend = file\n".encode())
    env = {**env, "SOFTHSM2_CONF": configuration, "PKCS11_MODULE_PATH": module}
    call(["softhsm2-util", "--init-token", "--free", "--label", "bench", "--so-pin", PIN, "--pin", PIN], env)
    tool = ["pkcs11-tool", "--module", module, "--token-label", "bench", "--login", "--pin", PIN, "--id", "01"]
    call([*tool, "--keypairgen", "--key-type", "EC:prime256v1", "--label", "key", "--usage-derive"], env)
    public_key = os.path.join(folder, "soft.pub")
    write(public_key, call([*tool, "--read-object", "--type", "pubkey"], env))
    return env, public_key


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("system")
    arguments = parser.parse_args()
    env = {**os.environ, **environment(arguments.system)}
    with tempfile.TemporaryDirectory(prefix="coprotect-cms-") as folder:
        write(os.path.join(folder, "message"), b"for the archive\n")
        write(os.path.join(folder, "extensions"), EXTENSIONS.encode())
        write(os.path.join(folder, "joint.pub"), call(["coprotect", "public-key", "derive"], env))
        call(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
              os.path.join(folder, "ca.key"), "-out", os.path.join(folder, "ca.pem"), "-subj", "/CN=CA", "-days", "2"], env)
        soft_env, soft_key = soft_token(folder, env)
        joint_key = os.path.join(folder, "joint.pub")
        messages = {
            "SoftHSM2": Message(folder, "soft", soft_key,
                                [*ENGINE, f"pkcs11:token=bench;object=key;type=private?pin-value={PIN}"], soft_env),
            "two agents, PKCS#11 module": Message(folder, "module", joint_key,
                                                  [*ENGINE, "pkcs11:token=derive;object=derive;type=private"],
                                                  {**env, "PKCS11_MODULE_PATH": env["MODULE"]}),
            "two agents, OpenSSL provider": Message(folder, "provider", joint_key, [*PROVIDER, "coprotect:derive"], env),
        }
        runs = {name: [] for name in messages}
        for _ in range(arguments.rounds):
            for name, message in messages.items():
                runs[name].append(message.open())
        reference = medians(runs["SoftHSM2"]).wall
        for name, measured in runs.items():
            wall = medians(measured).wall
            print(f"{'openssl cms -decrypt, ' + name:<58} {wall * 1000:>7.0f} ms {wall / reference:>8.2f}×", flush=True)


if __name__ == "__main__":
    main()
