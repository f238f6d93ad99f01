# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of aliases share, whatever the server's IKE daemon is: clients behind one NAT, whose ports are random, that all use
L2TP port 1701. Everything lies in one virtual machine (tests/vm/run).
"""
import os
import re
import socket
import struct
import time

from ..client.phase1 import Phase1Failed
from . import checked, natshim, sessionlab, tap
from .hosts import NAT, NEAR, SRV, wait_for

KINDS = (("c1", "leopard", "alice"), ("c2", "rfc3947", "bob"), ("c3", "apple", "carol"))
RANGE = "198.18."
PORTS_ANEW = {"port": 1501, "nat_port": 5501}  # of a client that has rebooted
OPTIONS = ("--dead-after", "5m")  # who vanished is superseded, or is there still
QUIET = 17  # seconds without a packet after which a flow is given to a client that has proven itself (shim/alias/alias.h: 15)


class Remapping:
    """For a Lab, which has net, natshim and serve(): the NAT gives a client another port in mid-session."""

    def remap(self, client):
        """The NAT forgets the client's flow to port 4500, and makes it a new one for its next packet; the new port."""
        before = port = self.mapped(client)
        while port == before:
            self.unmap(client)
            client.endpoint.keepalive()
            wait_for(lambda: self.mapped(client), 20)
            port = self.mapped(client)
        return port

    def unmap(self, client, port=4500):
        self.net["nat"].run("conntrack", "-D", *self._flow(client, port), check=False)  # it fails where the NAT has forgotten it by itself

    def mapped(self, client):
        """The port that the NAT gives the client's flow to port 4500: of its entry's two directions the second has it."""
        ports = re.findall(r"sport=4500 dport=(\d+)", self.net["nat"].run("conntrack", "-L", *self._flow(client)).stdout)
        return int(ports[-1]) if ports else None

    def _flow(self, client, port=4500):
        return ("-p", "udp", "--orig-src", client.endpoint.local, "--orig-port-dst", str(port))

    def pings_until_answered(self, client, tries=120):
        """How many pings were lost before one was answered; None: all."""
        for lost in range(tries):
            ping = client.ppp.ping(time.monotonic())
            if self.serve(0.5, lambda ping=ping: client.ppp.answered([ping])):
                return lost
        return None

    def newest_session(self, client):
        """natshim's line for it, or None. Of a client whose port has changed there may be another one, with its older SAs, for a while."""
        pair = client.phase2.pairs[-1]
        newest = {pair.inbound.spi, pair.outbound.spi}
        return next((s for s in self.natshim.status()["sessions"] if {int(s["spi_in"], 16), int(s["spi_out"], 16)} & newest), None)


class Lab(Remapping, sessionlab.Lab):
    def __init__(self, stack):
        self.ports = {}  # a client's own, in place of 500 and 4500
        super().__init__(clients=3, stack=stack, routed=True)
        self.net["nat"].sysctl(net__netfilter__nf_conntrack_udp_timeout=3600)  # who returns does so by the same ports, to 500 too

    def connect(self, name, host, dialect="rfc3947", user="alice"):
        """As first_try(), from the L2TP port that all clients of that time have."""
        client = self.first_try(name, host, dialect=dialect, user=user, l2tp_port=1701, **self.ports)
        if client:
            client.lively = True
            client.address = NEAR if host == "near" else self.alias(client) or NAT
        else:
            tap.diag(self.kernel())
        return client

    def kernel(self):
        return "\n".join(self.srv.run(*command, check=False).stdout for command in (
            ("nft", "list", "table", "inet", "natshim_alias"), ("conntrack", "-L", "-p", "udp"), ("ip", "xfrm", "state"),
            ("ip", "xfrm", "policy")))

    def policies(self, client):
        """Those for the address that the server knows the client by, since all have one port."""
        return re.findall(rf"^src .*{re.escape(client.address)}/32 .*$", self.srv.ip("xfrm", "policy"), re.M)

    def session(self, client):
        return self.newest_session(client) or super().session(client)

    def alias(self, client):
        line = self.session(client)
        return line and line["alias"]

    def forged(self, source, port):
        """One datagram to the server's IKE port from a neighbour who says that he is another address."""
        udp = struct.pack("!HHHH", port, 500, 8 + 28, 0) + os.urandom(8) + bytes(8) + bytes((1, 0x10, 2, 0)) + struct.pack("!II", 0, 28)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(SRV))
        with self.net["near"].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(header + udp, (SRV, 0))


