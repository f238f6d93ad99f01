# SPDX-License-Identifier: GPL-2.0-or-later
"""--hide-nat up to PPP, for tests.vm.test_hide_nat (libreswan) and test_hide_nat_strongswan: Windows as it is documented, which refuses a
server behind a NAT (error 809), behind a NAT itself and in the open. A stack is a function (host, own address, feigns) -> its log."""
from ..client import natt, vpn
from . import hosts, l2tphosts, natshim, tap

INSIDE = "192.168.1.1"  # of the server: where the LNS listens
PLACES = (("c1", "behind a NAT"), ("near", "in the open"))
REFUSED = r"the server is behind a NAT \(error 809\)"


class Lab:
    """A server behind a router that forwards its public address to it (a cloud's); or one in the open that feigns a NAT."""

    def __init__(self, stack, feigns=False):
        self.net = hosts.topology(lns=True, server_nat=not feigns)
        self.srv = self.net["srv"]
        self.options = [] if feigns else ["--public", hosts.SRV]
        self.log = stack(self.srv, hosts.SRV if feigns else hosts.SRV_INSIDE, feigns)
        self.lns = l2tphosts.Xl2tpd.server(self.srv, INSIDE).start()
        self.natshim = None

    def start(self, *options):
        if self.natshim:
            tap.equal(self.natshim.stop(), 0, "natshim stops cleanly")
        self.natshim = natshim.Natshim(self.srv, "--lns", INSIDE, *self.options, *options)

    def client(self, host, dialect="windows"):
        return vpn.Vpn(hosts.SRV, self.net[host].socket, dialect=natt.DIALECTS[dialect])

    def explain(self, client):
        return f"{client.summary()}\n{self.natshim.log()[-3000:]}\n{tap.tail(self.log())}\n{self.srv.ip('-s', 'xfrm', 'state')}"

    def close(self):
        if self.natshim:
            self.natshim.stop()
        self.net.close()


def refused(lab, host, what):
    with lab.client(host) as client:
        try:
            client.connect("phase 1")
            tap.ok(False, what, client.summary())
        except vpn.Failed as why:
            tap.like(str(why), REFUSED, what)


def reaches_ppp(lab, host, dialect, what):
    """PPP and ping; and the session ends with the client, so that the next one is alone."""
    with lab.client(host, dialect) as client:
        try:
            client.connect()
            good = client.settle() and client.ping(5) == 5
        except vpn.Failed as why:
            tap.ok(False, f"{what}: PPP and ping", f"{why}\n{lab.explain(client)}")
            return
        tap.ok(good, f"{what}: PPP and ping", lambda: lab.explain(client))
        hidden = dialect.startswith("windows")
        tap.equal(client.ike.sas[-1].nat.peer, not hidden, f"{what}: it finds {'no ' if hidden else 'the '}NAT at the server")
        client.leave("proper")
    hosts.wait_for(lambda: l2tphosts.sa_count(lab.srv) == 0, 30)
    hosts.wait_for(lambda: "ppp" not in lab.srv.ip("-br", "link"), 30)  # pppd keeps the address that the next one gets


def behind_nat(stack):
    lab = Lab(stack)
    try:
        lab.start()
        for host, where in PLACES:
            refused(lab, host, f"server behind a NAT: Windows {where} refuses it")
        lab.start("--hide-nat")
        for host, where in PLACES:
            reaches_ppp(lab, host, "windows", f"server behind a NAT, --hide-nat: Windows {where}")
        reaches_ppp(lab, "c1", "rfc3947", "server behind a NAT, --hide-nat: an ordinary client")
    finally:
        lab.close()


def feigned(stack):
    lab = Lab(stack, feigns=True)
    try:
        lab.start()
        refused(lab, "near", "server that feigns a NAT: Windows refuses it")
        lab.start("--hide-nat")
        for host, where in PLACES:
            reaches_ppp(lab, host, "windows", f"server that feigns a NAT, --hide-nat: Windows {where}")
    finally:
        lab.close()
