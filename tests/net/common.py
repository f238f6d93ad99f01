# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests in namespaces share: the path to the packages, one attempt at phase 1, what pluto calls a NAT."""
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
from tests.client import natt  # noqa: E402
from tests.client.client import Client  # noqa: E402
from tests.client.phase1 import Phase1Failed  # noqa: E402
from tests.lib import hosts, natshim, pluto, tap, words  # noqa: E402

DEBUG = "    plutodebug=base\n"  # pluto says what NAT it found only then

NO_NAT, CLIENT_NAT = natt.Nat(False, False), natt.Nat(True, False)  # as the client finds it
SERVER_NAT, BOTH_NAT = natt.Nat(False, True), natt.Nat(True, True)

PLUTO_SAYS = {(False, False): set(), (True, False): {"peer behind NAT"}, (False, True): {"I am behind NAT"},
              (True, True): words.BOTH_NATED}


def need(*what):
    """Ends the program if it can't do anything here."""
    tap.need_root()
    missing = [name for name, there in what if not there]
    if missing:
        tap.skip("everything here", f"{missing[0]} is not installed")
        sys.exit(0)


def need_pluto():
    need(("libreswan", pluto.available()))


def client(host, dialect, server=hosts.SRV, **settings):
    """A test client in a host that gives up within a few seconds."""
    settings = {"interval": 0.4, "sends": 6} | settings
    return Client(server, host.socket, dialect=natt.DIALECTS[dialect], **settings)


class Forger:
    """Sends first messages to the server from any address, as a flood does: the rules let 50 a second up from one."""

    def __init__(self, host):
        self.socket, self.count = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), 0

    def send(self, message, port=500, source=None):
        self.count += 1
        source = socket.inet_aton(source) if source else (0x0B000000 + self.count % 0x100000).to_bytes(4, "big")
        udp = struct.pack(">HHHH", port, 500, 8 + len(message), 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(message), 0, 0, 64, 17, 0) + source + socket.inet_aton(hosts.SRV)
        self.socket.sendto(ip + udp + message, (hosts.SRV, 0))


class Attempt:
    """One phase 1 from connect to Delete: sa (None if it failed), why, events, and what pluto logged meanwhile."""

    def __init__(self, daemon, host, dialect, **settings):
        mark = daemon.mark()
        self.sa = self.why = None
        with client(host, dialect, **settings) as one:
            try:
                self.sa = one.connect()
                self.events = self.sa.events
                self.sa.delete()
                one.serve(0.1)
            except Phase1Failed as failed:
                self.why, self.events = str(failed), failed.events
        self.log = daemon.log(mark)

    def pluto_nat(self):
        """What pluto found, in its words; None if it said nothing."""
        found = re.findall(r"NAT-Traversal: Result using .*: (.*)", self.log)
        return set(found[-1].split("+")) - {"no NAT detected"} if found else None

    def said(self):
        """For a failed claim."""
        lines = [f"{e['t']} {e['what']}" for e in self.events]
        return "\n".join([f"client: {self.why or 'complete'}", *lines, "pluto:",
                          *[line for line in self.log.splitlines() if "| " not in line or "NAT-T" in line][-25:]])

    def ignored(self, what):
        return any("ignored" in e["what"] and what in e["what"] for e in self.events)


def check(attempt, nat, name):
    """Claims that phase 1 is complete, and that both sides found the NAT that there is."""
    sa = attempt.sa
    good = (sa is not None and sa.nat == nat and sa.floated == bool(nat)
            and attempt.pluto_nat() == PLUTO_SAYS[(nat.own, nat.peer)])
    found = f"client found {sa.nat}, floated {sa.floated}; pluto {attempt.pluto_nat()}" if sa else "no phase 1"
    return tap.ok(good, name, lambda: f"wanted {nat}, {found}\n{attempt.said()}")
