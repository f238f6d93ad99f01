#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes apple-keys.txt: Main Mode and Quick Mode of Apple's own racoon as it was captured, with the key of each exchange and what
stands inside the encryption. Needs the captures (../shared/captures/apple); without them the file stays as it is.

The client was run from Apple's published sources in a test network, with the pre-shared key "secret"; the addresses are that
network's. Decrypted here by the RFCs with the test client's own arithmetic (tests/client/ike1.py), nothing of the C code.

    exchange NAME
    psk TEXT
    key HEX                         of the cipher, 3DES-CBC; the hash is SHA1
    message HEX                     each once, in order
    plain HEX                       of the message before it, padding included, where that is encrypted
"""
import hashlib
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
CAPTURES = ROOT / ".." / "shared" / "captures" / "apple"
sys.path.insert(0, str(ROOT))
from tests.client import ike1  # noqa: E402
from tests.lib.capfile import Capture, Udp  # noqa: E402

IP_AT = {1: 14, 101: 0, 113: 16, 276: 20}  # by link type
OTHER_KEY = "17-"  # its noted key is not its own
EXCHANGES = (ike1.MAIN, ike1.QUICK)


def exchanges():
    """Name, cookie, key: the table of keys in the README of the captures."""
    for name, cookie, key in re.findall(r"^\| (\S+) \| ([0-9a-f]{16}) \| ([0-9a-f]{48}) \|$", (CAPTURES / "README.md").read_text(), re.M):
        if not name.startswith(OTHER_KEY):
            yield name, bytes.fromhex(cookie), bytes.fromhex(key)


def messages(name, cookie):
    capture = Capture((CAPTURES / f"{name}-client.pcap").read_bytes())
    seen = []
    for frame in capture.frames:
        udp = Udp(frame[IP_AT[capture.link]:])
        if not udp.good or udp.ike() is None:
            continue
        data = udp.payload[udp.ike():]
        if data[:8] == cookie and data[18] in EXCHANGES and data not in seen:
            seen.append(data)
    return seen


class Reader:
    """The IV chains of RFC 2409 appendix B."""

    def __init__(self, key):
        self.key, self.public, self.iv, self.quick = key, [], None, {}

    def plain(self, data):
        message = ike1.Message.decode(data)
        if not message.encrypted:
            self.public += message.all(ike1.KE)
            if len(self.public) == 2:
                self.iv = hashlib.sha1(self.public[0] + self.public[1]).digest()[:8]
            return None
        if message.exchange == ike1.MAIN:
            iv, self.iv = self.iv, data[-8:]
        else:
            iv = self.quick.get(data[20:24]) or hashlib.sha1(self.iv + data[20:24]).digest()[:8]
            self.quick[data[20:24]] = data[-8:]
        worker = ike1._cipher("3des", self.key, iv).decryptor()
        return worker.update(data[28:]) + worker.finalize()


def main():
    if not CAPTURES.is_dir():
        print(f"no captures in {os.path.relpath(CAPTURES)}: apple-keys.txt stays as it is", file=sys.stderr)
        return
    lines = ["# Made by make_apple_keys.py, which says what this is; do not edit."]
    for name, cookie, key in exchanges():
        lines += ["", f"exchange {name}", "psk secret", f"key {key.hex()}"]
        reader = Reader(key)
        for data in messages(name, cookie):
            plain = reader.plain(data)
            lines += [f"message {data.hex()}"] + ([f"plain {plain.hex()}"] if plain else [])
    (HERE / "apple-keys.txt").write_text("\n".join(lines) + "\n")


main()
