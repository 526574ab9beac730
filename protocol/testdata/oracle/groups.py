"""SPEC.md sections 1 and 2: encodings, hashing and the groups."""

import hashlib
import hmac
import struct


def lp(x):
    return struct.pack(">H", len(x)) + x


def lp4(x):
    return struct.pack(">I", len(x)) + x


def u8(n):
    return struct.pack(">B", n)


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def sha256(x):
    return hashlib.sha256(x).digest()


def H(tag, *parts):
    return sha256(lp(tag.encode()) + b"".join(lp(p) for p in parts))


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_expand(prk, info, n, algorithm="sha256"):
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]), algorithm).digest()
        out += block
        i += 1
    return out[:n]


def hkdf(salt, ikm, info, n):
    return hkdf_expand(hmac256(salt or bytes(32), ikm), info, n)


def xmd(msg, dst, n):
    """RFC 9380 section 5.3.1 with SHA-256."""
    dst_prime = dst + bytes([len(dst)])
    b0 = sha256(bytes(64) + msg + u16(n) + b"\0" + dst_prime)
    block = sha256(b0 + b"\1" + dst_prime)
    out, i = block, 2
    while len(out) < n:
        block = sha256(bytes(a ^ b for a, b in zip(b0, block)) + bytes([i]) + dst_prime)
        out += block
        i += 1
    return out[:n]


def to_int(b):
    return int.from_bytes(b, "big")


class Refused(Exception):
    """Something is not as SPEC.md says."""


def require(condition, why):
    if not condition:
        raise Refused(why)


def jacobi(x, n):
    """(x/n) for odd n."""
    result = 1
    while x:
        twos = (x & -x).bit_length() - 1
        x >>= twos
        if twos % 2 and n % 8 in (3, 5):
            result = -result
        if x % 4 == n % 4 == 3:
            result = -result
        x, n = n % x, x
    return result if n == 1 else 0


class Group:
    """A group of prime order q; elements are what the subclass makes of them."""

    def scalar(self, x):
        return (x % self.q).to_bytes(self.scalar_size, "big")

    def parse_scalar(self, b):
        require(len(b) == self.scalar_size and to_int(b) < self.q, "scalar")
        return to_int(b)

    def hash_to_scalar(self, msg, dst):
        return to_int(xmd(msg, dst, self.wide)) % self.q

    def g_bar(self, h):
        return self.hash_to_element(u16(self.id) + self.encode(h), b"CPV1-GBAR")

    def product(self, elements):
        result = None
        for e in elements:
            result = e if result is None else self.mul(result, e)
        return result


class ModP(Group):
    """RFC 7919: p = 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1, g = 2."""

    def __init__(self, suite_id, name, bits, x):
        # e by its series, with 64 guard bits.
        precision = bits - 130 + 64
        term = total = 1 << precision
        k = 1
        while term:
            term //= k
            total += term
            k += 1
        self.id, self.name = suite_id, name
        self.p = (1 << bits) - (1 << (bits - 64)) + (((total >> 64) + x) << 64) - 1
        self.q = (self.p - 1) // 2
        self.g = 2
        self.element_size = self.scalar_size = bits // 8
        self.wide = bits // 8 + 16

        self.powers = []

    def mul(self, a, b):
        return a * b % self.p

    def exp(self, a, x):
        if a != self.g:
            return pow(a, x % self.q, self.p)
        # The generator is raised again and again: one factor for each digit of the exponent, from a table.
        if not self.powers:
            base = self.g
            for _ in range(0, self.q.bit_length(), 4):
                row = [1]
                for _ in range(16):
                    row.append(row[-1] * base % self.p)
                self.powers.append(row)
                base = row[16]
        x, result = x % self.q, 1
        for row in self.powers:
            result = result * row[x & 15] % self.p
            x >>= 4
        return result

    def encode(self, a):
        return a.to_bytes(self.element_size, "big")

    def parse(self, b):
        x = to_int(b)
        require(len(b) == self.element_size and 1 < x < self.p - 1 and jacobi(x, self.p) == 1, "element")
        return x

    def hash_to_element(self, msg, dst):
        x = to_int(xmd(msg, dst, self.wide)) % self.p
        e = x * x % self.p
        require(e not in (0, 1), "hash to element")
        return e

    def message(self, secret):
        """SPEC.md section 2, random_message, from an integer."""
        y = secret % (self.p - 3) + 2
        return y * y % self.p


