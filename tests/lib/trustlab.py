# SPDX-License-Identifier: GPL-2.0-or-later
"""What the attacks on a running server share, whatever its IKE daemon is: a victim with a session of his own, a site-to-site
tunnel, and attackers of every kind that docs/security.md's table has. Everything lies in one virtual machine (tests/vm/run).

Attacks(lab) has a test function for each attack. What is claimed is what the victim and the kernel see: keys, pings, SAs.
"""
import contextlib
import re
import time

from ..client import attacker, esp, l2tp, vpn
from . import bridgelab, hosts, l2tphosts, natshim, sessionends, sessionlab, tap
from .hosts import NAT, NEAR, SRV, wait_for

BRIDGED = {"dialect": "apple", "group": 2, "cipher": "3des"}
SITE_IN, SITE_OUT, OFFICE_OUT = 0x51510001, 0x51510002, 0x51510003  # SPIs of tunnels that natshim has nothing to do with
QUICK_MODES, PHASE_1S, AMID = 400, 80, 300  # thousands are in tests/net/test_trust
GRACE = 4  # seconds in which natshim would have ended a session that it takes for closed (sessionends: within 1)


def hand_made(source, destination, spi, key):
    """A tunnel-mode SA as ip(8) takes it."""
    return (f"xfrm state add src {source} dst {destination} proto esp spi {spi:#x} mode tunnel enc cbc(aes) 0x{key * 16} "
            f"auth-trunc hmac(sha1) 0x{key * 20} 96")


class Lab(sessionlab.Lab):
    """ordinary: settings of a client that natshim does nothing for beside this IKE daemon. options: of natshim. routed: some clients get
    aliases."""

    def __init__(self, stack, ordinary, *options, routed=False):
        super().__init__(clients=4, stack=stack, routed=routed)
        self.routed = routed
        self.ordinary = ordinary
        self.secrets = self.srv.write("natshim.secrets", ': PSK "secret"\n')
        self.srv.ip_batch("addr add 10.60.0.1/32 dev lo", "route add 10.50.0.0/24 dev wan",
                          hand_made(NEAR, SRV, SITE_IN, "1a"), hand_made(SRV, NEAR, SITE_OUT, "2b"), hand_made(SRV, NAT, OFFICE_OUT, "3c"),
                          f"xfrm policy add dir in src 10.50.0.0/24 dst 10.60.0.0/24 tmpl src {NEAR} dst {SRV} proto esp mode tunnel",
                          f"xfrm policy add dir out src 10.60.0.0/24 dst 10.50.0.0/24 tmpl src {SRV} dst {NEAR} proto esp mode tunnel")
        self.net["near"].ip_batch(hand_made(NEAR, SRV, SITE_IN, "1a"))
        self.bridging(*options)

    def bridging(self, *options):
        self.start("--bridge", "--psk-file", self.secrets, *options)
        wanted = type(self.stack).__name__.lower()
        if not wait_for(lambda: self.natshim.status()["stack"] == wanted, 30):
            raise RuntimeError("natshim has not found the stack: " + self.natshim.log())

    def victim(self, host="c1", **settings):
        """One with a whole session, who pings five times a second from here on."""
        client = self.first_try(f"({host}: the victim connects)", host, kind=attacker.Insider, **{**self.ordinary, **settings})
        if not client:
            raise tap.Stop
        client.lively = True
        self.serve(1)
        client.place = self.address(client)
        return client

    def sas(self, client=None):
        """A victim's are those at its own address: with libreswan 5 the insider has one with the same SPI at his."""
        found, place = super().sas(client), getattr(client, "place", None)
        return {spi for spi in found if self.keys(place, spi) or self.keys(SRV, spi)} if place else found

    def insider(self, host="c2", to="phase 1", **settings):
        client = self.client(host, kind=attacker.Insider, to=to, **{**BRIDGED, "user": "bob", **settings})
        self.clients.remove(client)  # he is served by what he does
        return client

    def keys(self, destination, spi):
        """The kernel's keys of that SA, as text; None: it is not there."""
        for block in re.split(r"^(?=src )", self.srv.ip("xfrm", "state"), flags=re.M):
            if f" dst {destination}\n" in block and f"proto esp spi 0x{spi:08x} " in block:
                return tuple(re.findall(r"^\t(auth-trunc|enc|aead) (\S+ \S+)", block, re.M))
        return None

    @contextlib.contextmanager
    def untouched(self, name, *sas):
        """Claims that these SAs, (destination, SPI) each, have the same keys as before when the block ends, and were never gone."""
        before = [self.keys(*sa) for sa in sas]
        with self.recorded() as events:
            yield
        after = [self.keys(*sa) for sa in sas]
        tap.ok(all(before) and before == after, f"{name}: the kernel's keys of {len(sas)} SA{'s' * (len(sas) > 1)} are what they were",
               f"{before}\n{after}\n{self.natshim.log()[-3000:]}")
        tap.equal(about(events, sas), [], f"{name}: and none was gone for a moment")

    def no_worse(self, client, name):
        """Not one ping lost, none that had to wait in a queue of natshim's."""
        pings = client.ppp.pings
        self.not_one_lost(client, name)
        longest = max((back - sent for sent, back in pings.values() if back), default=99)
        tap.ok(longest < 1.5, f"{name}: the slowest took {longest:.2f} s (what natshim holds waits for 2 s)")
        pings.clear()
        client.lively = True

    def address(self, client):
        """By which the server knows a client behind the NAT."""
        return self.session(client)["alias"] or NAT

    def outbound(self, client):
        """(destination, SPI) of the SA by which the server reaches a client behind the NAT, and that of the other direction."""
        pair = client.phase2.pairs[-1]
        return (self.address(client), pair.inbound.spi), (SRV, pair.outbound.spi)

    def table(self, client):
        """What natshim's table says of a client that must not change by itself."""
        line = self.session(client)
        return line and {key: line[key] for key in ("id", "peer", "port", "l2tp_port", "state", "spi_in", "spi_out") if key in line}


