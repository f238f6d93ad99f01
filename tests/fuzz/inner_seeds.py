#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the seeds of fuzz_bridge_inner: payload chains of Quick Mode, Informational and message 5, as old clients and servers
send them, from the test client's own writer (tests/client/ike1.py). The format stands in fuzz_bridge_inner.c."""
import ipaddress
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.client import ike1  # noqa: E402

ike1.GROUPS.update({1: (768, 149686)})
SEEDS = ROOT / "tests" / "fuzz" / "corpus" / "bridge_inner"
PHASE1, ANSWER, QUICK, INFORMATIONAL = range(4)
FOREIGN, DRAFT, RFC = 2, 4, 8  # settings
SECRET = int.from_bytes(bytes(range(1, 10)) + bytes(23), "big")
INSIDE, SERVER = "192.168.77.2", "203.0.113.5"


def record(kind, payloads=(), client=0, server=False, spoil=False, tight=False, message=0, pause=0):
    """server: sent by it; pause: an index of the seconds that pass before."""
    chain = ike1.encode_payloads(list(payloads))
    head = kind | client << 2 | server << 4 | spoil << 5 | tight << 6
    return struct.pack(">BBHB", head, message | pause << 5, len(chain), payloads[0][0] if payloads else 0) + chain


def up(client=0, server=False):
    return record(PHASE1, client=client, server=server) + record(ANSWER, client=client)


def identity(address, protocol=17, port=0):
    return ike1.identity_body(ipaddress.ip_address(address).packed, protocol, port)


def esp(spi, group=0, mode=4):
    pairs = [(1, 1), (2, 3600), (4, mode), (5, 2)] + ([(3, group)] if group else []) + [(6, 128)]
    return (ike1.SA, ike1.sa_body([b"".join(ike1.attribute(*p) for p in pairs)], protocol=3, transform_id=12, spi=spi))


def second_proposal(spi):
    """An SA payload with the one proposal, of number 2."""
    body = esp(spi)[1]
    return (ike1.SA, body[:12] + b"\2" + body[13:])


def two_proposals():
    """Each with an SPI of its own."""
    first = esp(b"\1\1\1\1")[1]
    return (ike1.SA, first[:8] + b"\2" + first[9:] + second_proposal(b"\2\2\2\2")[1][8:])


def public(group):
    return (ike1.KE, ike1.DiffieHellman(group, SECRET).public)


def nonce(byte):
    return (ike1.NONCE, bytes([byte]) * 16)


IDS = [(ike1.ID, identity(INSIDE, port=54321)), (ike1.ID, identity(SERVER, port=1701))]
NATED = [(ike1.ID, identity("198.51.100.7", port=54321)), IDS[1]]
NATOA = [(21, b"\1\0\0\0" + ipaddress.ip_address(a).packed) for a in (INSIDE, SERVER)]
THIRD = record(QUICK)


def quick(one, two):
    """The client's, with these messages 1 and 2."""
    return record(QUICK, one) + record(QUICK, two, server=True) + THIRD


def pfs(client_group, server_group):
    return quick([esp(b"cccc", client_group), nonce(1), public(client_group), *IDS],
                 [esp(b"ssss", server_group), nonce(2), public(server_group), *IDS])


def of_server(group=0, server_group=0):
    keys, other = ([public(group)], [public(server_group)]) if group else ([], [])
    ids = IDS[::-1]
    return (record(QUICK, [esp(b"ssss", server_group), nonce(1), *other, *ids], server=True, message=1) +
            record(QUICK, [esp(b"cccc", group), nonce(2), *keys, *ids], message=1) + record(QUICK, server=True, message=1))


def delete(protocol, size, spis, **how):
    return record(INFORMATIONAL, [(ike1.DELETE, struct.pack(">IBBH", 1, protocol, size, len(spis)) + b"".join(spis))], **how)


def notify(kind, data=b"", spi=bytes(16), **how):
    return record(INFORMATIONAL, [(ike1.NOTIFY, ike1.notify_body(kind, spi, 1, data))], **how)


