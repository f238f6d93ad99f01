# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files, packets and IKEv1 phase-1 messages, made and read from their specifications: what the tests of natshim's
offline mode compare its work with. Shares nothing with the program (RFC 768, 791, 1071, 2408, 2409, 3947, 8200; pcap and
pcapng as draft-ietf-opsawg-pcap and -pcapng say)."""
import hashlib
import ipaddress
import struct

VENDORS = {name: hashlib.md5(text.encode()).digest() for name, text in {
    "rfc3947": "RFC 3947",
    "apple": "draft-ietf-ipsec-nat-t-ike",
    **{f"draft-0{n}": f"draft-ietf-ipsec-nat-t-ike-0{n}" for n in range(2, 9)},
    "draft-02n": "draft-ietf-ipsec-nat-t-ike-02\n",
}.items()}
VENDORS["microsoft"] = hashlib.md5(b"MS NT5 ISAKMPOAKLEY").digest() + bytes([0, 0, 0, 9])
HASHES = {1: hashlib.md5, 2: hashlib.sha1, 4: hashlib.sha256, 5: hashlib.sha384, 6: hashlib.sha512}
SA, KE, NONCE, VID, NATD_DRAFT, NATD, NATOA_DRAFT, NATD_OLD = 1, 4, 10, 13, 15, 20, 16, 130
MAIN, AGGRESSIVE = 2, 4


# Checksums

def ones_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def pseudo_header(src, dst, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, 17, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, 17)


# Packets

def packed(address):
    return ipaddress.ip_address(address).packed


def udp_packet(src, sport, dst, dport, payload, checksum=True, ip_id=1):
    """One IP packet; checksum: True, False (damaged) or None (zero)."""
    src, dst, length = packed(src), packed(dst), 8 + len(payload)
    udp = struct.pack("!HHHH", sport, dport, length, 0) + payload
    value = ~ones_sum(pseudo_header(src, dst, length) + udp) & 0xffff or 0xffff
    value = {True: value, False: value ^ 0x0102, None: 0}[checksum]
    udp = udp[:6] + struct.pack("!H", value) + udp[8:]
    if len(src) == 16:
        return struct.pack("!IHBB", 0x60000000, length, 17, 64) + src + dst + udp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, ip_id, 0, 64, 17, 0) + src + dst
    head = head[:10] + struct.pack("!H", ~ones_sum(head) & 0xffff) + head[12:]
    return head + udp


class Udp:
    """An IP packet (IPv4, or IPv6 without extension headers) taken apart; good is False if it is no UDP."""

    def __init__(self, packet):
        self.good = False
        if len(packet) >= 28 and packet[0] >> 4 == 4 and packet[9] == 17 and not packet[6] & 0x3f:
            self.header = (packet[0] & 15) * 4
            self.src, self.dst = packet[12:16], packet[16:20]
            packet = packet[:struct.unpack("!H", packet[2:4])[0]]
        elif len(packet) >= 48 and packet[0] >> 4 == 6 and packet[6] == 17:
            self.header = 40
            self.src, self.dst = packet[8:24], packet[24:40]
            packet = packet[:40 + struct.unpack("!H", packet[4:6])[0]]
        else:
            return
        self.udp = packet[self.header:]
        self.sport, self.dport, self.length, self.checksum = struct.unpack("!HHHH", self.udp[:8])
        self.good = 8 <= self.length <= len(self.udp)
        self.payload = self.udp[8:self.length]

    def sum(self):
        """0xffff: the checksum is right."""
        return ones_sum(pseudo_header(self.src, self.dst, self.length) + self.udp[:self.length])

    def ike(self):
        """The offset of the IKE message in the payload, None: there is none."""
        if 4500 in (self.sport, self.dport) and self.payload[:4] == bytes(4):
            return 4
        return 0 if 500 in (self.sport, self.dport) else None


# ISAKMP

class Isakmp:
    """A clear message taken apart: payloads is a list of (type, body)."""

    def __init__(self, message):
        self.icookie, self.rcookie = message[:8], message[8:16]
        next_type, self.version, self.exchange, self.flags, self.id, self.length = struct.unpack("!BBBBII", message[16:28])
        self.payloads, at = [], 28
        self.clear = self.version >> 4 == 1 and not self.flags & 1 and self.exchange in (MAIN, AGGRESSIVE)
        while self.clear and next_type:
            following, _, length = struct.unpack("!BBH", message[at:at + 4])
            if length < 4 or at + length > len(message):
                raise ValueError(f"payload {next_type} at {at}: length {length}")
            self.payloads.append((next_type, message[at + 4:at + length]))
            next_type, at = following, at + length

    def of(self, kind):
        return [body for payload, body in self.payloads if payload == kind]

    def vendors(self):
        return [name for name, digest in VENDORS.items() if digest in self.of(VID)]

    def hash(self):
        """The hash algorithm of the first transform (RFC 2408 section 3.6, RFC 2409 appendix A)."""
        sa = self.of(SA)[0]
        at = 8 + 8 + sa[8 + 6] + 8  # DOI and situation, proposal with its SPI, transform
        end = at - 8 + struct.unpack("!H", sa[at - 6:at - 4])[0]
        while at < end:
            kind, value = struct.unpack("!HH", sa[at:at + 4])
            if kind == 0x8002:
                return value
            at += 4 if kind & 0x8000 else 4 + value
        return None


def isakmp(icookie, rcookie, payloads, exchange=MAIN, flags=0, body=b""):
    chain = b""
    for i, (_, content) in enumerate(payloads):
        following = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        chain += struct.pack("!BBH", following, 0, 4 + len(content)) + content
    first = payloads[0][0] if payloads else 8
    return icookie + rcookie + struct.pack("!BBBBII", first, 0x10, exchange, flags, 0, 28 + len(chain + body)) + chain + body


def sa_body(hash_algorithm):
    attributes = b"".join(struct.pack("!HH", 0x8000 | kind, value) for kind, value in
                          ((1, 5), (2, hash_algorithm), (3, 1), (4, 5), (11, 1), (12, 3600)))
    transform = struct.pack("!BBHBBH", 0, 0, 8 + len(attributes), 1, 1, 0) + attributes
    return struct.pack("!II", 1, 1) + struct.pack("!BBHBBBB", 0, 0, 8 + len(transform), 1, 1, 0, 1) + transform


def natd(algorithm, icookie, rcookie, address, port):
    return HASHES[algorithm](icookie + rcookie + packed(address) + struct.pack("!H", port)).digest()


def noise(seed, length):
    return hashlib.shake_128(str(seed).encode()).digest(length)


DIALECTS = {  # vendor IDs offered, NAT-D type, own address first
    "apple": (["apple"], NATD_DRAFT, True),
    "tiger-late": (["rfc3947", "apple", "draft-02", "draft-02n"], NATD, True),
    "leopard": (["rfc3947", "apple", "draft-08", "draft-07", "draft-06", "draft-05", "draft-04", "draft-03"], NATD, False),
    "rfc3947": (["rfc3947", "draft-03"], NATD, False),
    "draft-03": (["draft-03"], NATD_OLD, False),
    "windows": (["microsoft", "rfc3947", "draft-02n"], NATD, False),
    **{f"draft-0{n}": ([f"draft-0{n}", "draft-03"], NATD_DRAFT, False) for n in range(4, 9)},
}


class Exchange:
    """Main Mode (or Aggressive Mode) between two hosts as (source, destination, message) with ports in the hosts. The answer
    is in the dialect answered: the client's own, or rfc3947 as a server says it."""

    def __init__(self, dialect, answered="rfc3947", algorithm=2, client="192.0.2.9", server="198.51.100.1", private="10.0.0.7",
                 aggressive=False, seed=1, server_starts=False, inside=None):
        self.client, self.server, self.private = (client, 500), (server, 500), (private or client, 500)
        self.inside = (inside or server, 500)  # the server's own address
        self.algorithm, self.dialect, self.answered = algorithm, dialect, answered
        self.icookie, self.rcookie = noise(f"i{seed}", 8), noise(f"r{seed}", 8)
        self.seed, self.mode = seed, AGGRESSIVE if aggressive else MAIN
        self.messages = []
        if server_starts:
            self.run_from_server()
        elif aggressive:
            self.run_aggressive()
        else:
            self.run_main()

    def natd(self, host):
        return natd(self.algorithm, self.icookie, self.rcookie, *host)

    def natds(self, dialect, destination, own):
        kind, own_first = DIALECTS[dialect][1:]
        bodies = [self.natd(destination), self.natd(own)]
        return [(kind, body) for body in (reversed(bodies) if own_first else bodies)]

    def say(self, up, payloads, first=False, flags=0, body=b"", port=500):
        hosts = [(host[0], port) for host in (self.client, self.server)]
        src, dst = hosts if up else reversed(hosts)
        rcookie = bytes(8) if first else self.rcookie
        self.messages.append((src, dst, isakmp(self.icookie, rcookie, payloads, self.mode, flags, body)))

    def offer(self, dialect):
        return [(SA, sa_body(self.algorithm))] + [(VID, VENDORS[name]) for name in DIALECTS[dialect][0]]

    def answer(self):
        return [(SA, sa_body(self.algorithm)), (VID, noise("xauth", 8)), (VID, VENDORS[DIALECTS[self.answered][0][0]])]

    def keys(self, who):
        return [(KE, noise(f"{who}{self.seed}", 192)), (NONCE, noise(f"n{who}{self.seed}", 16))]

    def run_main(self):
        self.say(True, self.offer(self.dialect), first=True)
        self.say(False, self.answer())
        self.say(True, self.keys("i") + [(VID, noise("racoon", 16))] + self.natds(self.dialect, self.server, self.private))
        self.say(False, self.keys("r") + self.natds(self.answered, self.client, self.inside))
        self.say(True, [], flags=1, body=noise("mm5", 40), port=4500)
        self.say(False, [], flags=1, body=noise("mm6", 40), port=4500)

    def seen_inside(self):
        """The packets as they are behind the server's NAT."""
        moved = []
        for src, dst, message in self.messages:
            (a, sport), (b, dport) = [(self.inside[0] if host == self.server[0] else host, port) for host, port in (src, dst)]
            moved.append(udp_packet(a, sport, b, dport, (bytes(4) if dport == 4500 else b"") + message))
        return moved

    def run_aggressive(self):
        self.say(True, self.offer(self.dialect)[:1] + self.keys("i") + [(5, bytes(8))] + self.offer(self.dialect)[1:], first=True)
        self.say(False, self.answer()[:1] + self.keys("r") + [(5, bytes(8)), (8, noise("hash", 20))] + self.answer()[1:]
                 + self.natds(self.answered, self.client, self.server))
        self.say(True, [(8, noise("hash2", 20))] + self.natds(self.dialect, self.server, self.private))

    def run_from_server(self):
        """The server's rekey, of a peer whose dialect is known from before."""
        self.say(False, self.offer("rfc3947"), first=True)
        self.say(True, [(SA, sa_body(self.algorithm)), (VID, VENDORS[DIALECTS[self.dialect][0][0]])])
        self.say(False, self.keys("i") + self.natds("rfc3947", self.client, self.server))
        self.say(True, self.keys("r") + self.natds(self.dialect, self.server, self.private))

    def packets(self, **how):
        return [udp_packet(*src, *dst, (bytes(4) if dst[1] == 4500 else b"") + message, **how)
                for src, dst, message in self.messages]