def about(events, sas):
    """Those of recorded() that are about these SAs, (destination, SPI) each: an insider gives his own, at another destination, the same SPI."""
    return [what for _, what in events for destination, spi in sas
            if f"spi 0x{spi:08x}" in what and (f" dst {destination}" in what or " dst " not in what)]


def opened(pair, datagrams):
    """How many of the server's datagrams to the NAT that SA opens."""
    count = 0
    for _, sport, _, _, data, _ in datagrams:
        if sport == 4500 and data[:4] == pair.inbound.spi.to_bytes(4, "big"):
            try:
                pair.inbound.open(data)
                count += 1
            except esp.Refused:
                pass
    return count


class Attacks:
    """finish: the insider finishes his Quick Modes."""

    def __init__(self, lab, finish=False):
        self.lab, self.finish, self.victim = lab, finish, None

    # -- keys

    def test_keys_of_others(self):
        """The SPI of an SA towards one's own public address stands in clear in its packets."""
        lab = self.lab
        old, victim = lab.victim("c3", **BRIDGED, user="carol"), lab.victim()
        tap.ok(lab.address(old) == NAT and (lab.address(victim) != NAT) == lab.routed, "(only the second may have an alias)")
        for who, whom, sas in (("behind the same NAT, with the group's secret, against an ordinary client", victim, lab.outbound(victim)),
                               ("behind the same NAT, with the group's secret, against a bridged client", old, lab.outbound(old)),
                               ("behind the NAT whose router has a tunnel of its own, with the group's secret", None, ((NAT, OFFICE_OUT),))):
            self._name(who, whom, sas)
        lab.bye(old)
        self.victim = victim

    def _name(self, who, whom, sas):
        lab = self.lab
        wire = l2tphosts.Wire(lab.net["nat"], "wan")
        held, mark = lab.natshim.counters()["bridge_esp_held"], len(lab.natshim.log())
        with lab.insider() as bad, lab.untouched(who, *sas):
            pair = bad.name_spi(sas[0][1], others=lab.clients, finish=self.finish)
            lab.serve(3)
            seen = wire.datagrams()
            if pair and whom:
                tap.equal(opened(pair, seen), 0, f"{who}: he opens none of the packets that follow")
            else:
                tap.ok(True, f"{who}: he " + ("has keys that fit nothing that is sent" if pair else "is refused: no keys at all"))
        wire.close()
        tap.equal(lab.natshim.counters()["bridge_esp_held"], held, f"{who}: not a packet of ESP was held")
        if whom:
            lab.no_worse(whom, who)
        tap.diag("natshim said: " + lab.natshim.log()[mark:])

    # -- L2TP

    def test_closings_of_others(self):
        lab = self.lab
        self.victim = self.victim or lab.victim()
        with lab.insider(to="phase 2", **lab.ordinary) as bad:
            self._messages("behind the same NAT, in an SA of his own", lambda kind, **ids: bad.say(kind, self.victim.l2tp_port, **ids))
        site = attacker.PeerSa(lab.net["near"], NEAR, SRV, lab.net["near"].ip("xfrm", "state"))
        self._messages("a site-to-site peer, the victim's address inside",
                       lambda kind, **ids: site.say(kind, lab.address(self.victim), self.victim.l2tp_port, **ids))
        self._keeps("the victim's own SA", "a StopCCN for a tunnel that there is not",
                    lambda: self.victim.say(l2tp.STOPCCN, self.victim.l2tp_port, tunnel=self.victim.lac.peer_tunnel ^ 0x1111))
        self.victim.lively = False
        events = sessionends.close(lab, self.victim)
        tap.equal(lab.remains(self.victim), "", "the victim's own StopCCN: nothing is left of it within the grace")
        tap.diag(f"after his own StopCCN: {sorted(events)}")
        lab.forget(self.victim)
        self.victim = None

    def _right(self):
        """The IDs and numbers of the victim's tunnel: 16 bits each."""
        lac = self.victim.lac
        return {"tunnel": lac.peer_tunnel, "own_tunnel": lac.tunnel, "own_session": lac.session, "ns": lac.ns, "nr": lac.nr}

    def _messages(self, who, say):
        """All that could end his session or change what is known of it."""
        self._keeps(who, "StopCCN with made-up IDs", lambda: say(l2tp.STOPCCN, tunnel=0x4242))
        self._keeps(who, "StopCCN with the right IDs", lambda: say(l2tp.STOPCCN, **self._right()))
        self._keeps(who, "CDN with the right IDs", lambda: say(l2tp.CDN, session=self.victim.lac.peer_session, **self._right()))

        def others():
            say(l2tp.SCCRQ)
            say(l2tp.SCCRQ, own_tunnel=self.victim.lac.tunnel)
            for n in range(4):
                say(l2tp.HELLO, **{**self._right(), "ns": self.victim.lac.ns + n & 0xffff})
        self._keeps(who, "SCCRQ and HELLO", others)

    def _keeps(self, who, what, attack):
        lab, name, victim = self.lab, f"{who}: {what}", self.victim
        before, sas = lab.table(victim), lab.outbound(victim)
        with lab.recorded() as events:
            attack()
            lab.serve(GRACE)
        own = about(events, sas)
        good = before and lab.table(victim) == before and not own
        tap.ok(good, f"{name}: the session stays as it is, in natshim's table and in the kernel",
               lambda: f"{before}\n{lab.sessions()}\n{own}\n{lab.natshim.log()[-1000:]}")
        lab.no_worse(victim, name)
        if not lab.session(victim):  # so that what follows is an attack, too
            lab.forget(victim)
            self.victim = lab.victim()

    # -- where a session is

    def test_repeats_from_elsewhere(self):
        """He has recorded a message of the client's, and sends it again from another address."""
        lab = self.lab
        old = lab.victim("c3", **BRIDGED, user="carol")
        way, count = bridgelab.Way(old.endpoint), len(old.phase2.pairs)
        old.phase2.initiate(old.ike.sas[-1], time.monotonic())
        tap.ok(lab.serve(20, lambda: len(old.phase2.pairs) > count), "(the victim rekeys, and that is recorded)")
        lab.serve(3)  # the SAs are all there
        forger = attacker.Forger(lab.net["near"], SRV)
        for message in way.sent:
            forger.isakmp("203.0.113.77", 4500, message)
        lab.serve(1)
        own = len(lab.natshim.log())
        lab.srv.run(natshim.binary(), "drop", NAT)
        told = lab.serve(20, old.deleted)
        tap.ok(lab.logged(f":{old.seen_port}: session dropped.*sent Deletes to both sides", 20, own),
               "on the path, a recorded message sent again: natshim still ends it by Deletes", lambda: lab.natshim.log()[own:])
        tap.ok(told, "on the path, a recorded message sent again: and they reach the victim",
               lambda: f"{old.phase2.events}\n{lab.natshim.log()[own:]}")
        tap.ok(lab.gone_within(old, 10), "on the path, a recorded message sent again: nothing is left of the session", lambda: lab.remains(old))
        lab.forget(old)

    def test_room_for_answers(self):
        """Between the second and the third message of a client's Quick Mode its keys wait for SAs that are not there yet (strongSwan). A
        round trip is time enough for an insider to have hundreds of others wait."""
        lab, name = self.lab, "with the group's secret, hundreds of unfinished Quick Modes amid another's"
        old = lab.client("c3", kind=attacker.Insider, to="phase 1", user="carol", **BRIDGED)
        old.phase2.withhold = True
        exchange = old.phase2.initiate(old.ike.sas[-1], time.monotonic())
        tap.ok(lab.serve(20, lambda: exchange.done), "(the victim has the answer to its Quick Mode)", old.summary)
        with lab.insider() as bad:
            tap.diag(f"{bad.many_quick_modes(AMID)} of {AMID} answered")
        old.phase2.withhold = False
        old.phase2.third(exchange)
        old.start_tunnel()
        tap.ok(lab.serve(10, lambda: old.reached("session")), f"{name}: its SAs have its keys, its tunnel comes up",
               lambda: f"{old.summary()}\n{lab.natshim.log()[-3000:]}")
        old.seen_port = lab.port_of(old)
        lab.bye(old)

    # -- too much

    def test_too_much(self):
        """An insider takes as much as he can get: his neighbour's session is there, rekeys, and another client connects."""
        lab = self.lab
        old = lab.victim("c3", **BRIDGED, user="carol")
        sas, began = lab.outbound(old), time.monotonic()
        with lab.insider() as bad, lab.untouched("with the group's secret, hundreds of Quick Modes", *sas):
            answered = bad.many_quick_modes(QUICK_MODES, others=lab.clients, finish=self.finish)
            tap.diag(f"{QUICK_MODES} Quick Modes, {answered} answered, {time.monotonic() - began:.0f} s")
        lab.not_one_lost(old, "with the group's secret, hundreds of Quick Modes")
        self._rekeys(old, "with the group's secret, hundreds of Quick Modes")
        began = time.monotonic()
        with lab.insider() as bad:
            complete = bad.many_phase1s(PHASE_1S, sends=1, interval=2.0)
            tap.diag(f"{PHASE_1S} phase 1s, {complete} complete, {time.monotonic() - began:.0f} s")
        self._rekeys(old, "with the group's secret, many whole phase 1s")
        another = lab.first_try("with the group's secret, many whole phase 1s: another bridged client connects at its first try", "c4", **BRIDGED)
        if another:
            lab.bye(another)
        lab.bye(old)

    def _rekeys(self, client, name):
        count = len(client.phase2.pairs)
        client.phase2.initiate(client.ike.sas[-1], time.monotonic())
        tap.ok(self.lab.serve(30, lambda: len(client.phase2.pairs) > count) and client.ping(3) == 3, f"{name}: the victim rekeys, data flows",
               lambda: f"{client.summary()}\n{self.lab.natshim.log()[-3000:]}")

    def test_end(self):
        tap.equal(self.lab.natshim.stop(), 0, "natshim stops cleanly")
        tap.equal(self.lab.natshim.faults(), "", "the sanitizers found nothing")
