# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that misbehaves: it has the group's pre-shared key and can hold a whole session, as any former member can.

Insider is that client. Forger needs no key: it sends datagrams with any sender. PeerSa seals what it likes with an SA that
the attacker's own host really has. Whether the server, or what stands before it, falls for any of this is the tests' to say.
"""
import os
import re
import socket
import struct
import time

from . import esp, ike1, l2tp
from .l2tp import avp, u16
from .phase1 import Phase1, Phase1Failed
from .quick import Phase2, wire
from .vpn import Vpn, serve

IPIP = 4  # next header of an IPv4 packet in tunnel mode (RFC 4303 section 2.6)


class Withholding(Phase2):
    """Quick Mode as initiator whose third message stays away as long as withhold is true."""

    withhold = False

    def third(self, exchange):
        if not self.withhold:
            super().third(exchange)
            return
        exchange.done = True
        self.withheld.append(self.pair_of(exchange))

    @classmethod
    def of(cls, phase2):
        """The same one, turned bad."""
        phase2.__class__ = cls
        phase2.withheld = []  # pairs that this side could have
        return phase2


class Insider(Vpn):
    """A Vpn client with these besides; each needs the stage that it stands on (connect("phase 1"), connect("phase 2"))."""

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.phase2 = Withholding.of(self.phase2)

    def name_spi(self, spi, seconds=5.0, others=(), finish=False):
        """A Quick Mode with somebody else's SPI: the pair of SAs that came of it here, or None. others: clients that are served
        meanwhile. finish: the third message is sent; else the exchange stays as it is with the second one."""
        self.phase2.withhold = not finish
        try:
            exchange = self.phase2.initiate(self.ike.sas[-1], time.monotonic(), spi)
            serve([self, *others], seconds, lambda: exchange.done)
            exchange.due = None
            return (self.phase2.pairs if finish else self.phase2.withheld)[-1] if exchange.done else None
        finally:
            self.phase2.withhold = False

    def many_quick_modes(self, count, port=None, window=8, seconds=0.5, others=(), finish=False):
        """Quick Modes in one ISAKMP SA, each for another L2TP port unless one is given; how many were answered.

        others: clients that are served meanwhile. An answer that has not come after so many seconds is not waited for. finish: as above."""
        came = self.phase2.pairs if finish else self.phase2.withheld
        self.phase2.withhold, before, under_way = not finish, len(came), []
        for n in range(count):
            exchange = self.phase2.initiate(self.ike.sas[-1], time.monotonic(), port=port or 2000 + n)
            exchange.due = None  # no repeats
            under_way.append(exchange)
            if len(under_way) == window or n == count - 1:
                serve([self, *others], seconds, lambda: all(one.done for one in under_way))
                for one in under_way:
                    self.phase2.exchanges.pop(one.id, None)
                under_way = []
        self.phase2.withhold = False
        return len(came) - before

    def many_phase1s(self, count, **changes):
        """ISAKMP SAs, one after the other, each left as it is; how many were complete."""
        complete = 0
        for _ in range(count):
            try:
                Phase1(self.endpoint, self._changed(changes)).run()
                complete += 1
            except Phase1Failed:
                pass
        return complete

    def _changed(self, changes):
        return type(self.ike.settings)(**{**vars(self.ike.settings), **changes})

    def say(self, control, port, **words):
        """An L2TP control message in his own SA, from an inner port that need not be his. words: of control()."""
        data = control_message(control, **words)
        packet = self.phase2.pairs[-1].outbound.seal(esp.udp_segment(wire(self.endpoint.local), port, wire(self.server), 1701, data))
        self.raw.sendto(packet, (self.server, 0)) if self.raw else self.endpoint.send_esp(packet)


def control_message(kind, tunnel=0, session=0, ns=0, nr=0, own_tunnel=0x6666, own_session=0x7777):
    """A control message of RFC 2661: tunnel, session, ns, nr stand in its header; own_tunnel and own_session are its sender's IDs."""
    body = avp(l2tp.A_MESSAGE, u16(kind))
    if kind == l2tp.SCCRQ:
        body += (avp(l2tp.A_VERSION, b"\1\0") + avp(l2tp.A_FRAMING, l2tp.u32(3)) + avp(l2tp.A_HOST, b"x")
                 + avp(l2tp.A_TUNNEL, u16(own_tunnel)) + avp(l2tp.A_WINDOW, u16(4)))
    elif kind == l2tp.STOPCCN:
        body += avp(l2tp.A_TUNNEL, u16(own_tunnel)) + avp(l2tp.A_RESULT, u16(1))
    elif kind == l2tp.CDN:
        body += avp(l2tp.A_RESULT, u16(3)) + avp(l2tp.A_SESSION, u16(own_session))
    return struct.pack(">HHHHHH", l2tp.T | l2tp.L | l2tp.S | l2tp.VERSION, 12 + len(body), tunnel, session, ns, nr) + body


