# SPDX-License-Identifier: GPL-2.0-or-later
"""ISAKMP and IKEv1 on the wire: messages, payloads, Diffie-Hellman, keys and encryption (RFC 2407, 2408, 2409, 3526).

Knows the formats and the arithmetic only; what is sent when is said by phase1.py, and the dialects of NAT-T by natt.py.
Written from the RFCs, independently of the program under test.
"""
import functools
import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .ciphers import TripleDES

MAIN, AGGRESSIVE, INFORMATIONAL, QUICK = 2, 4, 5, 32
SA, KE, ID, CERT, CERT_REQUEST, HASH, SIG, NONCE, NOTIFY, DELETE, VID = 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
ENCRYPTED = 1
INITIAL_CONTACT = 24578
R_U_THERE, R_U_THERE_ACK = 36136, 36137  # RFC 3706 section 5.3
NOTIFY_NAMES = {14: "NO-PROPOSAL-CHOSEN", 16: "PAYLOAD-MALFORMED", 17: "INVALID-KEY-INFORMATION",
                18: "INVALID-ID-INFORMATION", 24: "AUTHENTICATION-FAILED", INITIAL_CONTACT: "INITIAL-CONTACT", R_U_THERE: "R-U-THERE"}

CIPHERS = {"3des": (5, None, 24, 8), "aes128": (7, 128, 16, 16), "aes256": (7, 256, 32, 16)}  # id, key bits, bytes, block
HASHES = {"md5": 1, "sha1": 2, "sha256": 4, "sha384": 5, "sha512": 6}


class Malformed(Exception):
    """A message that is not what RFC 2408 says."""


@dataclass
class Message:
    """An ISAKMP message. payloads: (type, body) pairs; of an encrypted message they are empty and body is the ciphertext."""
    icookie: bytes
    rcookie: bytes
    exchange: int
    payloads: list = field(default_factory=list)
    msgid: int = 0
    flags: int = 0
    body: bytes = b""
    first: int = 0  # type of the first payload, as received

    @property
    def encrypted(self):
        return bool(self.flags & ENCRYPTED)

    def all(self, kind):
        return [body for t, body in self.payloads if t == kind]

    def one(self, kind):
        """The body of the only payload of that type."""
        found = self.all(kind)
        if len(found) != 1:
            raise Malformed(f"{len(found)} payloads of type {kind}, not one")
        return found[0]

    def encode(self):
        body = self.body if self.encrypted else encode_payloads(self.payloads)
        first = self.first or (self.payloads[0][0] if self.payloads else 0)
        return self.icookie + self.rcookie + struct.pack(">BBBBII", first, 0x10, self.exchange, self.flags, self.msgid,
                                                         28 + len(body)) + body

    @classmethod
    def decode(cls, data):
        if len(data) < 28:
            raise Malformed(f"{len(data)} bytes are no ISAKMP header")
        first, version, exchange, flags, msgid, length = struct.unpack(">BBBBII", data[16:28])
        if version != 0x10 or length != len(data):
            raise Malformed(f"version {version:#x}, length {length} of {len(data)}")
        message = cls(data[:8], data[8:16], exchange, [], msgid, flags, data[28:], first)
        if not message.encrypted:
            message.payloads = decode_payloads(first, data[28:], padding=3)  # to a multiple of four (RFC 2408 section 3.6)
        return message


def encode_payloads(payloads):
    following = [t for t, _ in payloads[1:]] + [0]
    return b"".join(struct.pack(">BBH", nxt, 0, 4 + len(body)) + body for nxt, (_, body) in zip(following, payloads))


def decode_payloads(kind, data, padding=0):
    """The chain that starts with a payload of type kind; padding: how many bytes may be left over."""
    payloads = []
    while kind:
        if len(data) < 4:
            raise Malformed("a payload header is cut off")
        nxt, _, length = struct.unpack(">BBH", data[:4])
        if length < 4 or length > len(data):
            raise Malformed(f"payload {kind}: length {length} of {len(data)}")
        payloads.append((kind, data[4:length]))
        kind, data = nxt, data[length:]
    if len(data) > padding:
        raise Malformed(f"{len(data)} bytes after the last payload")
    return payloads


