#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the test vectors of shim/ike/esp.c: an ESP packet as one pair of keys seals it, and the same as another pair does,
with the test client's own ESP (tests/client/esp.py).

    CIPHER AUTH ICV_BYTES KEY AUTH_KEY OTHER_KEY OTHER_AUTH_KEY IV IN OUT
"""
import hashlib
import hmac
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent.parent))
from tests.client import esp  # noqa: E402

CIPHERS = {"cbc(aes)": ("aes", (16, 24, 32)), "cbc(des3_ede)": ("3des", (24,))}
MACS = {"hmac(md5)": ("md5", 16, 12), "hmac(sha1)": ("sha1", 20, 12), "hmac(sha256)": ("sha256", 32, 16),
        "hmac(sha384)": ("sha384", 48, 24), "hmac(sha512)": ("sha512", 64, 32)}
SIZES = (0, 1, 13, 14, 15, 100)


def noise(label, length):
    out = b""
    while len(out) < length:
        out += hashlib.sha256(f"{label}/{len(out)}".encode()).digest()
    return out[:length]


def sealed(cipher, mac, icv, keys, iv, size):
    class Sa(esp.Sa):
        def _icv(self, data):
            return hmac.new(self.mac_key, data, self.mac).digest()[:icv]
    sa = Sa(0x1234abcd, cipher, keys[0], mac, keys[1])
    sa.sequence = 0x00ffee00 + size
    esp.os.urandom = lambda length: iv[:length]
    return sa.seal(noise("payload", size))


with open(HERE / "packets.txt", "w", encoding="ascii") as file:
    file.write("# Made by tests/vectors/esp/make.py\n")
    for cipher, (cipher_name, lengths) in CIPHERS.items():
        for length in lengths:
            for mac, (mac_name, mac_length, icv) in MACS.items():
                for size in SIZES:
                    pairs = [(noise(f"key{n}", length), noise(f"auth{n}", mac_length)) for n in range(2)]
                    ivs = [noise(f"iv{n}", 16) for n in range(2)]
                    packets = [sealed(cipher_name, mac_name, icv, keys, iv, size) for keys, iv in zip(pairs, ivs)]
                    words = [*pairs[0], *pairs[1], ivs[1], *packets]
                    file.write(f"{cipher} {mac} {icv} " + " ".join(word.hex() for word in words) + "\n")
