# SPDX-License-Identifier: GPL-2.0-or-later
"""MS-CHAPv2's arithmetic (RFC 2759 section 8), with MD4 (RFC 1320), which OpenSSL 3 no longer gives away."""
import hashlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, modes

from .ciphers import TripleDES


def md4(data):
    mask = 0xffffffff
    state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
    rounds = (
        (lambda x, y, z: x & y | ~x & z, 0, range(16), (3, 7, 11, 19)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5a827999, [i % 4 * 4 + i // 4 for i in range(16)], (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ed9eba1, [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15)))
    padded = data + b"\x80" + b"\0" * (-(len(data) + 9) % 64) + struct.pack("<Q", 8 * len(data))
    for start in range(0, len(padded), 64):
        words = struct.unpack("<16I", padded[start:start + 64])
        a, b, c, d = state
        for function, constant, order, shifts in rounds:
            for step, index in enumerate(order):
                value = (a + (function(b, c, d) & mask) + words[index] + constant) & mask
                shift = shifts[step % 4]
                a, b, c, d = d, (value << shift | value >> 32 - shift) & mask, b, c
        state = [(old + new) & mask for old, new in zip(state, (a, b, c, d))]
    return struct.pack("<4I", *state)


def _des(key7, block):
    bits = int.from_bytes(key7, "big")
    key = bytes((bits >> 49 - 7 * i & 0x7f) << 1 for i in range(8))
    return Cipher(TripleDES(key * 3), modes.ECB()).encryptor().update(block)


def _challenge_hash(peer_challenge, challenge, user):
    return hashlib.sha1(peer_challenge + challenge + user.encode()).digest()[:8]


def nt_response(challenge, peer_challenge, user, password):
    hashed = md4(password.encode("utf-16-le")).ljust(21, b"\0")
    short = _challenge_hash(peer_challenge, challenge, user)
    return b"".join(_des(hashed[i:i + 7], short) for i in (0, 7, 14))


def authenticator_response(challenge, peer_challenge, response, user, password):
    """What the server must say ("S=" and 40 hex digits) if it knows the password too."""
    twice = md4(md4(password.encode("utf-16-le")))
    digest = hashlib.sha1(twice + response + b"Magic server to client signing constant").digest()
    last = hashlib.sha1(digest + _challenge_hash(peer_challenge, challenge, user) +
                        b"Pad to make it do more than one iteration").hexdigest()
    return "S=" + last.upper()
