# SPDX-License-Identifier: GPL-2.0-or-later
"""The ends of a session that must hold with every IKE daemon: closed, vanished (dead, idle), superseded.

Ends(lab) has a test function for each; the clients behave as those that were seen: Leopard closes its tunnel and sends no
Delete, the iPhone just goes. Times are measured inside the machine.
"""
import re
import time

from . import tap
from .hosts import wait_for

DEAD, IDLE, SUPERSEDE = 12, 20, 8  # seconds; each longer than a keep-alive
SAMPLE = 5  # seconds between two looks of natshim at the counters
OPTIONS = ("--dead-after", DEAD, "--idle-timeout", IDLE, "--supersede-after", SUPERSEDE)


def close(lab, client, seconds=4):
    """The client's StopCCN, and no Delete after it. A list of (seconds from then, what was deleted) within so many seconds."""
    with lab.recorded() as events:
        began = time.time()
        client.lac.close(time.monotonic())
        client.silent, client.keepalives = True, False
        lab.serve(seconds)
    return [(when - began, what) for when, what in events]


class Ends:
    def __init__(self, lab):
        self.lab = lab
        lab.start(*OPTIONS)

    def test_closed(self):
        """StopCCN and no Delete (Leopard)."""
        lab = self.lab
        for attempt in ("first", "second"):
            client = lab.first_try(f"closed: the {attempt} connect works on the first try", junk=True)
            if not client:
                return
            if attempt == "first":
                self._table_says(client)
            self._closes(client)
        mark = len(lab.natshim.log())
        tap.ok(lab.logged(r"session closed.*asked the stack to end it", 1), "closed: the end is logged with its reason")
        tap.ok(lab.logged(r"session gone \(closed\)", 1), "closed: that it is gone is logged", lab.natshim.log()[mark:])
        tap.equal(lab.ended()["closed"], 2, "closed: counted by reason")

    def _table_says(self, client):
        session = self.lab.session(client)
        if not tap.ok(session, "the session is in the table", self.lab.sessions()):
            return
        got = {key: session[key] for key in ("peer", "port", "nat", "l2tp_port", "state")}
        tap.equal(got, {"peer": "203.0.113.2", "port": client.seen_port, "nat": True, "l2tp_port": client.l2tp_port, "state": "up"},
                  "status tells who it is")

    def _closes(self, client):
        """The client's StopCCN, and when each thing of it was gone."""
        lab = self.lab
        events = close(lab, client)
        left = lab.remains(client)
        tap.diag("after the StopCCN: " + ", ".join(f"{when:.2f} s {what}" for when, what in sorted(events)))
        parts = [sum(bool(re.search(words, what)) for _, what in events) for words in ("proto esp", "dir ", lab.stack.ike_deleted)]
        seconds = max(events)[0] if events else 99
        tap.ok(not left and parts[0] >= 2 and parts[1] >= 2 and parts[2] and seconds <= 1,
               f"closed: SAs, policies and IKE state are gone {seconds:.2f} s after the StopCCN (within 1 s)",
               lambda: f"{left}\n{events}\n{lab.natshim.log()}\n{tap.tail(lab.stack.log())}")
        lab.forget(client)

    def test_without_natshim(self):
        lab = self.lab
        if lab.natshim:
            tap.equal(lab.natshim.stop(), 0, "natshim stops cleanly")
        client = lab.first_try("without natshim: connect", junk=True)
        client.leave("stopccn")
        lab.serve(5)
        tap.ok(len(lab.sas(client)) == 2 and lab.policies(client) and lab.stack.states(client),
               "without natshim SAs, policies and IKE state are still there 5 s after the StopCCN", lambda: lab.remains(client))
        lab.forget(client)

    def test_vanished(self):
        """Clients that just go (iPhone), beside three that must be kept."""
        lab = self.lab
        dead, idle, warm, one_way, lively = (
            lab.first_try(f"vanish: {what} connects", host) for host, what in
            (("c1", "the one that is sent data"), ("c2", "the one left alone"), ("c3", "the one with keep-alives only"),
             ("c4", "the one that only sends"), ("c5", "the lively one")))
        lively.lively = True
        lab.serve(1)
        warm.silent = True  # deaf, but its keep-alives go on
        one_way.ppp.mute, one_way.keepalives = True, False
        before = {name: sorted(lab.sas(c)) for name, c in (("warm", warm), ("one_way", one_way), ("lively", lively))}
        for client in (dead, idle):
            client.ping(1)  # the last sign of life, from which the time is counted
            client.leave("vanish")
        went = time.monotonic()
        gone = {}
        with lab.server_pings(dead), lab.server_pings(warm):
            while time.monotonic() - went < IDLE + 3 * SAMPLE and len(gone) < 2:
                one_way.ppp.send_udp(one_way.ppp.peer, 9, 9, b"one way")
                lab.serve(0.5)
                for name, client in (("dead", dead), ("idle", idle)):
                    if name not in gone and not lab.sas(client):
                        gone[name] = time.monotonic() - went
            tap.diag(f"gone after: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in gone.items())}")
            self._in_time(gone, "dead", DEAD, f"vanished, sent data: gone after --dead-after ({DEAD} s)")
            self._in_time(gone, "idle", IDLE, f"vanished, no traffic: gone after --idle-timeout ({IDLE} s)")
            end = went + IDLE + 3 * SAMPLE
            while time.monotonic() < end:
                one_way.ppp.send_udp(one_way.ppp.peer, 9, 9, b"one way")
                lab.serve(0.5)
            tap.equal(sorted(lab.sas(warm)), before["warm"], "kept: keep-alives only, and data sent to it")
            tap.equal(sorted(lab.sas(one_way)), before["one_way"], "kept: sends data and gets none, sends no keep-alives")
            tap.equal(sorted(lab.sas(lively)), before["lively"], "kept: the lively one")
        for name, client in (("dead", dead), ("idle", idle)):
            tap.ok(lab.gone_within(client, 20), f"vanished ({name}): policies and IKE state are gone too", lambda c=client: lab.remains(c))
        tap.ok(lab.logged(r"session gone \(dead\)", 1) and lab.logged(r"session gone \(idle\)", 1), "vanished: both ends are logged")
        ended = lab.ended()
        tap.equal((ended["dead"], ended["idle"]), (1, 1), "vanished: counted by reason")
        lab.not_one_lost(lively, "vanished: the lively client behind the same NAT")
        for client in (dead, idle):
            lab.forget(client)
        for client in (warm, one_way, lively):
            lab.bye(client)

    def _in_time(self, gone, name, seconds, claim):
        """A look at the counters every few seconds decides: that, and the stack's own time, come on top."""
        tap.ok(name in gone and seconds - 1 <= gone[name] <= seconds + 3 * SAMPLE, claim,
               lambda: f"{gone}\n{self.lab.sessions()}\n{self.lab.natshim.log()}")

    def test_superseded(self):
        """The client reboots and is back behind another port of the NAT, while its old session looks alive."""
        lab = self.lab
        lively = lab.first_try("superseded: another client behind the NAT connects", "c2")
        lively.lively = True
        for pause, what in ((0, "at once"), (SUPERSEDE + 1, f"after {SUPERSEDE + 1} s of silence")):
            old = lab.first_try(f"superseded ({what}): connect")
            old.leave("vanish")
            lab.serve(pause)
            tap.ok(lab.session(old) and len(lab.sas(old)) == 2, f"superseded ({what}): the old session is still there")
            old.endpoint.close()
            lab.clients.remove(old)
            new = lab.first_try(f"superseded ({what}): the client is back on the first try", again=True)
            if not new:
                continue
            new.lively = True
            began = time.monotonic()
            gone = wait_for(lambda old=old: lab.serve(0.5) or not (lab.sas(old) or lab.stack.states(old)), SUPERSEDE + 2 * SAMPLE)
            tap.ok(gone, f"superseded ({what}): the old session goes, before it would be idle",
                   lambda: f"{lab.remains(old)}\n{lab.sessions()}\n{lab.natshim.log()}")
            tap.diag(f"gone {time.monotonic() - began:.1f} s after the new one was up")
            lab.serve(2)
            lab.not_one_lost(new, f"superseded ({what}): the new session")
            lab.bye(new)
        tap.ok(lab.logged(r"session gone \(superseded\)", 1), "superseded: logged", lab.natshim.log())
        tap.equal(lab.ended()["superseded"], 2, "superseded: counted by reason")
        lab.not_one_lost(lively, "superseded: the lively client behind the same NAT")
        lab.bye(lively)