def attribute(kind, value):
    """A data attribute: short form where the value fits (RFC 2408 section 3.3)."""
    if value < 0x10000:
        return struct.pack(">HH", 0x8000 | kind, value)
    return struct.pack(">HHI", kind, 4, value)


def decode_attributes(data):
    values = {}
    while data:
        kind, value = struct.unpack(">HH", data[:4])
        data = data[4:]
        if not kind & 0x8000:
            value, data = int.from_bytes(data[:value], "big"), data[value:]
        values[kind & 0x7FFF] = value
    return values


def phase1_transform(cipher, hash_name, group, lifetime=3600, authentication=1):
    """The attributes of one phase-1 transform (RFC 2409 appendix A), in racoon's order. authentication: 1 pre-shared key, 3 RSA."""
    number, bits, _, _ = CIPHERS[cipher]
    pairs = [(11, 1), (12, lifetime), (1, number)] + ([(14, bits)] if bits else []) + [
        (3, authentication), (2, HASHES[hash_name]), (4, group)]
    return b"".join(attribute(*pair) for pair in pairs)


def sa_body(transforms, protocol=1, transform_id=1, spi=b""):
    """An SA payload with one proposal of these transforms (attributes each)."""
    chain = b""
    for number, attributes in enumerate(transforms, 1):
        more = 3 if number < len(transforms) else 0
        chain += struct.pack(">BBHBBH", more, 0, 8 + len(attributes), number, transform_id, 0) + attributes
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(spi) + len(chain), 1, protocol, len(spi), len(transforms)) + spi + chain
    return struct.pack(">II", 1, 1) + proposal  # DOI IPsec, SIT_IDENTITY_ONLY


def sa_transforms(body):
    """The transforms of the first proposal of an SA payload: (number, id, attributes as a dict, attributes as bytes)."""
    if len(body) < 16:
        raise Malformed("SA payload too short")
    spi_size, count = body[14], body[15]
    data, found = body[16 + spi_size:], []
    for _ in range(count):
        if len(data) < 8:
            raise Malformed("a transform is cut off")
        _, _, length, number, ident, _ = struct.unpack(">BBHBBH", data[:8])
        found.append((number, ident, decode_attributes(data[8:length]), data[8:length]))
        data = data[length:]
    return found


def identity_body(address_bytes, protocol=17, port=500):
    """An ID payload that names an address (ID_IPV4_ADDR or ID_IPV6_ADDR)."""
    return struct.pack(">BBH", 1 if len(address_bytes) == 4 else 5, protocol, port) + address_bytes


def notify_body(kind, spi=b"", protocol=1, data=b""):
    return struct.pack(">IBBH", 1, protocol, len(spi), kind) + spi + data


def notify_name(body):
    kind = struct.unpack(">H", body[6:8])[0] if len(body) >= 8 else 0
    return NOTIFY_NAMES.get(kind, str(kind))


# Diffie-Hellman: the primes are 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k), RFC 2412 appendix E and RFC 3526.

GROUPS = {2: (1024, 129093), 5: (1536, 741804), 14: (2048, 124476)}


def _pi(bits):
    """floor(pi * 2^bits), by Machin's formula."""
    one = 1 << (bits + 64)

    def arctan_inverse(x):
        term = total = one // x
        n, sign = 1, 1
        while term:
            term //= x * x
            n, sign = n + 2, -sign
            total += sign * (term // n)
        return total
    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239)) >> 64


@functools.cache
def prime(group):
    bits, k = GROUPS[group]
    return (1 << bits) - (1 << (bits - 64)) - 1 + (((_pi(bits - 130)) + k) << 64)


