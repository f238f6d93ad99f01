# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets as they pass a host: on its wire (AF_PACKET) and inside, where its daemons send and receive (NFLOG).

Between the two lies whatever the firewall does: Sides compares them. IKE and ESP in UDP only, ports 500 and 4500.
"""
import socket
import struct
import time
from dataclasses import dataclass

ETH_P_ALL = 3
PORTS = (500, 4500)
OUTGOING = 4  # PACKET_OUTGOING
_GROUP_IN, _GROUP_OUT = 701, 702
_NETFILTER, _ULOG = 12, 4  # NETLINK_NETFILTER, NFNL_SUBSYS_ULOG


@dataclass(frozen=True)
class Packet:
    """A UDP packet; payload without headers. Checksums are left out: devices are free to compute them late."""
    outgoing: bool
    source: str
    destination: str
    source_port: int
    destination_port: int
    payload: bytes

    def __str__(self):
        return (f"{'out' if self.outgoing else 'in '} {self.source}:{self.source_port} -> "
                f"{self.destination}:{self.destination_port} {self.payload.hex()}")


def parse(ip, outgoing):
    """The Packet in an IP packet, None if it is none of ours. Fragments are not expected in these tests."""
    if not ip:
        return None
    if ip[0] >> 4 == 4:
        family, source, destination, protocol, start = socket.AF_INET, ip[12:16], ip[16:20], ip[9], 4 * (ip[0] & 15)
    else:
        family, source, destination, protocol, start = socket.AF_INET6, ip[8:24], ip[24:40], ip[6], 40
    if protocol != 17:
        return None
    sport, dport, length = struct.unpack(">HHH", ip[start:start + 6])
    if not set(PORTS) & {sport, dport}:
        return None
    return Packet(outgoing, socket.inet_ntop(family, source), socket.inet_ntop(family, destination), sport, dport,
                  ip[start + 8:start + length])


class Wire:
    """What passes an interface, before the firewall on the way in, after it on the way out."""

    def __init__(self, host, iface):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((iface, ETH_P_ALL))
        self.socket.setblocking(False)
        self.seen = []

    def packets(self):
        while True:
            try:
                frame, address = self.socket.recvfrom(65535)
            except BlockingIOError:
                return self.seen
            if packet := parse(frame[14:], address[2] == OUTGOING):
                self.seen.append(packet)

    def close(self):
        self.socket.close()


class Recording:
    """All frames of an interface, with their times, as tcpdump would write them: with Recording(host, "wan") as tape: ...; tape.pcap().
    What this host sends has no checksum yet where the device computes it, as in a capture of tcpdump's."""

    def __init__(self, host, iface):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        self.socket.bind((iface, ETH_P_ALL))
        self.socket.setblocking(False)
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.read()
        self.socket.close()

    def read(self):
        while True:
            try:
                frame, extra, _, _ = self.socket.recvmsg(65535, 256)
            except BlockingIOError:
                return
            stamp = next((struct.unpack("qq", data[:16]) for _, kind, data in extra if kind == 35), (0, 0))
            self.frames.append((stamp, frame))

    def pcap(self):
        """The whole as a file of nanoseconds, Ethernet."""
        head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
        return head + b"".join(struct.pack("<IIII", *stamp, len(frame), len(frame)) + frame for stamp, frame in self.frames)


class Inside:
    """What the host's own programs receive and send, as the last input hook and the first output hook see it."""

    TABLE = "inet inside_capture"

    def __init__(self, host):
        self.host, self.seen = host, []
        self.socket = host.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        self.socket.bind((0, 0))
        for group in (_GROUP_IN, _GROUP_OUT):
            self._config(group, 1, b"\1")                            # bind the group
            self._config(group, 2, struct.pack(">IBB", 0xFFFF, 2, 0))  # copy whole packets
        self.socket.setblocking(False)
        ports = "{ 500, 4500 }"
        host.nft(f"""table {self.TABLE} {{
            chain received {{ type filter hook input priority 1000;
                udp dport {ports} log group {_GROUP_IN} queue-threshold 1
            }}
            chain sent {{ type filter hook output priority -1000;
                udp sport {ports} log group {_GROUP_OUT} queue-threshold 1
            }}
        }}""")

    def _config(self, group, kind, value):
        attribute = struct.pack("HH", 4 + len(value), kind) + value
        attribute += bytes(-len(attribute) % 4)
        body = struct.pack(">BBH", 0, 0, group) + attribute
        self.socket.send(struct.pack("IHHII", 16 + len(body), _ULOG << 8 | 1, 1 | 4, 1, 0) + body)  # REQUEST | ACK
        answer = self.socket.recv(4096)
        if struct.unpack("i", answer[16:20])[0]:
            raise OSError(-struct.unpack("i", answer[16:20])[0], "NFLOG")

    def packets(self):
        while True:
            try:
                data = self.socket.recv(1 << 17)
            except BlockingIOError:
                return self.seen
            while len(data) >= 20:
                length, kind = struct.unpack("IH", data[:6])
                if kind == _ULOG << 8:
                    self._packet(data[16:length])
                data = data[(length + 3) & ~3:]

    def _packet(self, message):
        group, at = struct.unpack(">H", message[2:4])[0], 4
        while at + 4 <= len(message):
            length, kind = struct.unpack("HH", message[at:at + 4])
            if kind == 9:  # NFULA_PAYLOAD
                if packet := parse(message[at + 4:at + length], group == _GROUP_OUT):
                    self.seen.append(packet)
            at += (length + 3) & ~3

    def close(self):
        self.socket.close()
        self.host.run("nft", "delete", "table", *self.TABLE.split(), check=False)


class Sides:
    """Both sides of a host's firewall at once."""

    def __init__(self, host, iface="wan"):
        self.wire, self.inside = Wire(host, iface), Inside(host)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()
        self.inside.close()

    def compare(self):
        """(number of packets, what differs as text): each direction in its order, byte for byte."""
        time.sleep(0.1)
        wire, inside = self.wire.packets(), self.inside.packets()
        differences = []
        for outgoing in (False, True):
            one = [p for p in wire if p.outgoing == outgoing]
            two = [p for p in inside if p.outgoing == outgoing]
            differences += [f"wire   {a}\ninside {b}" for a, b in zip(one, two) if a != b]
            differences += [f"only on the wire: {p}" for p in one[len(two):]] + [f"only inside: {p}" for p in two[len(one):]]
        return len(wire), "\n".join(differences)

    def forget(self):
        """Starts anew."""
        self.compare()
        self.wire.seen.clear()
        self.inside.seen.clear()
