# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of a bridged exchange in the test's own hands: a server that answers Main Mode and Quick Mode in a thread of its
own, a client, and what can happen to their datagrams on the way: lost, sent twice, out of order, replaced.

On a kernel without ESP there are no SAs whose keys natshim could exchange; it says so and relays what it has to.
"""
import socket
import struct
import threading
import time

from ..client import ike1, natt
from ..client.client import Client
from ..client.phase1 import Phase1Failed
from ..client.quick import Phase2
from . import hosts, natshim, pluto, tap

STRONG = {"cipher": "aes256", "hash_name": "sha256", "group": 14}  # the first that natshim offers a server
WEAK = {"cipher": "3des", "hash_name": "sha1", "group": 2}         # what an old Mac offers
QUIET = {"initial_contact": False}
L2TP_PORT = 54321
STOCK = "\n".join(line for line in pluto.L2TP.splitlines() if "ike=" not in line)  # libreswan's own policy


class Party(Client):
    """An IKE client with Quick Mode. quick() and run_until() serve it; nothing else does."""

    def __init__(self, host, peer, port, repeat=0.2, **settings):
        super().__init__(peer, host.socket, **{"interval": 0.2, "sends": 8} | settings)
        self.phase2 = Phase2(self.endpoint.local, peer, port, repeat=repeat)
        self.on_quick = self.phase2.input

    def run_until(self, condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.serve(0.05, condition)
            self.phase2.tick(time.monotonic())
        return condition()

    def quick(self, seconds=5.0):
        """A Quick Mode of the newest ISAKMP SA; whether it came to a pair of ESP SAs."""
        before = len(self.phase2.pairs)
        self.phase2.initiate(self.sas[-1], time.monotonic())
        return self.run_until(lambda: len(self.phase2.pairs) > before, seconds)

    def whole(self):
        """Phase 1 and a Quick Mode; what went wrong, or None."""
        try:
            self.connect()
        except Phase1Failed as why:
            return f"{why}: {[e['what'] for e in why.events]}"
        return None if self.quick() else f"no Quick Mode: {self.phase2.events} {[what for what, _ in self.notices]}"


def client(host, dialect="apple", **settings):
    """One that must be bridged, unless settings say otherwise."""
    return Party(host, hosts.SRV, L2TP_PORT, **{"dialect": natt.DIALECTS[dialect], **WEAK, **QUIET, **settings})


class Server:
    """The test's own server on a host: it runs in a thread from construction to stop(). change: called with it before it runs."""

    def __init__(self, host, change=lambda party: None, **settings):
        self.party = Party(host, hosts.NEAR, 1701, **{**STRONG, **QUIET, **settings})
        change(self.party)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.is_set():
            self.party.run_until(self.over.is_set, 0.2)

    @property
    def sas(self):
        return self.party.sas

    @property
    def pairs(self):
        return self.party.phase2.pairs

    def has(self, client):
        """The newest pair of ESP SAs of that client is this side's, too."""
        return bool(client.phase2.pairs) and any(pair.inbound.spi == client.phase2.pairs[-1].outbound.spi for pair in self.pairs)

    def held(self):
        """The server's party, no longer run by its thread."""
        self.over.set()
        self.thread.join()
        return self.party

    def said(self):
        events = [e["what"] for r in self.party.responders.values() for e in r.events]
        return f"server: {events[-20:]} {self.party.phase2.events[-10:]} {[what for what, _ in self.party.notices[-10:]]}"

    def stop(self):
        self.held().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Way:
    """The way of an endpoint's datagrams. Each new one has a number in its direction, from 0; a repeated one has its first
    copy's. Party(...).endpoint is changed for good.

    outgoing(number, data), incoming(number, data): a list of what goes on in its place.
    """

    def __init__(self, endpoint, outgoing=None, incoming=None):
        self.sent, self.received = [], []
        self.pass_on, self._receive, self.waiting = endpoint.send, endpoint.receive, []
        self.outgoing, self.incoming = outgoing, incoming
        endpoint.send, endpoint.receive = self.send, self.receive

    @staticmethod
    def _number(known, data):
        if data not in known:
            known.append(data)
        return known.index(data)

    def send(self, data, floated=False, to=None):
        number = self._number(self.sent, data)
        for one in self.outgoing(number, data) if self.outgoing else [data]:
            self.pass_on(one, floated, to)

    def receive(self, seconds):
        while True:
            if self.waiting:
                return self.waiting.pop(0)
            datagram = self._receive(seconds)
            if datagram is None or not self.incoming:
                return datagram
            number = self._number(self.received, datagram.data)
            self.waiting = [type(datagram)(one, datagram.floated, datagram.peer) for one in self.incoming(number, datagram.data)]
            seconds = 0.001


