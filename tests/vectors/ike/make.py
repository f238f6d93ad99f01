#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the test vectors of shim/ike and the seeds of its fuzz target.

Knows the wire formats and what each dialect says (RFC 2408, 2409, 3947; docs/design.md), and nothing of the C code: for
the synthetic exchanges each message is built twice from one description, as the client says it and as the server must
hear it. The genuine ones come from captures, where these exist (../shared/captures); without them genuine.txt stays.

A vector file is a list of exchanges, each on a fresh table:
    exchange NAME
    public ADDR                     the server's public address (config)
    hide-nat yes                    its NAT is hidden from Microsoft's clients (config)
    peer ENDPOINT DIALECT           a peer that is known from before
    to-server|to-client SRC DST     one message, followed by
    in HEX
    out HEX | out same
    expect REASON DIALECT EDITS ACTIONS EXCHANGE_TYPE MESSAGE_NUMBER SERVER_INITIATED
"""
import hashlib
import ipaddress
import itertools
import os
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
CAPTURES = ROOT / ".." / "shared" / "captures"
SEEDS = ROOT / "tests" / "fuzz" / "corpus" / "ike"

HASHES = {1: "md5", 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512"}
SA, KE, ID, NONCE, HASH, VID = 1, 4, 5, 10, 8, 13
VENDOR_ID, NATD_TYPE, NATD_ORDER, NATOA_TYPE, NATD_HASHES = 1, 2, 4, 8, 16  # edits
TRACK, REMEMBER, FORGET, NAT_HIDDEN = 1, 2, 4, 16  # actions
MAIN, AGGRESSIVE = 2, 4


def md5(text):
    return hashlib.md5(text.encode()).digest()


RFC = md5("RFC 3947")
APPLE = md5("draft-ietf-ipsec-nat-t-ike")
DRAFT = {n: md5("draft-ietf-ipsec-nat-t-ike-%02d" % n) for n in range(2, 9)}
DRAFT_02N = md5("draft-ietf-ipsec-nat-t-ike-02\n")
KAME = bytes.fromhex("7003cbc1097dbe9c2600ba6983bc8b35")
DPD = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")


def noise(label, length):
    out = b""
    while len(out) < length:
        out += hashlib.sha256(("%s/%d" % (label, len(out))).encode()).digest()
    return out[:length]


def payload_chain(payloads):
    out = b""
    for i, (_, body) in enumerate(payloads):
        following = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        out += struct.pack(">BBH", following, 0, 4 + len(body)) + body
    return out


def message(cookies, exchange, payloads, version=0x10, flags=0, message_id=0):
    chain = payload_chain(payloads)
    first = payloads[0][0] if payloads else 0
    return cookies + struct.pack(">BBBBII", first, version, exchange, flags, message_id, 28 + len(chain)) + chain


def sa_body(hash_algorithm, transforms=1):
    out = b""
    for n in range(transforms):
        attributes = b"".join(struct.pack(">HH", 0x8000 | kind, value)
                              for kind, value in ((1, 5), (2, hash_algorithm), (3, 1), (4, 2), (11, 1)))
        attributes += struct.pack(">HHI", 12, 4, 28800 + n)  # a life duration in the long form
        out += struct.pack(">BBHBBH", 3 if n + 1 < transforms else 0, 0, 8 + len(attributes), n + 1, 1, 0) + attributes
    proposal = struct.pack(">BBHBBBB", 0, 0, 8 + len(out), 1, 1, 0, transforms) + out
    return struct.pack(">II", 1, 1) + proposal


def endpoint(text):
    host, port = text.rsplit(":", 1)
    return ipaddress.ip_address(host.strip("[]")).packed, int(port)


def natd(algorithm, cookies, where):
    address, port = endpoint(where)
    return hashlib.new(HASHES[algorithm], cookies + address + struct.pack(">H", port)).digest()


class Dialect:
    """What a client of this dialect offers, what the server should see instead, and how it says NAT-D."""

    def __init__(self, name, offers, seen=None, echo=None, natd_type=20, natoa=None, own_first=False, shimmed=True):
        self.name, self.offers, self.seen = name, offers, seen or offers
        self.echo = echo or RFC  # the vendor ID that it must find in the answer
        self.natd, self.natoa, self.own_first, self.shimmed = natd_type, natoa, own_first, shimmed
        self.order_known = natd_type == 15


def draft(number, others=()):
    return Dialect("draft-%02d" % number, [DRAFT[number], *others], [RFC, *others], DRAFT[number], 15, 16)


APPLE_DIALECT = Dialect("apple", [APPLE], [RFC], APPLE, 15, None, True)
TIGER = Dialect("tiger-late", [RFC, APPLE, DRAFT[2], DRAFT_02N], own_first=True)
DIALECTS = {
    "apple": APPLE_DIALECT,
    "apple-with-02": Dialect("apple", [DRAFT_02N, APPLE, DRAFT[2]], [DRAFT_02N, RFC, DRAFT[2]], APPLE, 15, None, True),
    "tiger-late": TIGER,
    "tiger-late-right-order": Dialect("tiger-late", TIGER.offers),
    "draft-04": draft(4),
    "draft-05": draft(5, [DRAFT[3]]),
    "draft-06": draft(6, [DRAFT[2], DRAFT_02N]),
    "draft-07": draft(7, [DRAFT[3], DRAFT_02N]),
    "draft-08": draft(8),
    "draft-04-to-08": Dialect("draft-08", [DRAFT[n] for n in (4, 5, 6, 7, 8)],
                              [DRAFT[4], DRAFT[5], DRAFT[6], DRAFT[7], RFC], DRAFT[8], 15, 16),
    "apple-and-draft-05": Dialect("draft-05", [APPLE, DRAFT[5]], [APPLE, RFC], DRAFT[5], 15, 16),
    "rfc3947": Dialect("rfc3947", [RFC, DRAFT[3], DRAFT[2]], shimmed=False),
    "rfc3947-and-draft-08": Dialect("rfc3947", [DRAFT[8], RFC], shimmed=False),
    "leopard": Dialect("leopard", [RFC, APPLE] + [DRAFT[n] for n in (8, 7, 6, 5, 4, 3, 2)] + [DRAFT_02N], shimmed=False),
    "draft-02-03": Dialect("draft-02/03", [DRAFT[3], DRAFT[2], DRAFT_02N], natd_type=130, shimmed=False),
    "none": Dialect("none", [KAME, DPD], shimmed=False),
}


class Net:
    """Where the two are, each as itself believes and as the other sees it."""

    def __init__(self, client="192.168.7.2", client_seen="198.51.100.7", server="203.0.113.5", server_seen=None,
                 nat_port=500, public=False):
        self.client, self.client_seen, self.nat_port = client, client_seen, nat_port
        self.server, self.server_seen, self.public = server, server_seen or server, public
        self.provable = public or self.server == self.server_seen

    @staticmethod
    def at(address, port):
        return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


class Exchange:
    def __init__(self, name):
        self.lines = ["exchange " + name]
        self.datagrams = []

    def say(self, direction, src, dst, before, after, expect):
        self.lines += ["%s %s %s" % (direction, src, dst), "in " + before.hex(),
                       "out " + (after.hex() if after != before else "same"), "expect " + expect]
        self.datagrams.append((direction, src, dst, before))


def expectation(edits, dialect, actions, exchange, number, server_initiated, reason=None):
    return "%s %s %d %d %d %d %d" % (reason or ("rewritten" if edits else "ordinary"), dialect, edits, actions, exchange,
                                     number, server_initiated)


def natd_payloads(kind, algorithm, cookies, destination, own, own_first):
    hashes = [natd(algorithm, cookies, destination), natd(algorithm, cookies, own)]
    return [(kind, h) for h in (hashes[::-1] if own_first else hashes)]


class Builder:
    """One exchange between a client of a dialect and an RFC 3947 server, as both must see it."""

    def __init__(self, name, dialect, net, mode, hash_algorithm, server_initiated, natoa=False, am3_port=4500):
        self.x = Exchange(name)
        self.d, self.net, self.mode, self.hash = dialect, net, mode, hash_algorithm
        self.by_server, self.natoa, self.am3_port = server_initiated, natoa, am3_port
        self.initiator = noise(name + "/i", 8)
        self.cookies = self.initiator + noise(name + "/r", 8)
        self.name = name
        if net.public:
            self.x.lines.append("public " + net.server_seen)
        if server_initiated:
            self.x.lines.append("peer %s %s" % (self.client_seen(500), dialect.name))

    def client_seen(self, port):
        return Net.at(self.net.client_seen, self.net.nat_port if port == 500 else 61234)

    def vids(self, ids):
        return [(VID, i) for i in ids]

    def body(self, kind, label, length):
        return (kind, noise(self.name + "/" + label, length))

    def client_natd(self, port, in_dialect):
        n, d = self.net, self.d
        right_for_server = d.natd == 15 and d.own_first or n.provable
        own_first = d.own_first if in_dialect or not right_for_server else False
        return natd_payloads(d.natd if in_dialect else 20 if d.natd == 15 else d.natd, self.hash, self.cookies,
                             Net.at(n.server_seen, port), Net.at(n.client, port), own_first)

    def server_natd(self, port, in_dialect):
        n, d = self.net, self.d
        wants_own_first = d.natd == 15 and d.own_first
        return natd_payloads(d.natd if in_dialect and d.natd == 15 else 20, self.hash, self.cookies,
                             self.client_seen(port), Net.at(n.server, port), in_dialect and wants_own_first)

    def natd_edits(self, from_client):
        d = self.d
        edits = NATD_TYPE if d.natd == 15 else 0
        if d.own_first and (d.natd == 15 or from_client and self.net.provable):
            edits |= NATD_ORDER
        if self.natoa and from_client:
            edits |= NATOA_TYPE
        return edits

    def send(self, from_client, port, say, edits, actions, number):
        """say(in_dialect) -> payloads: True as the client's dialect has it, False as RFC 3947 has it."""
        cookies = self.initiator + bytes(8) if number == 1 else self.cookies
        in_dialect, in_rfc = (message(cookies, self.mode, say(v)) for v in (True, False))
        if not self.d.shimmed:
            in_rfc, edits, actions = in_dialect, 0, 0
        client, server = self.client_seen(port), Net.at(self.net.server, port)
        known = self.d.shimmed or number == 1
        expect = expectation(edits, self.d.name if known else "none", actions, self.mode, number if known else 0,
                             self.by_server and known, None if known else "unknown")
        if from_client:
            self.x.say("to-server", client, server, in_dialect, in_rfc, expect)
        else:
            self.x.say("to-client", server, client, in_rfc, in_dialect, expect)

    def first_offer(self, in_dialect):
        d = self.d
        if self.by_server:  # what libreswan offers, RFC 3947 being read as the peer's own dialect
            return self.vids([DPD, d.echo if in_dialect else RFC, DRAFT[3], DRAFT[2]])
        return self.vids(d.offers if in_dialect else d.seen)

    def answer(self, in_dialect):
        d = self.d
        echo = d.echo if in_dialect else RFC
        if d.natd == 130:
            echo = DRAFT[3]
        if d.name == "none":
            return self.vids([KAME])
        return self.vids([KAME, echo] if self.by_server else [DPD, echo])

    def run(self):
        (self.main if self.mode == MAIN else self.aggressive)()
        return self.x

    def party(self, from_initiator):
        return from_initiator != self.by_server  # is it the client?

    def natd_for(self, from_client, port, in_dialect):
        oa = []
        if self.natoa and from_client:
            oa = [(self.d.natoa if in_dialect else 21, b"\1\0\0\0" + endpoint(Net.at(self.net.client, 1))[0])]
        return (self.client_natd if from_client else self.server_natd)(port, in_dialect) + oa

    def vid_edit(self):
        return VENDOR_ID if self.d.natd == 15 else 0

    def remember(self, from_client):
        return REMEMBER if from_client and self.natd_edits(True) & (NATD_TYPE | NATD_ORDER) else 0

    def main(self):
        first, second = self.party(True), self.party(False)
        self.send(first, 500, lambda v: [(SA, sa_body(self.hash, 3))] + self.first_offer(v), self.vid_edit(), TRACK, 1)
        self.send(second, 500, lambda v: [(SA, sa_body(self.hash))] + self.answer(v), self.vid_edit(), 0, 2)
        for who, number in ((first, 3), (second, 4)):
            self.send(who, 500, lambda v: [self.body(KE, "ke%d" % number, 12), self.body(NONCE, "n%d" % number, 16)] +
                      ([(VID, KAME)] if who else []) + self.natd_for(who, 500, v),
                      self.natd_edits(who), self.remember(who), number)

    def aggressive(self):
        first, second = self.party(True), self.party(False)
        keys = lambda n: [self.body(KE, "ke%d" % n, 12), self.body(NONCE, "n%d" % n, 16), self.body(ID, "id%d" % n, 12)]
        self.send(first, 500, lambda v: [(SA, sa_body(self.hash))] + keys(1) + self.first_offer(v), self.vid_edit(), TRACK, 1)
        self.send(second, 500, lambda v: [(SA, sa_body(self.hash))] + keys(2) + [self.body(HASH, "hash2", 16)] +
                  self.answer(v) + self.natd_for(second, 500, v),
                  self.vid_edit() | self.natd_edits(second), self.remember(second), 2)
        self.send(first, self.am3_port, lambda v: [self.body(HASH, "hash3", 16)] + self.natd_for(first, self.am3_port, v),
                  self.natd_edits(first), self.remember(first), 3)


