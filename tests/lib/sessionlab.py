# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of sessions share: a server (libreswan or strongSwan, xl2tpd, natshim), clients behind one NAT, and looks
into the server's kernel and IKE daemon. Everything lies in one virtual machine (tests/vm/run).
"""
import contextlib
import glob
import os
import re
import threading
import time

from ..client import natt, vpn
from . import hosts, l2tphosts, natshim, pluto, tap, words
from .hosts import SRV, wait_for

KEEPALIVE = 5.0  # seconds between two NAT keep-alives of a client here, in place of the usual 20


class Lab:
    """clients: hosts c1, c2, ... behind the NAT. stack: what runs on the server, from its host: pluto by default. routed: there is a route
    to natshim's aliases, as with a default route; else natshim gives none."""

    def __init__(self, clients=2, conns="", stack=None, routed=False):
        vpn.KEEPALIVE = 1e9  # they are sent by a thread, however busy the test is
        self.started = time.monotonic()
        self.net = hosts.topology(clients=clients)
        self.srv = self.net["srv"]
        if routed:
            self.srv.ip("route", "add", "198.18.0.0/16", "dev", "wan")
        self.stack = (stack or Libreswan)(self.srv, conns)
        self.lns = l2tphosts.Xl2tpd.server(self.srv, SRV).start()
        self.natshim = None
        self.clients = []  # those that serve() looks after
        self.next_port = 4501
        threading.Thread(target=self._keepalives, daemon=True).start()
        tap.diag(f"the hosts are up after {time.monotonic() - self.started:.0f} s")

    def _keepalives(self):
        while True:
            time.sleep(KEEPALIVE)
            for client in list(self.clients):
                if client.keepalives and client.next_keepalive:
                    with contextlib.suppress(OSError):
                        client.endpoint.keepalive()

    def start(self, *options, **more):
        self.natshim = natshim.Natshim(self.srv, *options, **more)

    def close(self):
        if self.natshim:
            self.natshim.stop()
        self.net.close()

    # -- clients

    def client(self, host="c1", again=False, dialect="leopard", kind=vpn.Vpn, to="ppp", **more):
        """A client that is connected up to PPP, on the first try. again: it has rebooted, so its NAT mapping is another one.
        kind: its class; to: the last stage, without a ping if it is another one."""
        if again:
            more |= {"port": self.next_port - 4000, "nat_port": self.next_port}
            self.next_port += 1
        began = time.monotonic()
        client = kind(SRV, self.net[host].socket, dialect=natt.DIALECTS[dialect], **more)
        client.host = host
        client.lively, client.next_ping = False, 0.0
        self.clients.append(client)
        try:
            self._connect(client, to)
        except vpn.Failed:
            self.forget(client)
            raise
        client.seconds = time.monotonic() - began
        if to != "ppp":
            return client
        client.seen_port = self.port_of(client)
        end = time.monotonic() + 15
        while not (alive := self.serve(0.3, lambda: client.ppp.answered())) and time.monotonic() < end:
            client.ppp.ping(time.monotonic())
        client.ping_at_once = alive
        client.ppp.pings.clear()
        return client

    def _connect(self, client, to):
        """As Vpn.connect(), but the other clients live on meanwhile (but for a phase 1's moment)."""
        for stage in vpn.STAGES[:vpn.STAGES.index(to) + 1]:
            getattr(client, "start_" + stage.replace(" ", ""))()
            if not self.serve(20, lambda name=stage: client.reached(name) or client.hopeless()) or client.hopeless():
                raise vpn.Failed(stage, client.why(stage))
            client.stage = stage
            if stage == "phase 2" and self.stack.late_sas and self.natshim and self.natshim.process.poll() is None:
                l2tphosts.sa_known(self.srv, client)

    def first_try(self, name, host="c1", **more):
        """Claims that a client comes up with one send of each phase-1 message; the client, or None."""
        try:
            client = self.client(host, **more)
        except vpn.Failed as why:
            tap.ok(False, name, f"{why}\n{tap.tail(self.natshim.log()) if self.natshim else ''}\n{tap.tail(self.stack.log())}")
            return None
        tap.diag(f"{host}: up to PPP in {client.seconds:.1f} s")
        tap.ok(client.ping_at_once, name, client.summary)
        return client

    def forget(self, client):
        """The client is over: its sockets go."""
        self.clients.remove(client)
        client.close()

    def bye(self, client):
        """The client leaves properly, so that the next test finds nothing of it on the server."""
        client.silent = client.ppp.mute = False
        client.leave("proper")
        tap.ok(self.gone_within(client, 10), f"{client.host} leaves properly: nothing is left of it", lambda: self.remains(client))
        self.forget(client)

    def serve(self, seconds, until=lambda: False):
        """Runs all clients; those that are lively ping five times a second."""
        def tick():
            now = time.monotonic()
            for client in self.clients:
                if client.lively and now >= client.next_ping:
                    client.next_ping = now + 0.2
                    client.ppp.ping(now)
            return until()
        return vpn.serve(self.clients, seconds, tick)

    def lost(self, client):
        """Of the pings of a lively client (six at least), those never answered; how many there were."""
        self.serve(10, lambda: len(client.ppp.pings) > 5)
        client.lively = False
        self.serve(3.0, lambda: client.ppp.answered() == len(client.ppp.pings))
        return len(client.ppp.pings) - client.ppp.answered(), len(client.ppp.pings)

    def not_one_lost(self, client, name):
        lost, sent = self.lost(client)
        tap.ok(sent > 5 and not lost, f"{name}: not one of {sent} pings lost",
               lambda: f"{lost} lost\n{self.srv.ip('-s', 'xfrm', 'state')}\n{tap.tail(self.stack.log())}")

    # -- the server's kernel, read without starting a program inside it where that can be helped

    def sas(self, client=None):
        """SPIs of the ESP SAs in the server's kernel: of a client's, or all."""
        found = {int(spi, 16) for spi in re.findall(r"proto esp spi 0x([0-9a-f]+)", self.srv.ip("xfrm", "state"))}
        return found & spis(client) if client else found

    def port_of(self, client):
        """The UDP port of the client's ESP and IKE as the server sees it; 500 without NAT."""
        for block in re.split(r"^(?=src )", self.srv.ip("xfrm", "state"), flags=re.M):
            spi = re.search(r"proto esp spi 0x([0-9a-f]+)", block)
            encap = re.search(r"encap type espinudp sport (\d+) dport (\d+)", block)
            if spi and encap and int(spi.group(1), 16) in spis(client):
                return max(int(port) for port in encap.groups())
        return 500

    def policies(self, client):
        """Policies for the client's L2TP port."""
        return re.findall(rf"^src .*port {client.l2tp_port}\b.*$", self.srv.ip("xfrm", "policy"), re.M)

    def remains(self, client):
        """What is left of a client on the server, in words; empty: nothing."""
        left = []
        if sas := self.sas(client):
            left.append(f"{len(sas)} SAs")
        if policies := self.policies(client):
            left.append(f"{len(policies)} policies")
        if not left and (states := self.stack.states(client)):
            left.append(f"IKE: {states}")
        return ", ".join(left)

    def gone_within(self, client, seconds):
        """Serves all until nothing is left of the client, at most so long; whether it is gone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.remains(client):
                return True
            self.serve(0.3)
        return False

    @contextlib.contextmanager
    def recorded(self):
        """A list of (time.time(), what) that is filled when the block ends: what the kernel deleted meanwhile, and the IKE daemon's
        own log. Looking takes longer than what is measured here, so the kernel's own events are recorded."""
        mark = len(self.stack.log())
        file = self.srv.path(f"monitor-{time.monotonic()}")
        monitor = self.srv.popen("ip", "-ts", "xfrm", "monitor", log=file)
        wait_for(lambda: has_socket(monitor.pid), 20)
        events = []
        try:
            yield events
        finally:
            monitor.kill()
            monitor.wait()
            with open(file, encoding="ascii", errors="replace") as text:
                events += [(stamp(when), "deleted " + what) for when, what in re.findall(
                    r"^\[([-0-9T:.]+)\]\s*(?:\S+: )?Deleted (src .*(?:\n\s+(?:dir|proto).*)?)", text.read(), re.M)]
            events += self.stack.deletions(mark)

    # -- natshim

    def sessions(self):
        return self.natshim.status()["sessions"]

    def session(self, client):
        """The table's line for a client's newest SAs, or None. The SPI that the server chose first: another client may have chosen the
        same one as this one has."""
        sessions, own = self.sessions(), spis(client)
        return next((s for key in ("spi_in", "spi_out") for s in sessions if int(s[key], 16) in own), None)

    def ended(self):
        return self.natshim.counters()["ended"]

    def logged(self, pattern, seconds=3.0, since=0):
        return wait_for(lambda: re.search(pattern, self.natshim.log()[since:]), seconds)

    @contextlib.contextmanager
    def server_pings(self, client):
        """Meanwhile the server sends the client something twice a second."""
        ping = self.srv.popen("ping", "-q", "-i", "0.5", client.ppp.address)
        try:
            yield
        finally:
            ping.kill()
            ping.wait()