class DiffieHellman:
    """One side's exchange; public and shared() are as long as the prime, with leading zeros (RFC 2409 section 5).

    short: as one connection of racoon in 256, with a public value whose leading zeros are stripped. takes_short: as racoon, the
    peer's may be so, too.
    """

    def __init__(self, group, secret=None, short=False, takes_short=False):
        self.prime, self.takes_short = prime(group), takes_short
        self.size = GROUPS[group][0] // 8
        self.secret = secret or int.from_bytes(os.urandom(32), "big")
        self.public = pow(2, self.secret, self.prime).to_bytes(self.size, "big")
        while short and self.public[0]:
            self.secret, value = self.secret + 1, int.from_bytes(self.public, "big") * 2 % self.prime
            self.public = value.to_bytes(self.size, "big")
        if short:
            self.public = self.public.lstrip(b"\0")

    def shared(self, peer):
        value = int.from_bytes(peer, "big")
        fits = len(peer) <= self.size if self.takes_short else len(peer) == self.size
        if not fits or not 1 < value < self.prime - 1:
            raise Malformed(f"KE of {len(peer)} bytes, wanted {self.size}")
        return pow(value, self.secret, self.prime).to_bytes(self.size, "big")


# Keys

def prf(hash_name, key, data):
    return hmac.new(key, data, hash_name).digest()


def digest(hash_name, data):
    return hashlib.new(hash_name, data).digest()


@dataclass
class Keys:
    """What phase 1 derives (RFC 2409 section 5), and its encryption."""
    hash_name: str
    cipher: str
    skeyid: bytes
    skeyid_d: bytes
    skeyid_a: bytes
    skeyid_e: bytes
    first_iv: bytes

    @classmethod
    def derive(cls, hash_name, cipher, psk, ni, nr, gxy, icookie, rcookie, gxi, gxr):
        """psk: None with signatures."""
        skeyid = prf(hash_name, ni + nr, gxy) if psk is None else prf(hash_name, psk, ni + nr)
        cookies = icookie + rcookie
        d = prf(hash_name, skeyid, gxy + cookies + b"\0")
        a = prf(hash_name, skeyid, d + gxy + cookies + b"\1")
        e = prf(hash_name, skeyid, a + gxy + cookies + b"\2")
        return cls(hash_name, cipher, skeyid, d, a, e, digest(hash_name, gxi + gxr)[:CIPHERS[cipher][3]])

    @property
    def key(self):
        """The encryption key, stretched if need be (RFC 2409 appendix B)."""
        size = CIPHERS[self.cipher][2]
        if len(self.skeyid_e) >= size:
            return self.skeyid_e[:size]
        block, key = b"\0", b""
        while len(key) < size:
            block = prf(self.hash_name, self.skeyid_e, block)
            key += block
        return key[:size]

    @property
    def block(self):
        return CIPHERS[self.cipher][3]

    def phase2_iv(self, last_block, msgid):
        """The IV of the first message of an exchange after phase 1 (RFC 2409 appendix B)."""
        return digest(self.hash_name, last_block + struct.pack(">I", msgid))[:self.block]

    def encrypt(self, iv, plain):
        plain += bytes(-len(plain) % self.block)
        worker = _cipher(self.cipher, self.key, iv).encryptor()
        return worker.update(plain) + worker.finalize()

    def decrypt(self, iv, data):
        if not data or len(data) % self.block:
            raise Malformed(f"{len(data)} bytes are no whole blocks")
        worker = _cipher(self.cipher, self.key, iv).decryptor()
        return worker.update(data) + worker.finalize()


def _cipher(name, key, iv):
    algorithm = TripleDES(key) if name == "3des" else algorithms.AES(key)
    return Cipher(algorithm, modes.CBC(iv))


def hash_i(keys, gxi, gxr, icookie, rcookie, sa, identity):
    return prf(keys.hash_name, keys.skeyid, gxi + gxr + icookie + rcookie + sa + identity)


def hash_r(keys, gxi, gxr, icookie, rcookie, sa, identity):
    return prf(keys.hash_name, keys.skeyid, gxr + gxi + rcookie + icookie + sa + identity)