def synthetic():
    nat = Net()
    cases = []

    def add(name, dialect, net=nat, mode=MAIN, hash_algorithm=2, by_server=False, **more):
        cases.append(Builder(name, DIALECTS[dialect], net, mode, hash_algorithm, by_server, **more).run())

    for name, d in DIALECTS.items():
        add("main/" + name, name)
        add("aggressive/" + name, name, mode=AGGRESSIVE)
        if d.shimmed and name == d.name:
            add("server-main/" + name, name, by_server=True)
            add("server-aggressive/" + name, name, mode=AGGRESSIVE, by_server=True)
    for algorithm, hash_name in HASHES.items():
        for name in ("apple", "tiger-late", "draft-07"):
            add("main/%s/%s" % (name, hash_name), name, hash_algorithm=algorithm)
    nets = {
        "no-nat": Net(client="198.51.100.7"),
        "nat-port": Net(nat_port=1027),
        "ipv6": Net("fd00::2", "2001:db8::7", "2001:db8:5::1"),
        "server-nat": Net(server="10.0.0.5", server_seen="203.0.113.5"),
        "server-nat-public": Net(server="10.0.0.5", server_seen="203.0.113.5", public=True),
        "server-nat-public-ipv6": Net("fd00::2", "2001:db8::7", "fd00:5::1", "2001:db8:5::1", public=True),
    }
    for net_name, net in nets.items():
        for name in ("apple", "tiger-late", "draft-08", "rfc3947"):
            add("%s/main/%s" % (net_name, name), name, net)
        for name in ("apple", "tiger-late"):
            add("%s/aggressive/%s" % (net_name, name), name, net, AGGRESSIVE)
            add("%s/server-main/%s" % (net_name, name), name, net, by_server=True)
    add("aggressive/am3-on-500", "apple", mode=AGGRESSIVE, am3_port=500)
    for number in (4, 5, 6, 7, 8):
        add("main/draft-%02d/natoa" % number, "draft-%02d" % number, natoa=True)
    cases.append(ikev2())
    return cases


