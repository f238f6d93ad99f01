# SPDX-License-Identifier: GPL-2.0-or-later
"""One message of an IKEv1 exchange is lost: on the server's host, by rules of nftables, before natshim's queue or behind it.

The rule knows the message by its clear header and its length (RFC 2408 section 3.1) and drops the first one of that kind (a
limit of one a day lets the repeats through), or every one. libreswan sees a refused send where its own message is lost.
"""
MAIN, QUICK = 2, 32
TABLE = "losing"
FIRST, ANSWER, PUBLIC = "@th,{rc},64 0", "@th,{np},8 1", "@th,{np},8 4"  # responder's cookie, SA first, KE first
LONG, SHORT = "@th,32,16 > 140", "@th,32,16 < 140"                       # of the datagram: Quick Mode 3 is a HASH alone

# name: to the server?, exchange type, encrypted?, what else tells it
MESSAGES = {
    "Main Mode 1": (True, MAIN, 0, FIRST),
    "Main Mode 2": (False, MAIN, 0, ANSWER),
    "Main Mode 3": (True, MAIN, 0, PUBLIC),
    "Main Mode 4": (False, MAIN, 0, PUBLIC),
    "Main Mode 5": (True, MAIN, 1, ""),
    "Main Mode 6": (False, MAIN, 1, ""),
    "Quick Mode 1": (True, QUICK, 1, LONG),
    "Quick Mode 2": (False, QUICK, 1, LONG),
    "Quick Mode 3": (True, QUICK, 1, SHORT),
}

# (to the server?, between natshim and the server?): hook and priority; natshim's queue is at -300 and 300
HOOKS = {(True, False): ("prerouting", -450), (True, True): ("input", 0), (False, True): ("output", 0), (False, False): ("postrouting", 400)}


def _rule(port, every, to_server, exchange, encrypted, more):
    at = 64 + (32 if port == 4500 else 0)  # bits to the ISAKMP header: after the UDP header, and the non-ESP marker
    bits = {"rc": at + 64, "np": at + 128}
    words = [f"udp {'dport' if to_server else 'sport'} {port}", "@th,64,32 0" if port == 4500 else "",
             f"@th,{at + 144},8 {exchange}", f"@th,{at + 152},8 {encrypted}", more.format(**bits)]
    return " ".join(filter(None, words)) + ("" if every else " limit rate 1/day burst 1 packets") + " counter drop"


class Losing:
    """While the block runs, the first such message is lost on that host (every: each one until over()); count() tells how many were."""

    def __init__(self, host, message, behind, every=False):
        self.host = host
        facts = MESSAGES[message]
        hook, priority = HOOKS[facts[0], behind]
        rules = "\n".join(_rule(port, every, *facts) for port in (500, 4500))
        host.nft(f"table inet {TABLE} {{\nchain c {{\ntype filter hook {hook} priority {priority};\n{rules}\n}}\n}}\n")

    def count(self):
        words = self.host.run("nft", "list", "table", "inet", TABLE).stdout.split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == "packets" and words[i - 1] == "counter")

    def over(self):
        self.host.nft(f"flush table inet {TABLE}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.host.nft(f"delete table inet {TABLE}")
