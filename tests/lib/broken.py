# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that is broken in many ways at once, and mended one by one: a client tries to connect, what it meets names the fault, `natshim
check' names it too, its mend is applied word by word, and the client tries again, until it connects.

A Fault is (check, stage, sign): the finding's ID, the stage at which the client is stuck (client.vpn.STAGES), and a pattern that
the daemons' logs of this attempt show for this fault and for no other that is left.
"""
import collections
import re

from ..client import vpn
from . import tap

Fault = collections.namedtuple("Fault", "check stage sign")


class Attempt:
    """One connection from phase 1 to a ping. stage: where it got stuck, None when it came through."""

    def __init__(self, client, logs, seconds):
        marks = [len(log()) for log in logs]
        with client:
            try:
                client.connect(seconds=seconds)
                self.stage, self.why = ("ping", "no answer") if not client.settle(5.0) or client.ping(3) != 3 else (None, "")
            except vpn.Failed as failed:
                self.stage, self.why = failed.stage, str(failed)
            if self.stage is None:
                client.leave("proper")
            elif client.ike.sas:
                client.phase2.delete(client.ike.sas[-1])
        self.log = "\n".join(log()[mark:] for log, mark in zip(logs, marks))

    def said(self):
        return f"{self.why}\n{tap.tail(self.log, 40)}"

    def shows(self, fault):
        return self.stage == fault.stage and re.search(fault.sign, f"{self.why}\n{self.log}")

    def sign(self, fault):
        """The words that show it, with the rest of their line."""
        return re.search(f".*(?:{fault.sign.removeprefix('(?s)')}).*", f"{self.why}\n{self.log}")


class Counters:
    """Counters of a host's kernel as a log: what has moved since the last look, a line each."""

    def __init__(self, host):
        self.host, self.text = host, ""
        self.last = self._read()

    def _read(self):
        text = self.host.run("cat", "/proc/net/xfrm_stat", "/proc/net/snmp").stdout
        counters = dict(re.findall(r"^(Xfrm\w+)\s+(\d+)$", text, re.M))
        names, values = re.findall(r"^Udp: (.*)$", text, re.M)
        return counters | {f"Udp{name}": value for name, value in zip(names.split(), values.split())}

    def log(self):
        now = self._read()
        self.text += "".join(f"{name} has moved\n" for name in now if now[name] != self.last.get(name))
        self.last = now
        return self.text


def mend_all(faults, attempt, check, by_hand=None):
    """attempt() makes an Attempt, check() a checked.Checked. Every fault is met, named and mended; then the client connects.

    by_hand: {check: function(mend's text)} for mends that are no commands and no edits.
    """
    left, by_hand = list(faults), by_hand or {}
    while left:
        tried = attempt()
        if not tap.ok(tried.stage, f"with {len(left)} faults left the client does not connect", left):
            break
        fault = next((one for one in left if tried.shows(one)), None)
        if not tap.ok(fault, f"what it meets is the sign of one of them ({tried.stage})", tried.said):
            break
        if said := tried.sign(fault):
            tap.diag(said.group())
        found = check()
        tap.ok(fault.check in found, f"{fault.check} (stuck at: {fault.stage}): the check names it", found.said)
        if fault.check not in found:
            break
        done = by_hand.get(fault.check, lambda _: found.apply(fault.check))(found[fault.check]["mend"])
        tap.ok(done, f"{fault.check}: its mend can be followed word by word", found.said)
        left.remove(fault)
    tried = attempt()
    tap.ok(not left and tried.stage is None, "all is mended: the client connects", tried.said)