def ikev2():
    x = Exchange("ikev2")
    data = message(noise("ikev2", 8) + bytes(8), 34, [(33, noise("v2sa", 40)), (34, noise("v2ke", 32))], version=0x20,
                   flags=8)
    x.say("to-server", "198.51.100.7:500", "203.0.113.5:500", data, data,
          expectation(0, "none", 0, 0, 0, False, "other_version"))
    return x


# A server's NAT, hidden from a client of Microsoft (--hide-nat).

MICROSOFT = md5("MS NT5 ISAKMPOAKLEY")
WINDOWS = {  # the vendor IDs of its first message, and the payload type of NAT-D that follows from the server's answer
    "windows": ([MICROSOFT + struct.pack(">I", 9), RFC, DRAFT_02N, md5("FRAGMENTATION"), md5("MS-Negotiation Discovery Capable"),
                 md5("Vid-Initial-Contact"), md5("IKE CGA version 1")], RFC, 20, "rfc3947"),
    "windows-xp": ([MICROSOFT + struct.pack(">I", 4), md5("FRAGMENTATION"), DRAFT_02N], DRAFT_02N, 130, "draft-02/03"),
}
OTHERS = {
    "other": ([RFC, DRAFT_02N], RFC, 20, "rfc3947"),
    "microsoft-without-version": ([MICROSOFT, RFC], RFC, 20, "rfc3947"),
    "microsoft-longer": ([MICROSOFT + bytes(5), RFC], RFC, 20, "rfc3947"),
    "almost-microsoft": ([MICROSOFT[:15] + b"\0" + struct.pack(">I", 9), RFC], RFC, 20, "rfc3947"),
}