class P256(Group):
    id, name = 0x0010, "p256"
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    a = -3
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    q = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    g = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )
    element_size, scalar_size, wide = 33, 32, 48

    # A point is (x, y), infinity is None.
    def mul(self, s, t):
        p = self.p
        if s is None:
            return t
        if t is None:
            return s
        if s[0] == t[0]:
            if (s[1] + t[1]) % p == 0:
                return None
            slope = (3 * s[0] * s[0] + self.a) * pow(2 * s[1], -1, p)
        else:
            slope = (t[1] - s[1]) * pow(t[0] - s[0], -1, p)
        x = (slope * slope - s[0] - t[0]) % p
        return x, (slope * (s[0] - x) - s[1]) % p

    def exp(self, s, x):
        """In Jacobian coordinates, so that one inversion at the end is enough."""
        x %= self.q
        if s is None or x == 0:
            return None
        p, (ax, ay) = self.p, s
        rx, ry, rz = ax, ay, 1
        for digit in bin(x)[3:]:
            # Doubling for a = -3. rz is never 0: q is prime and the exponent so far is less than q.
            d, g = rz * rz % p, ry * ry % p
            b, a = rx * g % p, 3 * (rx - d) * (rx + d) % p
            rz = ((ry + rz) * (ry + rz) - g - d) % p
            rx = (a * a - 8 * b) % p
            ry = (a * (4 * b - rx) - 8 * g * g) % p
            if digit == "0":
                continue
            zz = rz * rz % p
            h, r = (ax * zz - rx) % p, (ay * zz * rz - ry) % p
            require(h != 0, "the exponent so far is never 1 or q - 1 here")
            hh = h * h % p
            hhh, v = h * hh % p, rx * hh % p
            rx = (r * r - hhh - 2 * v) % p
            ry = (r * (v - rx) - ry * hhh) % p
            rz = rz * h % p
        return self.affine(rx, ry, rz)

    def affine(self, x, y, z):
        inverse = pow(z, -1, self.p)
        return x * inverse * inverse % self.p, y * inverse**3 % self.p

    def encode(self, s):
        return bytes([2 + s[1] % 2]) + s[0].to_bytes(32, "big")

    def encode_uncompressed(self, s):
        return b"\4" + s[0].to_bytes(32, "big") + s[1].to_bytes(32, "big")

    def curve(self, x):
        return (x * x * x + self.a * x + self.b) % self.p

    def on_curve(self, s):
        return s[0] < self.p and s[1] < self.p and s[1] * s[1] % self.p == self.curve(s[0])

    def sqrt(self, v):
        return pow(v, (self.p + 1) // 4, self.p)

    def parse(self, b):
        require(len(b) == 33 and b[0] in (2, 3) and to_int(b[1:]) < self.p, "element")
        x = to_int(b[1:])
        y = self.sqrt(self.curve(x))
        require(y * y % self.p == self.curve(x), "not on the curve")
        return x, y if y % 2 == b[0] % 2 else self.p - y

    def parse_uncompressed(self, b):
        require(len(b) == 65 and b[0] == 4, "public key")
        s = to_int(b[1:33]), to_int(b[33:])
        require(self.on_curve(s), "not on the curve")
        return s

    def sswu(self, u):
        """RFC 9380 section 6.6.2, Z = -10."""
        p, z = self.p, -10
        t = (z * z * pow(u, 4, p) + z * u * u) % p
        x1 = self.b * pow(z * self.a, -1, p) % p if t == 0 else -self.b * pow(self.a, -1, p) * (1 + pow(t, -1, p)) % p
        gx1 = self.curve(x1)
        x2 = z * u * u * x1 % p
        x, gx = (x1, gx1) if pow(gx1, (p - 1) // 2, p) in (0, 1) else (x2, self.curve(x2))
        y = self.sqrt(gx)
        return x, y if y % 2 == u % 2 else p - y

    def hash_to_element(self, msg, dst):
        wide = xmd(msg, dst, 96)
        u0, u1 = to_int(wide[:48]) % self.p, to_int(wide[48:]) % self.p
        return self.mul(self.sswu(u0), self.sswu(u1))

    def message(self, secret):
        return self.exp(self.g, secret % (self.q - 1) + 1)


GROUPS = [
    P256(),
    ModP(1, "ffdhe2048", 2048, 560316),
    ModP(2, "ffdhe3072", 3072, 2625351),
    ModP(3, "ffdhe4096", 4096, 5736041),
]


def group_by_id(suite_id):
    for group in GROUPS:
        if group.id == suite_id:
            return group
    raise Refused(f"suite {suite_id:#06x}")


def group_by_name(name):
    return next(group for group in GROUPS if group.name == name)


class Reader:
    """Takes fields off the front of bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        require(self.at + n <= len(self.data), "too short")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return to_int(self.take(2))

    def u32(self):
        return to_int(self.take(4))

    def u64(self):
        return to_int(self.take(8))

    def lp(self):
        return self.take(self.u16())

    def lp4(self):
        return self.take(self.u32())

    def literal(self, expected):
        require(self.take(len(expected)) == expected, f"not {expected!r}")

    def end(self):
        require(self.at == len(self.data), "trailing bytes")
