# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a capture what natshim must make of another one? Checks each pair of packets from RFC 3947 and the table of dialects in
docs/design.md, computes every hash anew, and knows nothing of how the program does it."""
import ipaddress

from tests.lib.capfile import NATD, NATD_DRAFT, VENDORS, Isakmp, Udp, natd

DIALECT_VENDORS = {"apple": "apple", **{f"draft-0{n}": f"draft-0{n}" for n in range(4, 9)}}


class Wrong(Exception):
    pass


def need(condition, number, what):
    if not condition:
        raise Wrong(f"packet {number}: {what}")


def address(packed):
    return str(ipaddress.ip_address(packed))


def same_but_checksum(before, after, header, payload_at, number):
    """Everything ahead of the IKE message but the UDP checksum."""
    checksum = header + 6
    need(before[:checksum] == after[:checksum], number, "a header changed")
    need(before[checksum + 2:payload_at] == after[checksum + 2:payload_at], number, "a header changed")


def checksum_kept(before, after, number):
    if before.checksum == 0:
        need(after.checksum == 0, number, "a checksum of zero must stay")
    else:
        need(after.checksum != 0, number, "the checksum became zero")
        need(before.sum() % 0xffff == after.sum() % 0xffff, number, "the checksum is not what it was")


def to_rfc3947(before, after, dialect, algorithm, destination, number):
    """One message of the client's, or of the server's in the client's dialect."""
    kinds = [NATD if kind == NATD_DRAFT and dialect in DIALECT_VENDORS else kind for kind, _ in before.payloads]
    need([kind for kind, _ in after.payloads] == kinds, number, "payload types")
    if dialect in DIALECT_VENDORS and before.of(1):
        need("rfc3947" in after.vendors(), number, "the RFC 3947 vendor ID is missing")
        need(DIALECT_VENDORS[dialect] not in after.vendors(), number, "the dialect's vendor ID is still there")
    hashes = after.of(NATD)
    if hashes:
        wanted = natd(algorithm, after.icookie, after.rcookie, *destination)
        need(wanted in hashes, number, "no NAT-D hashes the destination: the test cannot tell")
        need(hashes[0] == wanted, number, "the first NAT-D is not the destination's")
        need(sorted(hashes) == sorted(before.of(NATD) + before.of(NATD_DRAFT)), number, "NAT-D hashes changed")
    others_kept(before, after, dialect, number)


def to_dialect(before, after, dialect, algorithm, destination, number):
    """One message of the server's that is in RFC 3947."""
    draft = dialect in DIALECT_VENDORS
    kinds = [NATD_DRAFT if kind == NATD and draft else kind for kind, _ in before.payloads]
    need([kind for kind, _ in after.payloads] == kinds, number, "payload types")
    if draft and before.of(1):
        need(DIALECT_VENDORS[dialect] in after.vendors(), number, "the dialect's vendor ID is missing")
        need("rfc3947" not in after.vendors(), number, "the RFC 3947 vendor ID is still there")
    hashes = after.of(NATD_DRAFT if draft else NATD)
    if hashes and dialect == "apple":
        need(hashes[-1] == natd(algorithm, after.icookie, after.rcookie, *destination), number, "not in Apple's order")
    if hashes and dialect != "apple":
        need(hashes == before.of(NATD), number, "the order changed without need")
    need(sorted(hashes) == sorted(before.of(NATD)), number, "NAT-D hashes changed")
    others_kept(before, after, dialect, number)


def others_kept(before, after, dialect, number):
    """All other bytes: header, lengths, every body but NAT-D and one vendor ID."""
    need((before.icookie, before.rcookie, before.length) == (after.icookie, after.rcookie, after.length), number, "header")
    changed = 0
    for (kind, old), (_, new) in zip(before.payloads, after.payloads):
        need(len(old) == len(new), number, f"length of payload {kind}")
        if old != new and kind not in (NATD, NATD_DRAFT):
            need({old, new} <= {VENDORS["rfc3947"], VENDORS.get(DIALECT_VENDORS.get(dialect))}, number, f"payload {kind}")
            changed += 1
    need(changed <= 1, number, "more than one vendor ID changed")


def check(before, after, dialect, server, view="wire"):
    """before, after: lists of IP packets. Returns how many packets differ. Raises Wrong."""
    algorithm, differ = {}, 0
    need(len(before) == len(after), 0, "not the same number of packets")
    for number, (old, new) in enumerate(zip(before, after), 1):
        udp, new_udp = Udp(old), Udp(new)
        at = udp.ike() if udp.good else None
        if at is None or len(udp.payload) - at < 28:
            need(old == new, number, "is no IKE and changed")
            continue
        message = Isakmp(udp.payload[at:])
        if not message.clear:
            need(old == new, number, "is not clear and changed")
            continue
        differ += old != new
        translated = Isakmp(new_udp.payload[at:])
        if message.of(1) and any(message.rcookie):
            algorithm[message.icookie] = message.hash()
        same_but_checksum(old, new, udp.header, udp.header + 8 + at, number)
        checksum_kept(udp, new_udp, number)
        up = address(udp.dst) == server
        in_dialect = bool(message.of(NATD_DRAFT)) or DIALECT_VENDORS.get(dialect) in message.vendors()
        destination = (address(udp.dst), udp.dport)
        facts = (message, translated, dialect, algorithm.get(message.icookie), destination, number)
        if up or (view == "server" and in_dialect):
            to_rfc3947(*facts)
        elif view == "server" or in_dialect:
            need(old == new, number, "must stay")
        else:
            to_dialect(*facts)
    return differ
