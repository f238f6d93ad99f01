#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the seeds of fuzz_explain from the captures of tests/vectors/rewrite. The format stands in fuzz_explain.c."""
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.lib import capfile  # noqa: E402

SEEDS = ROOT / "tests" / "fuzz" / "corpus" / "explain"
SERVER = capfile.packed("198.51.100.1")
SLOW = 2 << 1  # three seconds before each


def record(packet, flags):
    return struct.pack("!BH", flags, len(packet)) + packet


def ip_of(capture, frame):
    return frame[{1: 14, 101: 0, 113: 16}[capture.link]:]


def fragmented(packet):
    """An IPv4 packet as two fragments."""
    at = 20 + 256
    parts = []
    for start, end, place in ((20, at, 0x2000), (at, len(packet), 256 // 8)):
        head = packet[:2] + struct.pack("!H", 20 + end - start) + packet[4:6] + struct.pack("!H", place) + packet[8:20]
        parts.append(head + packet[start:end])
    return parts


def main():
    SEEDS.mkdir(exist_ok=True)
    for path in sorted((ROOT / "tests" / "vectors" / "rewrite").glob("*.in.pcap")):
        capture = capfile.Capture(path.read_bytes())
        packets = [ip_of(capture, frame) for frame in capture.frames]
        seed = b"".join(record(p, SLOW | (p[12:16] == SERVER)) for p in packets)
        (SEEDS / path.name.removesuffix(".in.pcap")).write_bytes(seed)
    exchange = capfile.Exchange("apple")
    parts = [part for p in exchange.packets() for part in (fragmented(p) if len(p) > 300 else [p])]
    (SEEDS / "fragments").write_bytes(b"".join(record(p, p[12:16] == SERVER) for p in parts))
    esp = [capfile.udp_packet("192.0.2.9", 4500, "198.51.100.1", 4500, spi * 4 + bytes(20)) for spi in (b"\1", b"\2")]
    rest = esp + [capfile.udp_packet("192.0.2.9", 4500, "198.51.100.1", 4500, b"\xff"),
                  capfile.udp_packet("192.0.2.9", 1701, "198.51.100.1", 1701,
                                     bytes.fromhex("c802001400000000000000008008000000000001"))]
    (SEEDS / "esp").write_bytes(b"".join(record(p, 0) for p in exchange.packets() + rest))


main()
