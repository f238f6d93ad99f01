# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of many clients behind one NAT share, whatever the server's IKE daemon is: twenty at once, in three groups that share private
address and ID, and clients with certificates instead of a pre-shared key. Everything lies in one virtual machine (tests/vm/run).
"""
import time

from ..client import certified, vpn
from . import aliaslab, natshim, tap

MANY, LEAVERS = 20, 4
NAME = "vpn.example.org"  # in the server's certificate


class Lab(aliaslab.Lab):
    """All its clients, each pinging only when it is asked to: the emulated machine is slow. third: as for aliaslab.Tests."""

    def __init__(self, stack, third):
        self.kinds = (*aliaslab.KINDS[:2], ("c3", third, "carol"))
        super().__init__(stack)

    def join(self, number, name, **more):
        kind = self.kinds[number % len(self.kinds)]
        self.ports = {"port": 1501 + number, "nat_port": 5501 + number, **more}
        client = self.connect(f"{name}: PPP and ping", *kind)
        if not client:
            raise tap.Stop
        client.lively = False
        return client

    def all_answer(self, what, rounds=3):
        sent = answered = 0
        for _ in range(rounds):
            own = {client: client.ppp.ping(time.monotonic()) for client in self.clients}
            self.serve(30, lambda own=own: all(client.ppp.answered([ping]) for client, ping in own.items()))
            sent += len(own)
            answered += sum(client.ppp.answered([ping]) for client, ping in own.items())
        tap.equal(answered, sent, f"{what}: {len(self.clients)} clients, every ping is answered") or tap.diag(self.kernel())

    def aliases(self):
        return [line["alias"] for line in self.sessions()]

    def end(self):
        tap.equal(self.natshim.stop(), 0, "natshim stops cleanly")
        tap.equal(self.natshim.faults(), "", "the sanitizers found nothing")
        tap.equal(natshim.tables(self.srv), [], "no table is left")


def twenty(stack, third="apple"):
    lab = Lab(stack, third)
    try:
        lab.start(*aliaslab.OPTIONS)
        for number in range(MANY):
            lab.join(number, f"client {number + 1}")
        aliases = lab.aliases()
        tap.equal((len(aliases), len(set(aliases)), aliases.count(None)), (MANY, MANY, 1), f"{MANY} sessions: one has its own address, the "
                  "others each another")
        lab.all_answer("all at once")
        lab.srv.run("conntrack", "-F")
        lab.all_answer("connection tracking is flushed")
        for client in lab.clients[1:1 + LEAVERS]:
            lab.bye(client)
        lab.all_answer("some have left")
        for number in range(LEAVERS):
            lab.join(MANY + number, f"client {number + 2} returns")
        lab.all_answer("they are back")
        tap.equal(len(set(lab.aliases())), MANY, "again each is at an address of its own")
        lab.end()
    finally:
        lab.close()


class CertifiedVpn(vpn.Vpn):
    def __init__(self, *place, credential, **more):
        super().__init__(*place, **more)
        self.ike.initiator = lambda endpoint, settings: certified.CertifiedPhase1(endpoint, settings, credential)


def certificates(stack, third="apple"):
    """stack: one that has root, a certs.Root."""
    lab = Lab(stack, third)
    try:
        lab.start(*aliaslab.OPTIONS)
        for number, who in enumerate(("anna", "berta", "clara")):
            credential = certified.Credential(*lab.stack.root.client(who), [lab.stack.root.certificate], NAME)
            lab.join(number, f"{who}, with a certificate", kind=CertifiedVpn, credential=credential)
        aliases = lab.aliases()
        tap.equal((len(set(aliases)), aliases.count(None)), (3, 1), "the first has its own address, the others each another")
        lab.all_answer("three with certificates")
        lab.end()
    finally:
        lab.close()