class Hidden:
    """Main Mode up to message 4. known_as: the server as the client has it; says: NAT-D of the server as it sends them."""

    def __init__(self, name, client="windows", algorithm=2, own="10.0.0.5", public="203.0.113.5", known_as=None, inside="192.168.7.2",
                 seen="198.51.100.7:500", on=True, hidden=True, says=None, more=()):
        self.x = Exchange("hide-nat/" + name)
        initiator = noise(name + "/i", 8)
        cookies = initiator + noise(name + "/r", 8)
        vids, echo, kind, dialect = (WINDOWS | OTHERS)[client]
        at = lambda address: Net.at(address, 500)
        known_as = known_as or public or own
        digest = lambda where: natd(algorithm, cookies, where)
        server = says(digest, seen, at(own)) if says else [digest(seen), digest(at(own))]
        followed = on and client in WINDOWS
        expect = lambda number, edits=0, actions=0: (expectation(edits, dialect, actions, MAIN, number, False) if followed or number == 1
                                                     else expectation(0, "none", 0, MAIN, 0, False, "unknown"))
        self.x.lines += (["public " + public] if public else []) + ["hide-nat yes"] * on

        def say(to_server, number, payloads, after=None, **expected):
            pair = (seen, at(own))
            made = [message(initiator + bytes(8) if number == 1 else cookies, MAIN, p) for p in (payloads, after or payloads)]
            self.x.say("to-server" if to_server else "to-client", *(pair if to_server else pair[::-1]), *made, expect(number, **expected))
        say(True, 1, [(SA, sa_body(algorithm, 3))] + [(VID, v) for v in vids], actions=TRACK * followed)
        say(False, 2, [(SA, sa_body(algorithm)), (VID, DPD), (VID, echo)])
        ke = lambda n: [(KE, noise(name + "/ke%d" % n, 12)), (NONCE, noise(name + "/n%d" % n, 16))]
        say(True, 3, ke(3) + [(kind, digest(at(known_as))), (kind, digest(at(inside)))])
        rest = [(kind, digest(one)) for one in more]
        before = ke(4) + [(kind, h) for h in server] + rest
        hidden = hidden and followed
        after = ke(4) + [(kind, digest("0.0.0.0:0")), (kind, digest(at(known_as)))] + rest
        say(False, 4, before, after if hidden else None, edits=NATD_HASHES * hidden, actions=NAT_HIDDEN * hidden)