class Tests:
    """third: the dialect of the third client, which natshim translates."""

    def __init__(self, lab, third="apple"):
        self.lab, self.clients = lab, []
        self.kinds = (*KINDS[:2], ("c3", third, "carol"))

    def all(self):
        if isinstance(self.lab.stack, sessionlab.Libreswan):  # once is enough for what is none of the server's
            own, returns = self.test_bogons, self.test_external
        else:
            own, returns = self.test_server_rekeys, self.test_leaves_and_returns
        return (self.test_alone, self.test_three, self.test_names, self.test_rekeys, self.test_port_changes,
                self.test_flushes, self.test_server_first, own, self.test_forged, self.test_killed, returns, self.test_vanishes_and_returns,
                self.test_same_ports, self.test_drop, self.test_no_nat, self.test_all_gone, self.test_server_asks,
                self.test_end)

    def nobody_loses(self, what, seconds=4.0):
        """All who are here, while something happened."""
        self.lab.serve(seconds)
        for client in self.clients:
            self.lab.not_one_lost(client, f"{what}, {client.host}")
            client.ppp.pings.clear()
            client.lively = True

    def until(self, condition, seconds):
        """Serves all until that is so; whether it is."""
        end = time.monotonic() + seconds
        while not (so := condition()) and time.monotonic() < end:
            self.lab.serve(0.5)
        return so

    def join(self, name, kind):
        client = self.lab.connect(name, *kind)
        if not client:
            raise tap.Stop
        self.clients.append(client)
        return client

    def test_alone(self):
        """Who is alone keeps the address, and the kernel has no table for others."""
        self.lab.start(*OPTIONS)
        before = self.lab.natshim.counters()["packets"]
        client = self.join("alone: PPP and ping", self.kinds[0])
        tap.equal(self.lab.alias(client), None, "it has no alias")
        tap.equal(sorted(natshim.tables(self.lab.srv)), ["natshim", "natshim_queue"], "and there is no table of aliases")
        self.userspace(0)
        tap.diag(f"{self.lab.natshim.counters()['packets'] - before} packets in userspace, L2TP too")
        self.port_changes(client, "alone, another port in mid-session")

    def userspace(self, floats):
        """Of a client natshim sees message 1, and of one that has an alias its first message on port 4500."""
        rules = self.lab.natshim.counters()["rules"]
        tap.equal(rules["aliased-4500"], floats, f"natshim has seen {floats} messages on port 4500")
        tap.diag(f"first messages on port 500: {rules['first-500']}")

    def test_three(self):
        for kind in self.kinds[1:]:
            self.join(f"{kind[0]}, {kind[1]}, from the same L2TP port: PPP and ping", kind)
        self.userspace(len(self.kinds) - 1)
        self.nobody_loses("three at once")
        aliases = [self.lab.alias(client) for client in self.clients]
        tap.ok(aliases[0] is None and all(alias and alias.startswith(RANGE) for alias in aliases[1:]) and len(set(aliases)) == 3,
               "the first has its own address still, the others each another", str(aliases))
        tap.equal(len({client.ppp.address for client in self.clients}), 3, "each its own PPP address")

    def test_names(self):
        """Everybody sees the real address, and the alias beside it."""
        client = self.clients[1]
        line = self.lab.session(client)
        tap.equal(line["peer"], NAT, "status has the real address")
        self.own_dialects("status has of each the dialect of its own exchange")
        outer = self.lab.srv.ip("xfrm", "state")
        tap.ok(line["alias"] in outer, "the kernel's SA is at the alias", outer)
        tap.like(self.lab.natshim.log(), rf"natshim: {re.escape(NAT)}:{line['port']}: is {re.escape(line['alias'])} for the server",
                 "the log says who is who")
        tap.like(self.lab.natshim.log(), rf"natshim: {re.escape(NAT)}:{line['port']}: session up.*alias {re.escape(line['alias'])}",
                 "and that its session is up")

    def own_dialects(self, what):
        spoken = {host: dialect for host, dialect, _ in self.kinds}
        tap.equal([self.lab.session(client)["dialect"] for client in self.clients], [spoken[client.host] for client in self.clients], what)

    def test_rekeys(self):
        """By a client with an alias: of phase 2, and of phase 1 on port 4500 (RFC 3947 section 4)."""
        client, ike = self.clients[2], self.clients[2].ike
        alias = self.lab.alias(client)
        ike.settings.floated = True
        for what in ("phase 2", "phase 1 and phase 2"):
            count = len(client.phase2.pairs)
            if "phase 1" in what:
                ike.connect()
            client.phase2.initiate(ike.sas[-1], time.monotonic())
            tap.ok(self.lab.serve(30, lambda count=count: len(client.phase2.pairs) > count), f"c3 rekeys {what}",
                   lambda: tap.tail(self.lab.stack.log()))
        ike.settings.floated = False
        tap.equal(len(ike.sas), 2, "two phase 1s of it were agreed")
        self.nobody_loses("c3 has rekeyed")
        tap.equal(self.lab.alias(client), alias, "its alias is the same")

    def test_port_changes(self):
        """The NAT gives a client another port in mid-session, with others behind it: one that has an alias, and the one that has its own
        address (which was given another one before)."""
        for client in self.clients[:2]:
            self.port_changes(client, "another port in mid-session")
        for client in self.clients[:2]:
            self.ike_first(client)
        self.phase1_from_new_port(self.clients[1])
        self.nobody_loses("ports have changed")

    def phase1_from_new_port(self, client):
        """It rekeys phase 1 from port 500, where the NAT gives it another port: natshim sees who it is by its flow to 4500 only."""
        before, tries = self.lab.session(client), 0
        client.ike.settings.sends = 3
        self.lab.unmap(client, 500)
        for tries in (1, 2):
            try:
                client.ike.connect()
                break
            except Phase1Failed as why:
                tap.diag(f"try {tries}: {why}")
        else:
            tries = None
        tap.ok(tries, f"{client.host} rekeys phase 1 from a new port to 500, at its second try at the latest",
               lambda: self.lab.kernel() + self.lab.natshim.log()[-2000:])
        line = self.lab.session(client)
        tap.equal((line["alias"], line["port"]), (before["alias"], before["port"]), "its session is where it was")
        client.ppp.pings.clear()

    def ike_first(self, client):
        """The first packet from the new port is IKE, a rekey of phase 2."""
        before, pairs, phase1s = self.lab.session(client), len(client.phase2.pairs), len(client.ike.sas)
        client.lively = client.keepalives = False
        self.lab.serve(1)
        self.lab.unmap(client)
        client.start_phase2()
        tap.ok(self.until(lambda: len(client.phase2.pairs) > pairs, 60), f"IKE first from another port, {client.host}: Quick Mode is done",
               lambda: self.lab.kernel() + self.lab.stack.log()[-3000:])
        lost = self.lab.pings_until_answered(client)
        tap.ok(lost is not None, "a ping is answered again", lambda: self.lab.kernel() + self.lab.natshim.log()[-2000:])
        tap.diag(f"{client.host}: {lost} pings lost, two a second; the server now knows port {self.lab.port_of(client)}")
        port = self.lab.mapped(client)
        tap.ok(self.until(lambda: self.lab.session(client)["port"] == port, 30), "status has the new port", lambda: str(self.lab.sessions()))
        tap.equal((self.lab.session(client)["alias"], len(client.ike.sas)), (before["alias"], phase1s), "and the same address for the server")
        client.lively = client.keepalives = True
        client.ppp.pings.clear()

    def port_changes(self, client, what):
        before, phase1s = self.lab.session(client), len(client.ike.sas)
        known = self.lab.port_of(client)
        client.lively = False  # its pings are counted here
        port = self.lab.remap(client)
        lost = self.lab.pings_until_answered(client)
        client.lively = True
        tap.ok(lost is not None, f"{what}, {client.host}: a ping is answered again", lambda: self.lab.kernel() + self.lab.natshim.log()[-2000:])
        tap.diag(f"{client.host}: {lost} pings lost, two a second; the server knew port {known}, now {self.lab.port_of(client)}")
        tap.ok(self.until(lambda: self.lab.session(client)["port"] == port, 20), "status has the new port", lambda: str(self.lab.session(client)))
        line = self.lab.session(client)
        tap.equal((line["alias"], line["spi_in"], len(client.ike.sas)), (before["alias"], before["spi_in"], phase1s),
                  "it is the same session, with the same address for the server")
        tap.ok(self.lab.logged(rf"natshim: {re.escape(NAT)}:{port}: its NAT has given it this port in place of {before['port']}\b", 20),
               "and the log says so", lambda: self.lab.natshim.log()[-2000:])
        client.ppp.pings.clear()

    def test_flushes(self):
        self.lab.srv.run("conntrack", "-F")
        self.nobody_loses("connection tracking is flushed")
        self.lab.srv.run("nft", "flush", "ruleset")
        tap.ok(wait_for(lambda: "natshim_alias" in natshim.tables(self.lab.srv), 20), "all rules are flushed, natshim puts them back")
        self.until_all_answer()  # the maps are filled, and the server's last answers to the real address are over
        self.nobody_loses("after the flush of all rules")

    def test_server_first(self):
        """Connection tracking has forgotten the client, and the server speaks first."""
        client = self.clients[1]
        self.lab.serve(1)
        client.lively, client.keepalives = False, False
        self.lab.srv.run("conntrack", "-F")
        ping = self.lab.srv.popen("ping", "-q", "-c", "5", "-i", "0.3", "-W", "5", client.ppp.address, log=self.lab.srv.path("first.log"))
        self.lab.serve(15, lambda: ping.poll() is not None)
        tap.ok(ping.poll() == 0, "the server speaks first after a flush, and is answered", self.lab.kernel)
        client.lively = client.keepalives = True

    def test_server_rekeys(self):
        """It begins, and connection tracking has forgotten the client, who has been silent for a moment."""
        client = self.clients[1]
        phase2 = client.phase2.exchanges
        for phase, count in ((2, lambda: sum(exchange.done for exchange in phase2.values())), (1, lambda: len(client.ike.sas))):
            before = count()
            client.lively = client.keepalives = False
            self.lab.serve(1)
            self.lab.srv.run("conntrack", "-F")
            self.lab.stack.rekey(client.address, phase)
            tap.ok(self.until(lambda level=before, count=count: count() > level, 40), f"after a flush the server rekeys phase {phase}",
                   lambda: f"{self.lab.kernel()}\n{tap.tail(self.lab.stack.log())}")
            client.lively = client.keepalives = True
        self.nobody_loses("the server has rekeyed")

    def test_forged(self):
        alias, port = self.lab.alias(self.clients[1]), self.lab.session(self.clients[1])["port"]
        before = self.lab.natshim.counters()["rules"].get("alias-forged", 0)
        states = len(self.lab.stack.log())
        for _ in range(3):
            self.lab.forged(alias, port)
        tap.ok(wait_for(lambda: self.lab.natshim.counters()["rules"]["alias-forged"] == before + 3, 5),
               "a neighbour who says that he is an alias is dropped", lambda: str(self.lab.natshim.counters()["rules"]))
        tap.ok(f"{alias}:{port}" not in self.lab.stack.log()[states:], "the server has not heard of it")
        before, line = self.lab.natshim.counters(), self.lab.session(self.clients[1])
        with self.lab.net["c3"].socket(socket.AF_INET, socket.SOCK_DGRAM) as neighbour:
            for _ in range(3):
                neighbour.sendto(struct.pack("!II", int(line["spi_in"], 16), 1 << 20) + os.urandom(80), (SRV, 4500))
            tap.ok(wait_for(lambda: self.lab.natshim.counters()["aliases_trials"] == before["aliases_trials"] + 1, 20),
                   "a neighbour sends ESP with a client's SPI: his port is tried", lambda: str(self.lab.natshim.counters()))
            self.nobody_loses("forged packets")
        tap.equal((self.lab.natshim.counters()["aliases_moved"], self.lab.session(self.clients[1])["port"]), (before["aliases_moved"], line["port"]),
                  "and moves nobody")

    def test_killed(self):
        aliases = [self.lab.alias(client) for client in self.clients]
        self.lab.natshim.process.kill()
        self.lab.natshim.process.wait()
        self.nobody_loses("natshim is killed")
        self.lab.start(*OPTIONS)
        wait_for(lambda: len(self.lab.sessions()) == 3, 20)
        tap.equal([self.lab.alias(client) for client in self.clients], aliases, "the next natshim knows who has which alias")
        self.own_dialects("and who speaks which dialect")
        self.nobody_loses("and again one runs")

    def test_leaves_and_returns(self):
        leaver = self.clients.pop(1)
        for sa in leaver.ike.sas[:-1]:  # of before the server's rekey; bye() deletes the newest
            sa.delete()
        self.lab.bye(leaver)
        self.nobody_loses("c2 has left")
        again = self.join("c2 returns", self.kinds[1])
        aliases = {self.lab.alias(client) for client in self.clients}  # its old one, if the NAT still knows its flow to port 500
        tap.ok(self.lab.alias(again) and len(aliases) == len(self.clients), "with an alias that nobody else has", str(self.lab.sessions()))
        self.nobody_loses("c2 is back")

    def until_all_answer(self):
        for client in self.clients:
            client.ppp.pings.clear()
            client.lively = True
        self.lab.serve(20, lambda: all(client.ppp.answered() for client in self.clients))
        for client in self.clients:
            client.ppp.pings.clear()

    def test_bogons(self):
        """A list of bogons drops what comes out of IPsec from an alias: natshim check names the rule, and its fix heals it."""
        self.lab.srv.nft("table ip bogons { chain in { type filter hook input priority 0; iifname wan ip saddr 198.18.0.0/15 counter drop; }; }")
        for client in self.clients:
            client.lively = False
        pings = [client.ppp.ping(time.monotonic()) for client in self.clients]
        self.lab.serve(20, lambda: self.clients[0].ppp.answered(pings[:1]))
        self.lab.serve(2)
        tap.equal([client.ppp.answered([ping]) for client, ping in zip(self.clients, pings)], [1, 0, 0],
                  "a rule against bogons drops what the clients with an alias send, and not the first one's") or tap.diag(self.lab.kernel())
        config = self.lab.srv.write("check.conf", "alias = on\n")
        found = checked.Checked(self.lab.srv, "--iface", "wan", "--xl2tpd-config", self.lab.lns.conf, "--config", config)
        tap.equal({one for one in found.ids() if one.startswith("alias")}, {"alias-l2tp"}, "natshim check names it") or tap.diag(found.said())
        found.apply("alias-l2tp")
        self.until_all_answer()
        self.nobody_loses("after its fix")
        self.lab.srv.run("nft", "delete", "table", "ip", "bogons")

    def test_external(self):
        """The admin loads what natshim rules prints, in the place of natshim's own; c2 leaves and returns; natshim ends."""
        aliases = [self.lab.alias(client) for client in self.clients]
        printed = self.lab.srv.run(natshim.binary(), "rules", "--iface", "wan", *OPTIONS, "--rules", "external").stdout
        self.lab.natshim.process.kill()
        self.lab.natshim.process.wait()
        self.lab.srv.nft(printed)
        self.lab.start(*OPTIONS, "--rules", "external")
        wait_for(lambda: len(self.lab.sessions()) == 3, 20)
        tap.equal([self.lab.alias(client) for client in self.clients], aliases, "--rules external: natshim knows who has which alias")
        self.until_all_answer()
        self.nobody_loses("with the admin's tables")
        self.test_leaves_and_returns()
        aliases = [self.lab.alias(client) for client in self.clients]
        tap.equal(self.lab.natshim.stop(), 0, "natshim stops cleanly")
        tap.equal(sorted(natshim.tables(self.lab.srv)), ["natshim", "natshim_alias", "natshim_queue"], "the admin's tables stay")
        self.nobody_loses("natshim has ended")
        self.lab.srv.run("nft", "delete", "table", "inet", "natshim_queue")
        self.lab.start(*OPTIONS)
        wait_for(lambda: len(self.lab.sessions()) == 3, 20)
        tap.equal([self.lab.alias(client) for client in self.clients], aliases, "the next natshim installs its own, and knows the aliases")
        self.until_all_answer()

    def test_vanishes_and_returns(self):
        """From new ports of the NAT, while its old session is still there."""
        gone = next(client for client in self.clients if client.host == "c3")
        self.clients.remove(gone)
        gone.silent, gone.keepalives, gone.lively = True, False, False
        self.lab.ports = PORTS_ANEW
        self.join("c3 vanishes and returns from new ports", self.kinds[2])
        self.nobody_loses("c3 is back")
        self.lab.forget(gone)
        self.lab.ports = {}

    def test_same_ports(self):
        """Who vanishes and returns from the same ports of the NAT while the server still has the old session there is somebody else for
        it: a lone client and one with an alias. One is back after a while; the other one at once: if
        that is in the first minute of its session, by its old address, else it repeats its message 5 until that has been silent for 15 s."""
        for host, silent in (("c1", True), ("c2", False)):
            self.same_ports(next(client for client in self.clients if client.host == host), silent)

    def same_ports(self, gone, silent):
        host, before = gone.host, self.lab.session(gone)
        self.clients.remove(gone)
        gone.silent, gone.keepalives, gone.lively = True, False, False
        if silent:
            tap.ok(self.until(lambda: self.lab.session(gone)["idle_s"] >= QUIET, 60), f"{host} vanishes: not a packet for {QUIET} s")
        tap.ok(self.lab.sas(gone), f"{host} has vanished, the server has its session still")
        self.lab.forget(gone)
        again = self.join(f"{host} returns from the same ports: PPP and ping at the first try", next(k for k in self.kinds if k[0] == host))
        line = self.lab.session(again)
        tap.equal((line["peer"], line["port"]), (before["peer"], before["port"]), "the NAT has given it the same port")
        self.nobody_loses(f"{host} is back")
        tap.diag(f"{before['alias']} has become {line['alias']}")
        if not silent:
            return
        tap.ok(line["alias"] not in (None, before["alias"]), "and the server sees it at a new address", str((before, line)))
        tap.ok(self.until(lambda: not self.lab.sas(gone), 100), "its old session ends", lambda: self.lab.natshim.log()[-2000:])
        key = f"{{ {line['peer']} . {line['port']} }}"
        tap.equal(self.lab.srv.run("nft", "get", "element", "inet", "natshim_queue", "watched4", key, check=False).returncode, 0,
                  "the kernel notes its keep-alives still")
        self.nobody_loses("the old session is gone")

    def test_drop(self):
        """Connection tracking has forgotten the client, too, so that the server's Delete is the first packet."""
        client = next(client for client in self.clients if client.host == "c3")
        line = self.lab.session(client)
        client.lively = client.keepalives = False
        self.lab.serve(1)
        self.lab.srv.run("conntrack", "-F")
        done = self.lab.srv.run(natshim.binary(), "drop", f"{line['peer']}:{line['port']}")
        tap.like(done.stdout, "1 ending", "natshim drop takes the real address and port")
        tap.ok(self.lab.serve(15, lambda: any(what == "delete" for what, _ in client.ike.notices)), "the server's Delete reaches the client",
               lambda: str(client.ike.notices))
        tap.ok(self.lab.gone_within(client, 15), "and that session ends", lambda: self.lab.natshim.log()[-2000:])
        self.clients.remove(client)
        self.lab.forget(client)
        self.nobody_loses("c3 is dropped")
        self.lab.ports = PORTS_ANEW
        self.join("c3 returns from the same ports: PPP and ping at the first try", self.kinds[2])
        self.lab.ports = {}
        self.nobody_loses("c3 is back again")

    def test_no_nat(self):
        """A client without NAT vanishes and returns from the same address and ports: the LNS has its old tunnel still."""
        near = ("near", "rfc3947", "alice")
        gone = self.join("a client without NAT: PPP and ping", near)
        self.clients.remove(gone)
        self.lab.forget(gone)
        mark = len(self.lab.natshim.log())
        self.join("it vanishes and returns at once: PPP and ping at the first try", near)
        tap.like(self.lab.natshim.log()[mark:], "the one that it left behind is ended at the LNS", "and the log says why")
        gone = self.clients.pop()
        self.lab.forget(gone)
        self.lab.ports = {"tunnel": gone.lac.tunnel}
        again = self.join("it vanishes and returns at once with its old tunnel ID: PPP and ping at the first try", near)
        tap.diag(f"repeats of its L2TP messages: {again.lac.repeats}; ZLBs heard: {again.lac.zlbs}")
        self.lab.ports = {}
        self.nobody_loses("with one that has no NAT")

    def test_all_gone(self):
        for client in self.clients[:]:
            self.clients.remove(client)
            self.lab.bye(client)
        tap.ok(wait_for(lambda: self.lab.natshim.counters()["aliases"] == 0, 200, 1), "all leave: no alias is given any more",
               lambda: str(self.lab.sessions()))
        tap.ok(wait_for(lambda: "natshim_alias" not in natshim.tables(self.lab.srv), 200, 1), "and the table of aliases goes")

    def test_server_asks(self):
        """An aliased client that is silent, and that connection tracking has forgotten: the server asks whether it lives (RFC 3706), and
        libreswan, by its own clock, rekeys phase 2. One that has vanished is ended by it."""
        self.lab.stack.be_impatient()
        self.lab.ports = {"dpd": True}
        first, second = self.join("with DPD: PPP and ping", self.kinds[0]), self.join("with DPD, behind the same NAT", self.kinds[1])
        tap.ok(self.lab.alias(second), "which has an alias")
        for client in self.clients:
            client.lively = client.keepalives = False
        self.lab.serve(1)
        self.lab.srv.run("conntrack", "-F")

        def asked():
            return sum(what == "notify R-U-THERE" for what, _ in second.ike.notices)

        def rekeys():
            return sum(exchange.done for exchange in second.phase2.exchanges.values())
        before = asked(), rekeys()
        flushed = time.monotonic()
        tap.ok(self.until(lambda: asked() > before[0] + 1 and time.monotonic() > flushed + 35, 90), "the server asks a silent client after a flush",
               lambda: self.told(second))
        tap.ok(self.lab.sas(second), "and hears that it lives: 35 s later the SAs are there, where silence ends them after 30 s")
        if isinstance(self.lab.stack, sessionlab.Libreswan):
            tap.ok(self.until(lambda: rekeys() > before[1], 90), "it rekeys phase 2 by its own clock", lambda: self.told(second))
        for client in self.clients:
            client.lively = client.keepalives = True
        self.nobody_loses("the server has asked")
        second.lively, second.keepalives, second.silent = False, False, True
        ended = self.lab.ended()
        tap.ok(self.lab.sas(second), "one vanishes, and the server has its SAs")
        tap.ok(self.until(lambda: not self.lab.sas(second), 90), "the server ends what does not answer", lambda: self.told(second))
        tap.ok(self.until(lambda: not self.lab.session(second), 20), "and natshim has no session of it any more", lambda: str(self.lab.sessions()))
        tap.equal(self.lab.ended(), ended | {"stack": ended["stack"] + 1}, "which was the server's work alone")
        self.clients.remove(second)
        self.lab.forget(second)
        self.nobody_loses("the neighbour is gone")
        self.clients.remove(first)
        self.lab.bye(first)
        self.lab.ports = {}

    def told(self, client):
        return f"{client.ike.notices}\n{client.phase2.events}\n{self.lab.kernel()}\n{tap.tail(self.lab.stack.log(), 60)}"

    def test_end(self):
        tap.equal(self.lab.natshim.stop(), 0, "natshim stops cleanly")
        tap.equal(self.lab.natshim.faults(), "", "the sanitizers found nothing")
        tap.equal(natshim.tables(self.lab.srv), [], "no table is left")
