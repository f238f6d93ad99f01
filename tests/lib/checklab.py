# SPDX-License-Identifier: GPL-2.0-or-later
"""The server of the tests that break it and let `natshim check' mend it: libreswan, xl2tpd and pppd on what --emit prints, natshim beside
them, an internal host behind the gateway, and clients behind a NAT (c1) and without one (near). In a virtual machine (tests/vm/run).
"""
import contextlib
import os
import re
import sys
import time

from ..client import natt, vpn
from . import broken, checked, hosts, l2tphosts, natshim, pluto, tap
from .hosts import SRV

PSK = "a long random secret"  # as the check's mend has it


class Lab:
    """file: the test program, for who starts it outside of a machine."""

    def __init__(self, file):
        if "IN_VM" not in os.environ:
            sys.exit(f"run it in a machine of its own: tests/vm/run {file}")
        self.started = time.monotonic()
        self.net = hosts.topology(lns=True)
        self.srv = self.net["srv"]
        self.srv.ip("route", "add", "default", "via", hosts.NAT)
        for name in ("ipsec.conf", "ipsec.secrets"):  # its own under the usual names: `ipsec auto' reads those
            self.srv.write(name, "")
            self.srv.run("mount", "--bind", self.srv.path(name), f"/etc/{name}")
        self.pluto = pluto.Pluto(self.srv, config=checked.emitted(self.srv, "libreswan", "--address", SRV), psk=PSK)
        self.lns = l2tphosts.Xl2tpd(self.srv, checked.emitted(self.srv, "xl2tpd", "--address", SRV),
                                    checked.emitted(self.srv, "pppd")).start()
        self.options = []
        self.counters = broken.Counters(self.srv)
        self.start_natshim()

    def start_natshim(self, *options):
        self.natshim = natshim.Natshim(self.srv, *options)

    def restart_xl2tpd(self):
        """It may refuse its file, and is not there then."""
        self.lns.stop()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.lns.control)
        self.lns.start(must=False)

    def check(self):
        return checked.Checked(self.srv, "--iface", "wan", "--xl2tpd-config", self.lns.conf, "--server-name", SRV, *self.options,
                               services={"ipsec": self.pluto.restart, "xl2tpd": self.restart_xl2tpd})

    def client(self, host="c1", **more):
        """A Mac of 10.3.6."""
        return vpn.Vpn(SRV, self.net[host].socket, dialect=natt.DIALECTS["apple"], interval=1.0, sends=4, psk=PSK.encode(), **more)

    def attempt(self, host="c1", **more):
        return broken.Attempt(self.client(host, **more), [self.pluto.log, self.lns.said, self.lns.ppp_said, self.counters.log], 4)

    def connects(self, what):
        tried = self.attempt()
        return tap.ok(tried.stage is None, what, tried.said)

    def edit(self, path, *changes):
        """Breaks a file of the server's: (pattern, replacement) each."""
        text = self.srv.run("cat", path).stdout
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text, flags=re.M)
            assert count == 1, (path, pattern, text)
        self.srv.run("tee", path, input=text)

    def mend_all(self, *faults, by_hand=None):
        broken.mend_all(faults, self.attempt, self.check, by_hand)

    def named_and_mended(self, check):
        found = self.check()
        tap.ok(check in found and found.apply(check), f"{check}: the check names it, and its mend can be followed word by word", found.said)

    def mend_rest(self, *left):
        """The findings that keep nobody out, left, are named still; all mends are applied, and nothing is to mend."""
        rest = self.check()
        tap.ok(set(left) <= rest.ids(), f"what keeps nobody out is named still: {', '.join(left)}", rest.said)
        for check in [one for one in rest.findings if rest[one]["severity"] != "hint"]:
            rest.apply(check)
        found = self.check()
        tap.equal(found.status, 0, "and mended: nothing to mend") or tap.diag(found.said())

    def run(self, *tests):
        """The test program."""
        def test_emitted():
            found = self.check()
            tap.equal(found.status, 0, "the emitted configurations: nothing to mend") or tap.diag(found.said())
            self.connects("a client of 10.3.6 behind a NAT connects")

        def test_end():
            tap.equal(self.natshim.stop(), 0, "natshim stops cleanly")
            tap.equal(self.natshim.faults(), "", "and the sanitizers found nothing")

        try:
            tap.main(test_emitted, *tests, test_end)
        finally:
            tap.diag(f"{time.monotonic() - self.started:.0f} s in the machine")
            self.natshim.stop()
            self.net.close()