def libreswan_feigns(digest, client, own):
    """encapsulation=yes: both with port 0."""
    return [digest(client.rsplit(":", 1)[0] + ":0"), digest(own.rsplit(":", 1)[0] + ":0")]


def strongswan_feigns(digest, client, own):
    """encap = yes: its own is noise."""
    return [digest(client), noise("fake", len(digest(own)))]


def hidden():
    cases = []
    for algorithm, name in HASHES.items():
        cases.append(Hidden("behind-nat/" + name, algorithm=algorithm))
    cases += [
        Hidden("open", inside="198.51.100.7"),
        Hidden("nat-port", seen="198.51.100.7:1027"),
        Hidden("ipv6", own="fd00:5::1", public="2001:db8:5::1", inside="fd00::2", seen="[2001:db8::7]:500"),
        Hidden("windows-xp", "windows-xp"),
        Hidden("three", more=("10.0.0.6:500",)),
        Hidden("libreswan-feigns", own="203.0.113.5", public=None, says=libreswan_feigns),
        Hidden("libreswan-feigns-open", own="203.0.113.5", public=None, says=libreswan_feigns, inside="198.51.100.7"),
        Hidden("libreswan-feigns-behind-nat", says=libreswan_feigns),
        Hidden("strongswan-feigns", own="203.0.113.5", public=None, says=strongswan_feigns),
        # Nothing to hide, or nothing that is known for certain.
        Hidden("no-server-nat", own="203.0.113.5", hidden=False),
        Hidden("knows-it-from-inside", known_as="10.0.0.5", hidden=False),
        Hidden("no-public", public=None, known_as="203.0.113.5", hidden=False),
        Hidden("another-public", known_as="203.0.113.9", hidden=False),
        Hidden("one-natd", says=lambda digest, client, own: [digest(client)], hidden=False),
        Hidden("no-natd", says=lambda digest, client, own: [], hidden=False),
        Hidden("short-natd", says=lambda digest, client, own: [digest(client)[:-1], digest(own)[:-1]], hidden=False),
        Hidden("off", on=False),
    ]
    return [case.x for case in cases + [Hidden(name, name) for name in OTHERS]]