ANSWERED = [esp(b"ssss"), nonce(2), *IDS]
COOKIES = b"\1" + bytes(14) + b"\1"
SEEDS_OF = {
    "ordinary": (0, up() + notify(24578) + record(QUICK) + record(QUICK, server=True) + THIRD),
    "natoa-apple": (0, up() + quick([esp(b"cccc"), nonce(1), *IDS], [*ANSWERED, *NATOA])),
    "natoa-draft": (DRAFT, up() + quick([esp(b"cccc"), nonce(1), *IDS, *[(16, b) for _, b in NATOA]], [*ANSWERED, *NATOA])),
    "foreign": (FOREIGN, up() + quick([esp(b"cccc"), nonce(1), *IDS], [esp(b"ssss"), nonce(2), *NATED, *NATOA]) + of_server()),
    "pfs-own": (0, up() + pfs(1, 2)),
    "pfs-5": (0x10, up() + pfs(5, 5)),
    "pfs-bad-answer": (0, up() + record(QUICK, [esp(b"ssss", 2), nonce(1), public(2), *IDS[::-1]], server=True) +
                       record(QUICK, [esp(b"cccc", 1), nonce(2), (ike1.KE, bytes(96)), *IDS[::-1]]) +
                       record(QUICK, [esp(b"cccc", 1), nonce(2), public(1), *IDS[::-1]]) + record(QUICK, server=True)),
    "two-publics": (0, up() + record(QUICK, [esp(b"cccc"), nonce(1), (ike1.KE, bytes(8)), (ike1.KE, bytes(8)), *IDS]) + record(QUICK)),
    "pfs-server": (0x20, up() + of_server(1, 2)),
    "two-proposals": (RFC, up() + quick([two_proposals(), nonce(1), *IDS], [second_proposal(b"ssss"), nonce(2), *IDS])),
    "two": (0, up() + quick([esp(b"cccc"), nonce(1), *IDS], [esp(b"ssss"), nonce(2), *IDS]) + of_server() + up(2) +
              record(QUICK, client=2) + record(QUICK, client=2, server=True) + record(QUICK, client=2)),
    "no-nat": (0, up() + quick([esp(b"cccc"), nonce(1), *NATED], [esp(b"ssss"), nonce(2), *NATED])),
    "rekeys": (0, up() + record(QUICK) + record(QUICK, server=True) + THIRD + up(server=True) + of_server()),
    "names": (0x30, up() + record(PHASE1, [(ike1.ID, identity(INSIDE)), (ike1.HASH, bytes(64))], client=1) +
              record(ANSWER, client=1) + record(PHASE1, [(ike1.HASH, bytes(64)), (ike1.ID, b"\2\0\0\0mac.example")], client=2) +
              record(ANSWER, [(ike1.ID, b"\1\0\0\0" + ipaddress.ip_address(SERVER).packed), (ike1.HASH, bytes(32))], client=2,
                     server=True)),
    "delete": (0, up() + delete(3, 4, [b"cccc"]) + delete(3, 4, [b"ssss"], server=True, message=1) +
               delete(1, 16, [COOKIES], server=True, message=2) + record(QUICK) + record(QUICK, message=3, pause=5)),
    "dpd": (0x10, up() + notify(36136, b"\0\0\0\1") + notify(36137, b"\0\0\0\1", server=True) + notify(14, server=True, message=4) +
            record(INFORMATIONAL, spoil=True, message=5)),
    "spoiled": (0, up() + record(QUICK, spoil=True) + record(QUICK, tight=True) + record(QUICK, spoil=True, server=True) +
                record(QUICK, server=True) + record(QUICK, spoil=True) + THIRD),
    "many": (0, up() + b"".join(record(QUICK, message=n) for n in range(20)) + record(QUICK, message=1, pause=6)),
}


def main():
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, (settings, records) in SEEDS_OF.items():
        (SEEDS / name).write_bytes(bytes([settings]) + records)


main()