def losing(number, times):
    """The first copies of that one are lost."""
    left = [times]

    def pass_on(n, data):
        if n == number and left[0]:
            left[0] -= 1
            return []
        return [data]
    return pass_on


def before(number, garbage):
    """Ahead of that one comes what garbage(data) returns (a list)."""
    return lambda n, data: [*garbage(data), data] if n == number else [data]


def instead(number, other):
    """In place of that one comes what other(data) returns (a list)."""
    return lambda n, data: other(data) if n == number else [data]


class Spoofer:
    """Sends datagrams to the server from an address that is not its own."""

    def __init__(self, host, address="203.0.113.77"):
        self.socket, self.address = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), address

    def send(self, message, floated=False, port=None):
        to = 4500 if floated else 500
        payload = bytes(4) + message if floated else message
        udp = struct.pack(">HHHH", port or to, to, 8 + len(payload), 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0)
        self.socket.sendto(ip + socket.inet_aton(self.address) + socket.inet_aton(hosts.SRV) + udp + payload, (hosts.SRV, 0))


class Ordinary:
    """While the block runs, an ordinary client of that host connects again and again; claims that it always could."""

    def __init__(self, host, name, **settings):
        self.host, self.name, self.settings = host, name, {"dialect": natt.DIALECTS["rfc3947"], **STRONG, **QUIET, **settings}
        self.done, self.failed, self.over = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.over.is_set():
            with Party(self.host, hosts.SRV, L2TP_PORT, **self.settings) as one:
                try:
                    one.connect().delete()
                    self.done += 1
                except Phase1Failed as why:
                    self.failed.append(f"{why}: {[e['what'] for e in why.events]}")
            self.over.wait(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        hosts.wait_for(lambda: self.done or self.failed, 10)
        self.over.set()
        self.thread.join()
        tap.ok(self.done and not self.failed, f"{self.name}: an ordinary client connected {self.done} times of {self.done + len(self.failed)}",
               self.failed)


class Lab:
    """Hosts c1 and c2 behind a NAT and near, natshim with --bridge on srv; the caller starts the server."""

    def __init__(self, *options, secret="secret"):
        self.net = hosts.topology(clients=2)
        self.srv = self.net["srv"]
        self.secrets = self.srv.write("natshim.secrets", f': PSK "{secret}"\n')
        self.natshim = natshim.Natshim(self.srv, "--bridge", "--psk-file", self.secrets, *options, verbose=False)

    def __getitem__(self, name):
        return self.net[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tap.equal((self.natshim.stop(), self.natshim.faults()), (0, ""), "natshim ends well, and the sanitizers found nothing")
        self.net.close()

    def changes(self):
        """For how the counters change from now on: changes() is called again, with a name."""
        first = self._figures()

        def since(*names):
            now = self._figures()
            difference = {k: now[k] - first[k] for k in now if now[k] != first[k]}
            return tuple(difference.get(n, 0) for n in names) if names else difference
        return since

    def _figures(self):
        counters = self.natshim.counters()
        return {k: v for k, v in counters.items() if k.startswith("bridge_") and isinstance(v, int)} | counters["bridge_by_reason"]

    def log_lines(self, pattern, since):
        """How many lines of the log since then are like that."""
        return sum(pattern in line for line in self.natshim.log(since).splitlines())

    def mark(self):
        return len(self.natshim.log())


def notifications(party, failed=None):
    """The names of the notifications that a client was sent."""
    events = failed.events if failed else []
    return ([e["what"].split(": ", 1)[1] for e in events if e["what"].startswith("notification in place of")]
            + [what.split(" ", 1)[1] for what, _ in party.notices if what.startswith("notify ")])


def with_payload(data, kind, body):
    """A clear message with another body in its payload of that type."""
    message = ike1.Message.decode(data)
    message.payloads = [(t, body if t == kind else old) for t, old in message.payloads]
    return message.encode()