# The genuine ones.

def pcap(path):
    data = path.read_bytes()
    if struct.unpack("<I", data[:4])[0] != 0xA1B2C3D4 or struct.unpack("<I", data[20:24])[0] not in (1, 101):
        raise SystemExit("%s: not a little-endian pcap of Ethernet or raw IP" % path)
    ethernet = struct.unpack("<I", data[20:24])[0] == 1
    at = 24
    while at < len(data):
        length = struct.unpack("<I", data[at + 8:at + 12])[0]
        yield data[at + 16 + (14 if ethernet else 0):at + 16 + length]
        at += 16 + length


def ike_messages(path):
    for packet in pcap(path):
        if packet[0] >> 4 != 4 or packet[9] != 17:
            continue
        udp = packet[(packet[0] & 15) * 4:]
        src_port, dst_port, length = struct.unpack(">HHH", udp[:6])
        body = udp[8:length]
        if 4500 in (src_port, dst_port):
            if body[:4] != bytes(4):
                continue
            body = body[4:]
        src, dst = (str(ipaddress.ip_address(packet[n:n + 4])) for n in (12, 16))
        yield Net.at(src, src_port), Net.at(dst, dst_port), body


def parse(data):
    kind, at, out = data[16], 28, []
    while kind:
        following, _, length = struct.unpack(">BBH", data[at:at + 4])
        out.append((kind, data[at + 4:at + length]))
        kind, at = following, at + length
    return out


def with_payloads(data, payloads):
    return data[:16] + bytes([payloads[0][0]]) + data[17:28] + payload_chain(payloads)


def swap_natd(payloads, kind):
    where = [i for i, (k, _) in enumerate(payloads) if k == kind]
    if len(where) == 2:
        a, b = where
        payloads[a], payloads[b] = payloads[b], payloads[a]
    return payloads


def server_says(payloads, own):
    """The message as a server that knows nothing but RFC 3947 had sent it: the vendor ID, the type, destination first."""
    return [(VID, RFC) if p == (VID, own) else (20, p[1]) if p[0] == 15 else p for p in payloads]


