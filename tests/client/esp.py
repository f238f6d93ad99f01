# SPDX-License-Identifier: GPL-2.0-or-later
"""ESP in transport mode, all in user space (RFC 4303, RFC 3948): AES-CBC or 3DES-CBC with HMAC-SHA1-96 or HMAC-MD5-96.

Sa is one direction of a pair; it knows nothing of sockets. udp_segment() and udp_parse() make and read what it carries here.
"""
import hashlib
import hmac
import os
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .ciphers import TripleDES

CIPHERS = {"aes": (algorithms.AES, 16), "3des": (TripleDES, 8)}  # name: algorithm, block size
HASHES = {"sha1": 20, "md5": 16}  # name: key length
ICV = 12
WINDOW = 64
UDP = 17


class Refused(Exception):
    """A packet that ESP does not accept; the text says why."""


class Sa:
    """One security association: seal() for the outbound, open() for the inbound one."""

    def __init__(self, spi, cipher, key, mac, mac_key):
        self.spi, self.mac, self.mac_key = spi, mac, mac_key
        self.algorithm, self.block = CIPHERS[cipher]
        self.key = key
        self.sequence = 0  # the last one sent, or the highest one received
        self.seen = 0  # bit n: sequence - n has been received
        self.packets = self.bytes = 0

    def _icv(self, data):
        return hmac.new(self.mac_key, data, getattr(hashlib, self.mac)).digest()[:ICV]

    def seal(self, payload, next_header=UDP):
        self.sequence += 1
        padding = -(len(payload) + 2) % self.block
        plain = payload + bytes(range(1, padding + 1)) + bytes([padding, next_header])
        iv = os.urandom(self.block)
        cipher = Cipher(self.algorithm(self.key), modes.CBC(iv)).encryptor()
        packet = struct.pack(">II", self.spi, self.sequence) + iv + cipher.update(plain)
        self._count(payload)
        return packet + self._icv(packet)

    def open(self, packet):
        """(payload, next header), or Refused."""
        body = packet[8 + self.block:-ICV]
        if len(packet) < 8 + self.block + ICV or not body or len(body) % self.block:
            raise Refused("length")
        spi, sequence = struct.unpack(">II", packet[:8])
        if spi != self.spi:
            raise Refused("SPI")
        if self._replayed(sequence):
            raise Refused("replay")
        if not hmac.compare_digest(self._icv(packet[:-ICV]), packet[-ICV:]):
            raise Refused("ICV")
        self._mark(sequence)
        cipher = Cipher(self.algorithm(self.key), modes.CBC(packet[8:8 + self.block])).decryptor()
        plain = cipher.update(body)
        padding, next_header = plain[-2:]
        if padding + 2 > len(plain) or plain[len(plain) - 2 - padding:-2] != bytes(range(1, padding + 1)):
            raise Refused("padding")
        payload = plain[:len(plain) - 2 - padding]
        self._count(payload)
        return payload, next_header

    def _replayed(self, sequence):
        behind = self.sequence - sequence
        return sequence == 0 or behind >= WINDOW or (behind >= 0 and self.seen >> behind & 1)

    def _mark(self, sequence):
        ahead = sequence - self.sequence
        if ahead > 0:
            self.seen = (self.seen << ahead | 1) & ((1 << WINDOW) - 1)
            self.sequence = sequence
        else:
            self.seen |= 1 << -ahead

    def _count(self, payload):
        self.packets += 1
        self.bytes += len(payload)


def ones_sum(data):
    """The Internet checksum's sum of data, folded, not yet inverted (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def _pseudo(source, destination, length):
    """source, destination: packed addresses (4 or 16 bytes)."""
    return source + destination + struct.pack(">II" if len(source) == 16 else ">HH", *((length, UDP) if
                                              len(source) == 16 else (UDP, length)))


def udp_segment(source, sport, destination, dport, data):
    """A UDP header and data, the checksum right for these packed addresses."""
    length = 8 + len(data)
    header = struct.pack(">HHHH", sport, dport, length, 0)
    checksum = ~ones_sum(_pseudo(source, destination, length) + header + data) & 0xffff or 0xffff
    return header[:6] + struct.pack(">H", checksum) + data


def udp_parse(source, destination, segment):
    """(source port, destination port, data, whether the checksum is right or absent), or None if it isn't UDP's form."""
    if len(segment) < 8:
        return None
    sport, dport, length, checksum = struct.unpack(">HHHH", segment[:8])
    if not 8 <= length <= len(segment):
        return None
    good = checksum == 0 or ones_sum(_pseudo(source, destination, length) + segment[:length]) == 0xffff
    return sport, dport, segment[8:length], good