# Link layers: name -> (LINKTYPE, frame made of an IP packet, length of the header)

def _ethertype(packet):
    return struct.pack("!H", 0x0800 if packet[0] >> 4 == 4 else 0x86dd)


def _family(order, ipv6):
    return lambda packet: struct.pack(order + "I", 2 if packet[0] >> 4 == 4 else ipv6) + packet


LINKS = {
    "ethernet": (1, lambda p: noise("mac", 12) + _ethertype(p) + p, 14),
    "ethernet, VLAN": (1, lambda p: noise("mac", 12) + b"\x81\x00\x00\x2a" + _ethertype(p) + p, 18),
    "ethernet, QinQ": (1, lambda p: noise("mac", 12) + b"\x88\xa8\x00\x2a\x81\x00\x00\x07" + _ethertype(p) + p, 22),
    "raw": (101, lambda p: p, 0),
    "IPv4": (228, lambda p: p, 0),
    "IPv6": (229, lambda p: p, 0),
    "cooked": (113, lambda p: b"\x00\x04\x00\x01\x00\x06" + noise("mac", 8) + _ethertype(p) + p, 16),
    "cooked 2": (276, lambda p: _ethertype(p) + bytes(2) + b"\0\0\0\x03\0\1\4\6" + noise("mac", 8) + p, 20),
    "null, little endian": (0, _family("<", 30), 4),
    "null, big endian": (0, _family(">", 24), 4),
    "loop": (108, _family(">", 24), 4),
}


