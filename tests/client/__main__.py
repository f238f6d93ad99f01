# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 -m tests.client --server ADDR [options]: one phase 1 as an old or new client, and what came of it.

Exit status 0 if phase 1 completed, 1 if not.
"""
import argparse
import json
import sys

from . import ike1, natt
from .client import Client
from .phase1 import Phase1Failed


def _arguments():
    p = argparse.ArgumentParser(prog="tests.client", description="An IKEv1 client that speaks the dialects of NAT-T.")
    p.add_argument("--server", required=True, metavar="ADDR")
    p.add_argument("--dialect", choices=sorted(natt.DIALECTS), default="rfc3947")
    p.add_argument("--strict", action="store_true", help="as apple, but takes the order of NAT-D for granted on receipt")
    p.add_argument("--psk", default="secret")
    p.add_argument("--id", metavar="ADDR", help="IPv4 address as identity (default: the own address)")
    p.add_argument("--mode", choices=("main", "aggressive"), default="main")
    p.add_argument("--group", type=int, choices=sorted(ike1.GROUPS), default=5, help="Diffie-Hellman group")
    p.add_argument("--cipher", choices=sorted(ike1.CIPHERS), default="3des")
    p.add_argument("--hash", choices=sorted(ike1.HASHES), default="sha1")
    p.add_argument("--interval", type=float, default=3.0, help="seconds between two sends of a message")
    p.add_argument("--sends", type=int, default=11, help="how many times a message is sent")
    p.add_argument("--port", type=int, default=500, help="own port in place of 500")
    p.add_argument("--nat-port", type=int, default=4500, help="own port in place of 4500")
    p.add_argument("--stay", type=float, default=0, metavar="SECONDS", help="answers the server for that long")
    p.add_argument("--json", action="store_true", help="the result as JSON")
    return p.parse_args()


def _report(args, outcome):
    if args.json:
        print(json.dumps(outcome, indent=2))
        return
    for event in outcome["events"]:
        print(f"{event['t']:7.3f} s  {event['what']}")
    print("phase 1 " + ("complete" if outcome["phase1"] else "failed: " + outcome["why"]))


def main():
    args = _arguments()
    dialect = natt.DIALECTS["apple-strict" if args.strict and args.dialect == "apple" else args.dialect]
    own_id = None
    if args.id:
        own_id = ike1.identity_body(bytes(map(int, args.id.split("."))))
    with Client(args.server, port=args.port, nat_port=args.nat_port, psk=args.psk.encode(), dialect=dialect,
                mode=args.mode, group=args.group, cipher=args.cipher, hash_name=args.hash, interval=args.interval,
                sends=args.sends, identity=own_id) as client:
        try:
            sa = client.connect()
        except Phase1Failed as failed:
            _report(args, {"phase1": False, "why": str(failed), "events": failed.events})
            return 1
        client.serve(args.stay)
        _report(args, {"phase1": True, **sa.summary(), "sas": [s.summary() for s in client.sas],
                       "notices": [what for what, _ in client.notices]})
        return 0


sys.exit(main())