def genuine(path, name, dialect, own, own_first, rfc_server):
    x = Exchange(name)
    client = initiator = None
    for src, dst, data in itertools.islice(ike_messages(path), 7):  # phase 1, and what follows at once
        client = client or src.rsplit(":", 1)[0]
        direction = "to-server" if src.rsplit(":", 1)[0] == client else "to-client"
        if data[19] & 1:
            x.say(direction, src, dst, data, data, expectation(0, "none", 0, data[18] if data[18] == MAIN else 0, 0, 0,
                                                               "encrypted" if data[18] == MAIN else "other_exchange"))
            continue
        if data[18] != MAIN:
            x.say(direction, src, dst, data, data, expectation(0, "none", 0, 0, 0, 0, "other_exchange"))
            continue
        initiator = data[:8]
        number = {(True, True): 1, (False, True): 2, (True, False): 3, (False, False): 4}[
            (direction == "to-server", data[16] == SA)]
        payloads = parse(data)
        edits = actions = 0
        before, after = data, data
        if direction == "to-server" and own:
            changed = [(VID, RFC) if number == 1 and p == (VID, own) else (20, p[1]) if p[0] == 15 else p for p in payloads]
            if number == 3:
                edits = NATD_TYPE
                if own_first:
                    changed, edits = swap_natd(changed, 20), edits | NATD_ORDER
                first = next(body for kind, body in changed if kind == 20)
                assert first == natd(2, data[:16], dst), name  # it is the hash of where this message goes
            elif changed != payloads:
                edits = VENDOR_ID
            after = with_payloads(data, changed)
        elif direction == "to-client" and own and rfc_server:
            after = data
            theirs = server_says(payloads, own)
            if number == 4:
                first = next((body for kind, body in theirs if kind == 20), None)
                if first and first != natd(2, data[:16], dst):
                    theirs = swap_natd(theirs, 20)
                before = with_payloads(data, theirs)
                if first:
                    edits = NATD_TYPE
                    mine = [(15, p[1]) if p[0] == 20 else p for p in theirs]
                    if own_first:
                        mine, edits = swap_natd(mine, 15), edits | NATD_ORDER
                    after = with_payloads(data, mine)
            else:
                before = with_payloads(data, theirs)
                edits = VENDOR_ID
        if number == 1 and (own or dialect == "tiger-late"):
            actions = TRACK
        if number == 3 and edits:
            actions = REMEMBER
        known = number == 1 or own or dialect == "tiger-late"
        x.say(direction, src, dst, before, after,
              expectation(edits, dialect if known else "none", actions, MAIN, number if known else 0, 0,
                          None if known else "unknown"))
    return x


def genuine_cases():
    apple = CAPTURES / "apple"
    out = []
    for number, label in ((1, "pluto-stock-group5"), (3, "pluto-rewritten-group5"), (10, "own-responder-normal"),
                          (17, "pluto-rewritten-no-nat-group5"), (19, "panther-176.4.1-pluto-rewritten-group5")):
        path = apple / ("%d-%s-server.pcap" % (number, label))
        out.append(genuine(path, "apple/%d" % number, "apple", APPLE, True, False))
        out.append(genuine(path, "apple/%d, server answers in RFC 3947" % number, "apple", APPLE, True, True))
    out.append(genuine(apple / "14-tiger-245.19-pluto-stock-group5-server.pcap", "tiger-late/14", "tiger-late", None, False,
                       False))
    out.append(genuine(apple / "20-leopard-ipsec34-pluto-stock-group5-server.pcap", "leopard/20", "leopard", None, False,
                       False))
    path = CAPTURES / "ISAKMP_sa_setup.pcap"
    out.append(genuine(path, "draft-07", "draft-07", DRAFT[7], False, False))
    out.append(genuine(path, "draft-07, server answers in RFC 3947", "draft-07", DRAFT[7], False, True))
    return out


def seed(x):
    """The fuzz target's input: for each datagram flags (1 to-client, 2 port 4500, 4 IPv6, 32 server behind NAT), length, message."""
    out = b""
    for direction, src, dst, data in x.datagrams[:4]:
        flags = (direction == "to-client") | (src.endswith(":4500") or src.endswith(":61234")) << 1 | (src[0] == "[") << 2
        flags |= any(end.startswith(("10.0.0.5:", "[fd00:5::1]:")) for end in (src, dst)) << 5
        out += struct.pack(">BH", flags, len(data)) + data
    return out


def write(name, cases):
    text = "# Made by make.py; do not edit.\n" + "".join("\n" + "\n".join(c.lines) + "\n" for c in cases)
    (HERE / name).write_text(text)


def main():
    cases = synthetic()
    write("synthetic.txt", cases)
    cases += hidden()
    write("hide_nat.txt", hidden())
    seeds = [c for c in cases if c.lines[0].count("/") < 2]
    if CAPTURES.is_dir():
        real = genuine_cases()
        write("genuine.txt", real)
        seeds += [c for c in real if "," not in c.lines[0]]
    else:
        print("no captures in %s: genuine.txt stays as it is" % os.path.relpath(CAPTURES), file=sys.stderr)
    SEEDS.mkdir(parents=True, exist_ok=True)
    for c in seeds:
        (SEEDS / c.lines[0].split(" ", 1)[1].replace("/", "-")).write_bytes(seed(c))


if __name__ == "__main__":
    main()