# Files

def pcap(frames, link=1, order="<", nano=False, snaplen=262144):
    """frames: bytes, or (bytes, length on the wire)."""
    out = struct.pack(order + "IHHiIII", 0xa1b23c4d if nano else 0xa1b2c3d4, 2, 4, 0, 0, snaplen, link)
    for i, frame in enumerate(frames):
        frame, wire = frame if isinstance(frame, tuple) else (frame, len(frame))
        out += struct.pack(order + "IIII", 1700000000 + i, 123456 * (1000 if nano else 1) + i, len(frame), wire) + frame
    return out


def pcapng(frames, links=(1, 1), order="<", resolution=9):
    """Frames go to the interfaces in turn."""
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack(order + "II", kind, 12 + len(body)) + body + struct.pack(order + "I", 12 + len(body))
    out = block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1))
    for link in links:
        out += block(1, struct.pack(order + "HHIHHB3xHH", link, 0, 262144, 9, 1, resolution, 0, 0))
    for i, frame in enumerate(frames):
        stamp = (1700000000 + i) * 10 ** resolution + 123456789 // 10 ** (9 - resolution)
        out += block(6, struct.pack(order + "IIIII", i % len(links), stamp >> 32, stamp & 0xffffffff, len(frame), len(frame))
                     + frame + b"\0" * (-len(frame) % 4))
    return out


class Capture:
    """A pcap file taken apart: records are (seconds, fraction, length on the wire, frame)."""

    def __init__(self, data):
        magic = {b"\xd4\xc3\xb2\xa1": ("<", False), b"\x4d\x3c\xb2\xa1": ("<", True),
                 b"\xa1\xb2\xc3\xd4": (">", False), b"\xa1\xb2\x3c\x4d": (">", True)}
        order, self.nano = magic[data[:4]]
        self.snaplen, self.link = struct.unpack(order + "II", data[16:24])
        self.link &= 0xffff
        self.records, at = [], 24
        while at < len(data):
            seconds, fraction, length, wire = struct.unpack(order + "IIII", data[at:at + 16])
            if at + 16 + length > len(data):
                raise ValueError(f"record at {at} is cut short")
            self.records.append((seconds, fraction, wire, data[at + 16:at + 16 + length]))
            at += 16 + length
        self.frames = [record[3] for record in self.records]
