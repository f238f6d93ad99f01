# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole L2TP/IPsec client in user space: phase 1, Quick Mode, ESP, L2TP, PPP; nothing of it in its host's kernel.

Vpn puts the parts together and carries packets between them. serve() runs one or more of them for a while; nobody is
served in between, so a client that must stay awake is served by the test, or by a program of its own (vpnclient).
"""
import itertools
import os
import re
import select
import socket
import time

from . import esp
from .client import Client
from .l2tp import Lac
from .phase1 import Phase1Failed
from .ppp import Ppp
from .quick import OFFER, Phase2, wire

KEEPALIVE = 20.0  # seconds (RFC 3948 section 4)
ESP_PROTOCOL = 50
STAGES = ("phase 1", "phase 2", "tunnel", "session", "ppp")
# The floating L2TP ports, from anywhere on: no two clients of a test have one, since a server refuses the second one at the same address.
floating = itertools.count(int.from_bytes(os.urandom(2), "big"))


class Failed(Exception):
    """A stage that was not reached; why, as far as the client knows."""

    def __init__(self, stage, why):
        super().__init__(f"{stage}: {why}")
        self.stage = stage


class Vpn:
    """One client. l2tp_port: its UDP port, None for a floating one; tunnel: its L2TP tunnel ID, None for a new one. host_name: bytes, empty, or None for no such AVP.

    junk: Apple's StopCCN. pfs: the group of Quick Mode. method: the PPP authentication it insists on. settings: phase1.Settings.
    """

    def __init__(self, server, make_socket=socket.socket, l2tp_port=None, tunnel=None, host_name=b"client", junk=False,
                 offer=OFFER, user="alice", password="pw", method=None, pfs=0, **settings):
        self.server, self.make_socket = server, make_socket
        self.ike = Client(server, make_socket, **settings)
        self.endpoint = self.ike.endpoint
        self.endpoint.on_esp = self._esp_input
        self.ike.on_quick = self._quick_input
        self.l2tp_port = l2tp_port or 49152 + next(floating) % 16384
        self.phase2 = Phase2(self.endpoint.local, server, self.l2tp_port, offer, pfs)
        drawn, session = (int.from_bytes(os.urandom(2), "big") % 65535 + 1 for _ in range(2))
        self.lac = Lac(self._l2tp_output, lambda frame: self.ppp.input(frame, time.monotonic()), host_name, tunnel or drawn, session, junk)
        self.ppp = Ppp(self.lac.data, user, password, method)
        self.raw = None  # the socket for ESP without UDP
        self.keepalives = True
        self.next_keepalive = None
        self.silent = False  # hears nothing
        self.stage = None
        self.refused = []  # ESP packets not accepted: why
        self.inner = {"good": 0, "bad": 0}  # UDP checksums inside ESP
        self.notices_read = 0

    # -- coming up

    def connect(self, to="ppp", seconds=20.0):
        """All stages up to the one named; raises Failed. seconds: for each stage after phase 1."""
        self._climb(STAGES[:STAGES.index(to) + 1], seconds)
        return self

    def go_on(self, to="ppp", seconds=20.0):
        """The stages after the one reached, up to the one named; as connect()."""
        self._climb(STAGES[STAGES.index(self.stage) + 1:STAGES.index(to) + 1], seconds)
        return self

    def _climb(self, stages, seconds):
        for stage in stages:
            getattr(self, "start_" + stage.replace(" ", ""))()
            if not serve([self], seconds, lambda name=stage: self.reached(name) or self.hopeless()) or self.hopeless():
                raise Failed(stage, self.why(stage))
            self.stage = stage

    def start_phase1(self):
        try:
            sa = self.ike.connect()
        except Phase1Failed as why:
            raise Failed("phase 1", f"{why}; {[e['what'] for e in why.events]}") from why
        if sa.floated:
            self.next_keepalive = time.monotonic() + KEEPALIVE
        elif self.raw is None:
            self.raw = self.make_socket(self.endpoint.family, socket.SOCK_RAW, ESP_PROTOCOL)
            self.raw.bind((self.endpoint.local, 0))

    def start_phase2(self):
        self.phase2.initiate(self.ike.sas[-1], time.monotonic())

    def start_tunnel(self):
        self.lac.connect(time.monotonic())

    def start_session(self):
        """The LAC asks for its session by itself."""

    def start_ppp(self):
        self.ppp.start(time.monotonic())

    def reached(self, stage):
        return {"phase 1": bool(self.ike.sas), "phase 2": bool(self.phase2.pairs), "tunnel": self.lac.state in ("call", "up"),
                "session": self.lac.state == "up", "ppp": self.ppp.state == "up"}[stage]

    def hopeless(self):
        return self.lac.state == "closed" or self.ppp.state in ("failed", "down")

    def why(self, stage):
        return {"phase 2": [*self.phase2.events, *(what for what, _ in self.ike.notices)],
                "ppp": f"{self.ppp.state}, {self.ppp.reason}; L2TP {self.lac.state}, {self.lac.reason}"}.get(
                    stage, f"{self.lac.state}, {self.lac.reason}; heard {self.lac.received}; ESP refused {self.refused}")

    # -- staying

    def ping(self, count=3, seconds=5.0, size=56, to=None, gap=0.1):
        """ICMP echo through the tunnel; how many were answered."""
        own = []  # an answer to an earlier one may come late
        for _ in range(count):
            own.append(self.ppp.ping(time.monotonic(), size, to))
            serve([self], gap, lambda: self.ppp.answered(own) == len(own))
        serve([self], seconds, lambda: self.ppp.answered(own) == count)
        return self.ppp.answered(own)

    def settle(self, seconds=10.0):
        """Waits until the server's end of the PPP link is up too, which comes later than ours; whether it is."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ping(1, 0.3):
                return True
        return False

    def bulk(self, count, size, port=7, to=None, window=8, seconds=30.0):
        """UDP datagrams to an echo service, at most window under way; (how many came back, seconds it took)."""
        back = []
        self.ppp.on_udp = back.append
        start, sent, lost = time.monotonic(), 0, 0
        while len(back) + lost < count and time.monotonic() - start < seconds:
            while sent < count and sent - len(back) - lost < window:
                self.ppp.send_udp(to or self.ppp.peer, 40000, port, sent.to_bytes(4, "big") + bytes(size - 4))
                sent += 1
            level = len(back)
            if not serve([self], 1.0, lambda level=level: len(back) > level):
                lost = sent - len(back)
        self.ppp.on_udp = None
        return len(back), time.monotonic() - start

    # -- leaving

    def leave(self, how):
        """ "proper": CDN, StopCCN, Delete. "stopccn": StopCCN and no Delete (Leopard). "vanish": nothing at all (iPhone)."""
        now = time.monotonic()
        if how == "proper":
            self.lac.hang_up(now)
        if how in ("proper", "stopccn"):
            self.lac.close(now)
            serve([self], 3.0, self.lac.idle)
        if how == "proper":
            self.phase2.delete(self.ike.sas[-1])
        if how in ("vanish", "stopccn"):
            self.silent, self.keepalives = True, False

    def deleted(self):
        """Whether the peer's Deletes have come: first of an ESP SA, then of the ISAKMP SA. They are datagrams of their own, so who
        waits for them waits for this."""
        return bool(re.search("ESP SA [0-9a-f]{8} deleted by the peer.*ISAKMP SA deleted by the peer", " ".join(self.phase2.events)))

    def close(self):
        """Closes the sockets. A host whose sockets are closed answers with ICMP: one that vanished keeps them."""
        self.endpoint.close()
        if self.raw:
            self.raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- packets

    def sockets(self):
        return self.endpoint.sockets + ([self.raw] if self.raw else [])

    def step(self, readable):
        """Reads what has come, and does what is due."""
        now = time.monotonic()
        if self.silent:
            for sock in readable:
                sock.recv(65535)
        else:
            if self.raw in readable:
                self._raw_input()
            if any(sock in readable for sock in self.endpoint.sockets):
                self.ike.serve(0.0005)
            self._read_notices()
            self.phase2.tick(now)
            self.lac.tick(now)
            self.ppp.tick(now)
        if self.keepalives and self.next_keepalive and now >= self.next_keepalive:
            self.next_keepalive = now + KEEPALIVE
            self.endpoint.keepalive()

    def _read_notices(self):
        for what, body in self.ike.notices[self.notices_read:]:
            if what == "delete":
                self.phase2.deleted(body)
        self.notices_read = len(self.ike.notices)

    def _quick_input(self, sa, message):
        self.phase2.input(sa, message)

    def _raw_input(self):
        packet = self.raw.recv(65535)
        self._esp_input(packet[(packet[0] & 15) * 4:] if self.endpoint.family == socket.AF_INET else packet)

    def _esp_input(self, packet):
        spi = int.from_bytes(packet[:4], "big")
        pair = next((pair for pair in self.phase2.pairs if pair.inbound.spi == spi), None)
        try:
            if pair is None:
                raise esp.Refused(f"no SA {spi:08x}")
            payload, kind = pair.inbound.open(packet)
        except esp.Refused as why:
            self.refused.append(str(why))
            return
        parsed = esp.udp_parse(wire(self.server), wire(self.endpoint.local), payload) if kind == esp.UDP else None
        if parsed is None:
            self.refused.append("no UDP inside")
            return
        sport, dport, data, good = parsed
        self.inner["good" if good else "bad"] += 1
        if (sport, dport) == (1701, self.l2tp_port):
            self.lac.input(data, time.monotonic())

    def _l2tp_output(self, data):
        segment = esp.udp_segment(wire(self.endpoint.local), self.l2tp_port, wire(self.server), 1701, data)
        if not self.phase2.pairs:
            self.refused.append("nothing to send with: no ESP SA")
            return
        packet = self.phase2.pairs[-1].outbound.seal(segment)
        if self.raw:
            self.raw.sendto(packet, (self.server, 0))
        else:
            self.endpoint.send_esp(packet)

    def summary(self):
        """What it came to, for JSON."""
        pair = self.phase2.pairs[-1] if self.phase2.pairs else None
        return {
            "stage": self.stage,
            "phase1": self.ike.sas[-1].summary() if self.ike.sas else None,
            "esp": pair and {"cipher": pair.choice[0], "mac": pair.choice[2], "udp": self.raw is None,
                             "spi_in": f"{pair.inbound.spi:08x}", "spi_out": f"{pair.outbound.spi:08x}",
                             "packets_in": pair.inbound.packets, "packets_out": pair.outbound.packets,
                             "refused": self.refused, "inner_checksums": self.inner},
            "l2tp": {"state": self.lac.state, "reason": self.lac.reason, "port": self.l2tp_port, "heard": self.lac.received,
                     "peer": self.lac.peer_host and self.lac.peer_host.decode(errors="replace")},
            "ppp": {"state": self.ppp.state, "reason": self.ppp.reason, "method": self.ppp.used, "address": self.ppp.address,
                    "peer": self.ppp.peer, "pings": len(self.ppp.pings), "answered": self.ppp.answered(),
                    "pinged": self.ppp.pinged},
            "events": self.phase2.events + [what for what, _ in self.ike.notices],
        }


def serve(vpns, seconds, until=lambda: False):
    """Runs the clients until the time is over or until() is true, which is returned."""
    end = time.monotonic() + seconds
    while not until():
        left = end - time.monotonic()
        if left <= 0:
            return False
        sockets = [sock for vpn in vpns for sock in vpn.sockets()]
        readable = select.select(sockets, [], [], min(left, 0.2))[0]
        for vpn in vpns:
            vpn.step([sock for sock in vpn.sockets() if sock in readable])
    return True