def spis(client):
    return {sa.spi for pair in client.phase2.pairs for sa in (pair.inbound, pair.outbound)}


def has_socket(pid):
    for fd in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(fd).startswith("socket:"):
                return True
    return False


def stamp(text):
    """time.time() of a local time such as 2026-11-23T18:12:19.123456."""
    seconds, fraction = text.split(".")
    return time.mktime(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) + float("0." + fraction)


class Libreswan:
    """libreswan's pluto on the server."""
    ike_deleted = words.ISAKMP_DELETED  # what deletions() calls an IKE SA
    late_sas = False  # whether a client's first L2TP may be there before natshim knows its SA, and so does not know its tunnel

    def __init__(self, host, conns=""):
        self.host, self.conns = host, conns
        self.start()

    def start(self):
        """Its updown script is a shell script that pluto waits for: seconds, in an emulated machine."""
        self.pluto = pluto.Pluto(self.host, pluto.conn(leftupdown="%disabled") + self.conns)

    def be_impatient(self):
        """From now on it asks a silent client after 5 s whether he lives, and ends his SAs after 30 s; it begins a rekey of phase 2 after 20 s.
        (A rekey of phase 1 goes to port 500 of the client's address, alias or not, where nobody behind a NAT can answer.) There are
        no clients yet."""
        self.pluto.stop()
        self.pluto = pluto.Pluto(self.host, pluto.conn(
            leftupdown="%disabled", dpddelay="5", dpdtimeout="30", dpdaction="clear", rekey="yes", rekeyfuzz="0%", rekeymargin="20s",
            salifetime="40s") + self.conns)

    def states(self, client):
        """What it says of the client's IKE SA and of its children."""
        return [line for line in self.pluto.whack("--showstates").splitlines() if f":{client.seen_port} " in line]

    def log(self):
        return self.pluto.log()

    def deletions(self, mark):
        """(time.time(), what) of the states that its log says it deleted."""
        year = time.localtime().tm_year
        return [(time.mktime(time.strptime(f"{year} {when}", "%Y %b %d %H:%M:%S")) + float("0." + fraction), what) for
                when, fraction, what in re.findall(rf"^(\w+ +\d+ [\d:]+)\.(\d+): .*(#\d+: {words.STATE_DELETED})",
                                                   self.log()[mark:], re.M)]
