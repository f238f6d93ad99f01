#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The other yardstick of bench_queue: what an admin would write in an afternoon, a program in plain Python that rewrites every
packet as natshim does (vendor ID in message 1; type and order of NAT-D in message 3; UDP checksum). One packet, one verdict.

    tests/bench/rewriter.py QUEUE FD        FD: shared memory, a 64-bit counter of the packets"""
import mmap
import socket
import struct
import sys

NETLINK_NETFILTER, SUBSYSTEM_QUEUE = 12, 3
PACKET, VERDICT, CONFIG = 0, 1, 2
NFQA_PACKET_HDR, NFQA_VERDICT_HDR, NFQA_PAYLOAD = 1, 2, 10
CFG_CMD, CFG_PARAMS, CFG_QUEUE_MAXLEN = 1, 2, 3
NF_ACCEPT = 1
APPLE = bytes.fromhex("4df37928e9fc4fd1b3262170d515c662")
RFC3947 = bytes.fromhex("4a131c81070358455c5728f20e95452f")
VENDOR_ID, NATD_OLD, NATD = 13, 15, 20


def attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def message(queue, kind, body):
    return struct.pack("IHHIIBBH", 20 + len(body), SUBSYSTEM_QUEUE << 8 | kind, 1, 0, 0, 0, 0, socket.htons(queue)) + body


def attributes(data):
    at = 20
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        yield kind & 0x7fff, data[at + 4:at + length]
        at += length + 3 & ~3


def rewrite_ike(ike):
    """In place."""
    kind_at, at, hashes = 16, 28, []
    while ike[kind_at] and at + 4 <= len(ike):
        kind, length = ike[kind_at], struct.unpack_from(">H", ike, at + 2)[0]
        if length < 4:
            return
        if kind == VENDOR_ID and ike[at + 4:at + length] == APPLE:
            ike[at + 4:at + length] = RFC3947
        elif kind == NATD_OLD:
            ike[kind_at] = NATD
            hashes.append(slice(at + 4, at + length))
        kind_at, at = at, at + length
    if len(hashes) == 2:
        ike[hashes[0]], ike[hashes[1]] = ike[hashes[1]], ike[hashes[0]]


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff or 0xffff


def rewrite(packet):
    """An IPv4 packet, as natshim would send it on."""
    packet = bytearray(packet)
    udp = (packet[0] & 15) * 4
    ike = packet[udp + 8:]
    rewrite_ike(ike)
    packet[udp + 8:] = ike
    packet[udp + 6:udp + 8] = bytes(2)
    pseudo = packet[12:20] + struct.pack(">HH", socket.IPPROTO_UDP, len(packet) - udp)
    packet[udp + 6:udp + 8] = struct.pack(">H", checksum(pseudo + packet[udp:] + bytes(len(packet) - udp & 1)))
    return bytes(packet)


def main():
    queue, shared = int(sys.argv[1]), int(sys.argv[2])
    handled = memoryview(mmap.mmap(shared, 8)).cast("Q")
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    netlink.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    netlink.send(message(queue, CONFIG, attribute(CFG_CMD, struct.pack(">BBH", 1, 0, 0))
                         + attribute(CFG_PARAMS, struct.pack(">IB", 0xffff, 2))
                         + attribute(CFG_QUEUE_MAXLEN, struct.pack(">I", 4096))))
    while True:
        found = dict(attributes(netlink.recv(65536 + 4096)))
        verdict = struct.pack(">I", NF_ACCEPT) + found[NFQA_PACKET_HDR][:4]
        netlink.send(message(queue, VERDICT, attribute(NFQA_VERDICT_HDR, verdict)
                             + attribute(NFQA_PAYLOAD, rewrite(found[NFQA_PAYLOAD]))))
        handled[0] += 1


main()
