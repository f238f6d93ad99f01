# SPDX-License-Identifier: GPL-2.0-or-later
"""DHCPINFORM as Mac OS X sends it into a PPP link once IPCP is done, and the answer taken apart (RFC 2131, 2132, 3442).

Its fields are those of Apple's published pppd: hardware type 8, a made-up client identifier, options 6, 44, 43, 1, 249 and 15 asked for.
"""
import socket
import struct

CLIENT, SERVER = 68, 67  # UDP ports
BROADCAST = "255.255.255.255"
COOKIE = b"\x63\x82\x53\x63"
PAD, MASK, DNS, DOMAIN, TYPE, SERVER_ID, LIST, CLIENT_ID, SEARCH, ROUTES, MS_ROUTES, END = 0, 1, 6, 15, 53, 54, 55, 61, 119, 121, 249, 255
ACK, INFORM = 5, 8
APPLE = (DNS, 44, 43, MASK, MS_ROUTES, DOMAIN)


def inform(address, transaction, wanted=APPLE):
    """The datagram of a client that has this address."""
    options = bytes([TYPE, 1, INFORM, CLIENT_ID, 7, 8]) + struct.pack(">IH", 1, 0) + bytes([LIST, len(wanted), *wanted, END])
    head = struct.pack(">BBBBIHH4s12x", 1, 8, 6, 0, transaction, 0, 0, socket.inet_aton(address))
    return head + struct.pack(">IIII", 1, 0, 0, 1) + bytes(64 + 128) + COOKIE + options


def answer(datagram, transaction):
    """{option: value} of a DHCPACK to that; raises ValueError where it is none. A Mac wants the message type first."""
    if len(datagram) < 240 or datagram[0] != 2 or datagram[4:8] != struct.pack(">I", transaction) or datagram[236:240] != COOKIE:
        raise ValueError("no BOOTREPLY to it")
    data, found = datagram[240:], {}
    if data[:3] != bytes([TYPE, 1, ACK]):
        raise ValueError("does not begin with a DHCPACK")
    while data and data[0] != END:
        if data[0] == PAD:
            data = data[1:]
            continue
        found[data[0]] = found.get(data[0], b"") + data[2:2 + data[1]]
        data = data[2 + data[1]:]
    return found


def routes(value):
    """[("192.168.1.0/24", gateway)] of option 121 or 249."""
    found = []
    while value:
        size = (value[0] + 7) // 8
        network = socket.inet_ntoa(value[1:1 + size] + bytes(4 - size))
        found.append((f"{network}/{value[0]}", socket.inet_ntoa(value[1 + size:5 + size])))
        value = value[5 + size:]
    return found


def names(value):
    """The domains of option 119: labels as in DNS, with pointers into the option (RFC 3397)."""
    found, at = [], 0
    while at < len(value):
        labels, here, end = [], at, None
        while value[here]:
            if value[here] >= 0xc0:
                end = end or here + 2
                here = (value[here] & 0x3f) << 8 | value[here + 1]
            else:
                labels.append(value[here + 1:here + 1 + value[here]].decode())
                here += 1 + value[here]
        found.append(".".join(labels))
        at = end or here + 1
    return found