def ipv4(source, destination, protocol, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    return header[:10] + struct.pack(">H", ~esp.ones_sum(header) & 0xffff) + header[12:] + payload


class PeerSa:
    """The outbound tunnel-mode SA of a peer's own host towards the server, used by hand: raw ESP with any packet inside.

    xfrm_state: what `ip xfrm state' says on that host, which is the attacker's. The kernel must not use that SA meanwhile."""

    def __init__(self, host, source, server, xfrm_state, sequence=100000):
        block = next(b for b in re.split(r"^(?=src )", xfrm_state, flags=re.M) if b.startswith(f"src {source} dst {server}\n"))
        spi, = re.search(r"proto esp spi 0x([0-9a-f]+)", block).groups()
        mac, mac_key = re.search(r"auth-trunc hmac\((\w+)\) 0x([0-9a-f]+) 96", block).groups()
        cipher, key = re.search(r"enc cbc\((\w+)\) 0x([0-9a-f]+)", block).groups()
        self.sa = esp.Sa(int(spi, 16), {"des3_ede": "3des"}.get(cipher, cipher), bytes.fromhex(key), mac, bytes.fromhex(mac_key))
        self.sa.sequence = sequence
        self.server = server
        self.socket = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ESP)

    def say(self, control, source, port, **words):
        """An L2TP control message whose inner sender is anybody: an address text and a port."""
        segment = esp.udp_segment(wire(source), port, wire(self.server), 1701, control_message(control, **words))
        self.socket.sendto(self.sa.seal(ipv4(source, self.server, esp.UDP, segment), IPIP), (self.server, 0))


class Forger:
    """UDP datagrams to the server from any sender, and the messages to fill them with."""

    def __init__(self, host, server):
        self.socket, self.server = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), server

    def send(self, source, sport, dport, payload):
        udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
        self.socket.sendto(ipv4(source, self.server, esp.UDP, udp), (self.server, 0))

    def first(self, source, sport=500, cookie=None, group=2, dialect=None):
        """A first message of Main Mode, with a fresh cookie. dialect: whose vendor IDs it has, if any."""
        sa = ike1.sa_body([ike1.phase1_transform("3des", "sha1", group)])
        vids = [(ike1.VID, v) for v in dialect.announced()] if dialect else []
        message = ike1.Message(cookie or os.urandom(8), bytes(8), ike1.MAIN, [(ike1.SA, sa)] + vids).encode()
        floated = sport != 500
        self.send(source, sport, 4500 if floated else 500, bytes(4) + message if floated else message)

    def keepalive(self, source, sport):
        """RFC 3948 section 2.3."""
        self.send(source, sport, 4500, b"\xff")

    def isakmp(self, source, sport, message, floated=True):
        """A message as somebody else has sent it."""
        self.send(source, sport, 4500 if floated else 500, bytes(4) + message if floated else message)
