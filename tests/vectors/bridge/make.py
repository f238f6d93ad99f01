#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the test vectors of bridge mode: whole exchanges, each message as its sender says it and as the other side must
hear it.

Both sides and what stands between them are computed here from the RFCs, with the arithmetic of the test client
(tests/client/ike1.py); nothing is known of the C code but the order in which it asks for random bytes: 8 at its start,
then a Diffie-Hellman secret each time that it sends a public value.

    exchange NAME
    needed|always|foreign           which clients are bridged
    to-server|to-client SRC DST DIALECT
    in HEX
    out HEX | out pass | out drop
    expect REASON ACTIONS
    swap SPI_TO_SERVER KEYMAT_CLIENT KEYMAT_SERVER SPI_TO_CLIENT KEYMAT_CLIENT KEYMAT_SERVER
"""
import hashlib
import ipaddress
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
sys.path.insert(0, str(ROOT))
from tests.client import ike1  # noqa: E402
from tests.client.natt import KAME, VENDOR_IDS  # noqa: E402

SEEDS = ROOT / "tests" / "fuzz" / "corpus" / "bridge"
GROUPS = dict(ike1.GROUPS) | {1: (768, 149686)}
ike1.GROUPS.update(GROUPS)
TRACK, UNTRACK, UP, SWAP, REPLY, BEGUN, EXPECT, READY = 1, 2, 4, 8, 16, 32, 64, 128
PSK = b"secret"
CLIENT, NATED, SERVER = "192.168.77.2", "198.51.100.7", "203.0.113.5"
FRAGMENTATION = hashlib.md5(b"FRAGMENTATION").digest() + bytes.fromhex("80000000")
CIPHER_BITS = {"3des": None, "aes128": 128, "aes256": 256}
OFFER = [("aes256", "sha256", 14), ("aes128", "sha1", 14), ("3des", "sha1", 14), ("aes128", "sha1", 5), ("3des", "sha1", 5)]
NATOA, NATD = 21, 20


def noise(label, length):
    out = b""
    while len(out) < length:
        out += hashlib.sha256(f"{label}/{len(out)}".encode()).digest()
    return out[:length]


class Random:
    """What the C test feeds: byte n is (131 n + 17 + (n >> 8)) mod 256."""

    def __init__(self):
        self.at = 0
        self.take(8)

    def take(self, length):
        self.at += length
        return bytes((131 * n + 17 + (n >> 8)) & 255 for n in range(self.at - length, self.at))


def bridge_offer(suites, life):
    """As the bridge writes a phase-1 SA."""
    transforms = []
    for cipher, hash_name, group in suites:
        pairs = [(1, ike1.CIPHERS[cipher][0]), (2, ike1.HASHES[hash_name]), (3, 1), (4, group)]
        pairs += [(14, CIPHER_BITS[cipher])] if CIPHER_BITS[cipher] else []
        pairs += [(11, 1), (12, life)] if life else []
        transforms.append(b"".join(ike1.attribute(*p) for p in pairs))
    return ike1.sa_body(transforms)


class Exchange:
    """One exchange between initiator I and responder R, with the bridge between: a leg with each."""

    def __init__(self, name, client=("3des", "sha1", 2), server=("aes256", "sha256", 14), by_server=False, dialect="apple",
                 when="needed", short=False, pfs=0, client_vids=(), life=3600, natoa=False, foreign=False, nated=NATED, told=None,
                 identity=None, proposals=1, bad_answer=False, weaker=()):
        self.name, self.dialect, self.by_server, self.lines = name, dialect, by_server, [f"exchange {name}", when]
        self.random = Random()
        self.suites = {"client": client, "server": server}
        self.pfs, self.natoa, self.foreign = pfs, natoa, foreign
        self.proposals = proposals  # of Quick Mode; the last one is chosen
        self.bad_answer = bad_answer  # message 2 of Quick Mode comes with a public value out of range first
        self.weaker = list(weaker)  # transforms that the client offers besides, the one that must be chosen in their midst
        self.nated = nated  # the client's address outside
        self.identity = identity or ike1.identity_body(ipaddress.ip_address(CLIENT).packed)  # its ID of phase 1
        ends = struct.unpack(">xBH", self.identity[:4]) if self.identity[0] in (1, 5) else ()  # protocol and port, which stay
        self.told = ike1.identity_body(ipaddress.ip_address(told).packed, *ends) if told else self.identity  # as the server hears it
        self.icookie, self.rcookie = noise(name + "ci", 8), noise(name + "cr", 8)
        self.ni, self.nr = noise(name + "ni", 16), noise(name + "nr", 20)
        self.port = 500
        self.vids = [(ike1.VID, v) for v in client_vids or (VENDOR_IDS["rfc3947"],)]
        self.short, self.life = short, life
        self.dh, self.own, self.peer, self.keys, self.iv, self.last = {}, {}, {}, {}, {}, {}
        self.messages = 0

    # -- the roles

    @property
    def initiator(self):
        return "server" if self.by_server else "client"

    @property
    def responder(self):
        return "client" if self.by_server else "server"

    def other(self, leg):
        return "server" if leg == "client" else "client"

    # -- writing

    def step(self, sender, message, out, reason="relayed", actions=0):
        ends = (f"{self.nated}:{self.port}", f"{SERVER}:{self.port}")
        ends = ends if sender == "client" else ends[::-1]
        text = out if isinstance(out, str) else out.hex()
        self.lines += [f"to-{self.other(sender)} {ends[0]} {ends[1]} {self.dialect}", f"in {message.hex()}", f"out {text}",
                       f"expect {reason} {actions}"]
        self.messages += 1

    def message(self, exchange, payloads, msgid=0):
        return ike1.Message(self.icookie, self.rcookie if self.messages else bytes(8), exchange, payloads, msgid).encode()

    def sealed(self, leg, exchange, payloads, msgid, iv):
        keys = self.keys[leg]
        data = keys.encrypt(iv, ike1.encode_payloads(payloads))
        message = ike1.Message(self.icookie, self.rcookie, exchange, [], msgid, ike1.ENCRYPTED, data, payloads[0][0])
        return message.encode(), data[-keys.block:]

    # -- phase 1

    def secret(self, leg, who):
        """The peer's own secret on its leg; a short public value is searched for."""
        group, n = self.suites[leg][2], 0
        while True:
            dh = ike1.DiffieHellman(group, int.from_bytes(noise(f"{self.name}{who}{n}", 32), "big"))
            if not (self.short and leg == "client") or dh.public[0] == 0:
                return dh
            n += 1

    def wire_public(self, leg, dh):
        return dh.public.lstrip(b"\0") if self.short and leg == "client" else dh.public

    def natds(self, leg, sender):
        """NAT-D: the destination as it is, the own address behind a NAT or not."""
        def of(address):
            return hashlib.new(self.suites[leg][1], self.icookie + self.rcookie + ipaddress.ip_address(address).packed +
                               struct.pack(">H", self.port)).digest()
        if sender == "server":
            return [(NATD, of(self.nated)), (NATD, of(SERVER))]
        return [(NATD, of(SERVER)), (NATD, self.nowhere(leg, of))]

    def nowhere(self, leg, of):
        """The client's own address, which the bridge cannot know: on the other leg it is the hash of no address."""
        if leg == "client" or self.suites["client"][1] == self.suites["server"][1]:
            return of(CLIENT)
        first = hashlib.new(self.suites["client"][1], self.icookie + self.rcookie + ipaddress.ip_address(CLIENT).packed +
                            struct.pack(">H", self.port)).digest()[:4]
        return hashlib.new(self.suites["server"][1], self.icookie + self.rcookie + first + bytes(2)).digest()

    def offers(self):
        """The SA payload's body on each leg."""
        half = len(self.weaker) // 2
        offered = self.weaker[:half + 1] + [self.suites["client"]] + self.weaker[half + 1:]
        client = ike1.sa_body([ike1.phase1_transform(*suite, self.life) for suite in offered])
        if self.by_server:
            server = bridge_offer([self.suites["server"]], self.life)
            return {"server": server, "client": bridge_offer([self.suites["client"]], self.life)}
        return {"client": client, "server": bridge_offer(OFFER, self.life)}

    def first(self):
        i = self.initiator
        self.sa = self.offers()
        payloads = [(ike1.SA, self.sa[i])] + self.vids
        told = [(ike1.SA, self.sa[self.other(i)])] + [v for v in self.vids if v[1] != FRAGMENTATION]
        self.step(i, self.message(ike1.MAIN, payloads), self.message(ike1.MAIN, told), actions=TRACK | BEGUN)

    def answer(self):
        i, r = self.initiator, self.responder
        number = OFFER.index(self.suites["server"]) + 1 if r == "server" else 1
        chosen = next(t for t in ike1.sa_transforms(self.sa[r]) if t[0] == number)
        said = struct.pack(">BBHBBH", 0, 0, 8 + len(chosen[3]), chosen[0], 1, 0) + chosen[3]
        heard = ike1.sa_transforms(self.sa[i])[len(self.weaker) // 2 + 1 if self.weaker and i == "client" else 0]
        told = struct.pack(">BBHBBH", 0, 0, 8 + len(heard[3]), heard[0], 1, 0) + heard[3]

        def body(transform):
            return struct.pack(">IIBBHBBBB", 1, 1, 0, 0, 8 + len(transform), 1, 1, 0, 1) + transform
        self.step(r, self.message(ike1.MAIN, [(ike1.SA, body(said))] + self.vids),
                  self.message(ike1.MAIN, [(ike1.SA, body(told))] + [v for v in self.vids if v[1] != FRAGMENTATION]),
                  actions=TRACK)

    def public(self, sender, nonce):
        """Message 3 or 4."""
        other = self.other(sender)
        self.peer[sender] = self.secret(sender, "peer")
        self.own[other] = ike1.DiffieHellman(self.suites[other][2], int.from_bytes(self.random.take(32), "big"))
        said = [(ike1.KE, self.wire_public(sender, self.peer[sender])), (ike1.NONCE, nonce), (ike1.VID, KAME)]
        told = [(ike1.KE, self.own[other].public), (ike1.NONCE, nonce), (ike1.VID, KAME)]
        self.step(sender, self.message(ike1.MAIN, said + self.natds(sender, sender)),
                  self.message(ike1.MAIN, told + self.natds(other, sender)), actions=TRACK)

    def derive(self):
        for leg in ("client", "server"):
            cipher, hash_name, _ = self.suites[leg]
            peer, own = self.wire_public(leg, self.peer[leg]), self.own[leg].public
            gxy = self.own[leg].shared(self.peer[leg].public)
            self.gx = getattr(self, "gx", {})
            self.gx[leg] = (peer, own) if leg == self.initiator else (own, peer)
            self.keys[leg] = ike1.Keys.derive(hash_name, cipher, PSK, self.ni, self.nr, gxy, self.icookie, self.rcookie,
                                              *self.gx[leg])
            self.iv[leg] = self.keys[leg].first_iv

    def auth(self, sender, spoil=False):
        """Message 5 or 6."""
        make = ike1.hash_i if sender == self.initiator else ike1.hash_r
        messages = {}
        for leg in (sender, self.other(sender)):
            identity = self.identity if leg == "client" else self.told
            if sender == "server":
                identity = ike1.identity_body(ipaddress.ip_address(SERVER).packed)
            tag = make(self.keys[leg], *self.gx[leg], self.icookie, self.rcookie, self.sa[leg], identity)
            if spoil:
                tag = tag[:-1] + bytes([tag[-1] ^ 1])
            messages[leg], last = self.sealed(leg, ike1.MAIN, [(ike1.ID, identity), (ike1.HASH, tag)], 0, self.iv[leg])
            if not spoil:
                self.iv[leg] = last
        if spoil:
            self.step(sender, messages[sender], "drop", "bad_hash", REPLY)
        else:
            self.step(sender, messages[sender], messages[self.other(sender)],
                      actions=TRACK | (UP if sender == self.responder else 0))

    def phase1(self):
        self.first()
        self.answer()
        self.public(self.initiator, self.ni)
        self.public(self.responder, self.nr)
        self.derive()
        self.port = 4500
        self.auth(self.initiator)
        self.auth(self.responder)
        return self

    # -- phase 2

    def hashed(self, leg, msgid, payloads, before=b""):
        keys = self.keys[leg]
        tag = ike1.prf(keys.hash_name, keys.skeyid_a, struct.pack(">I", msgid) + before + ike1.encode_payloads(payloads))
        return [(ike1.HASH, tag)] + payloads

    def pair(self, sender, exchange, msgid, said, told, before, ivs, actions=0):
        """A message of an exchange, relayed; ivs: of both legs, moved on."""
        other = self.other(sender)
        a, ivs[sender] = self.sealed(sender, exchange, self.hashed(sender, msgid, said, before), msgid, ivs[sender])
        b, ivs[other] = self.sealed(other, exchange, self.hashed(other, msgid, told, before), msgid, ivs[other])
        self.step(sender, a, b, actions=actions)

    def ivs(self, msgid):
        return {leg: self.keys[leg].phase2_iv(self.iv[leg], msgid) for leg in ("client", "server")}

    def informational(self, sender, payload, msgid, actions=0):
        self.pair(sender, ike1.INFORMATIONAL, msgid, [payload], [payload], b"", self.ivs(msgid), actions)

    def group(self, leg, initiator):
        """Of PFS: who names the group of his own phase 1 means that; the other side hears of the one of its phase 1."""
        same = self.pfs == self.suites[initiator][2]
        return self.suites[leg][2] if self.pfs and same else self.pfs

    def esp_sa(self, spi, group):
        pairs = [(1, 1), (2, 3600), (4, 4), (5, 2)] + ([(3, group)] if group else []) + [(6, 128)]
        attributes = b"".join(ike1.attribute(*p) for p in pairs)
        return ike1.sa_body([attributes], protocol=3, transform_id=12, spi=spi)

    def esp_offer(self, spi, group):
        """Proposals before the one that will be chosen have SPIs of their own."""
        bodies = [self.esp_sa(noise(f"{spi.hex()}{n}", 4), group)[8:] for n in range(1, self.proposals)]
        before = b"".join(b"\2" + body[1:4] + bytes([n]) + body[5:] for n, body in enumerate(bodies, 1))
        return struct.pack(">II", 1, 1) + before + self.esp_chosen(spi, group)

    def esp_chosen(self, spi, group):
        body = self.esp_sa(spi, group)[8:]
        return body[:4] + bytes([self.proposals]) + body[5:]

    def quick(self, msgid=0x01020304, by=None):
        i = by or self.initiator
        r, name = self.other(i), f"{self.name}{msgid}"
        ni, nr, ivs = noise(name + "qi", 16), noise(name + "qr", 32), self.ivs(msgid)
        spi = {i: noise(name + "si", 4), r: noise(name + "sr", 4)}
        client_id = ike1.identity_body(ipaddress.ip_address(CLIENT).packed, 17, 54321)
        as_server = ike1.identity_body(ipaddress.ip_address(self.nated).packed, 17, 54321) if self.foreign else client_id
        server_id = ike1.identity_body(ipaddress.ip_address(SERVER).packed, 17, 1701)
        said = {"client": client_id, "server": as_server}
        peer, own = {}, {}

        def ke(leg, sender):
            """Public values: the sender's own and the bridge's."""
            if not self.pfs:
                return []
            if leg == sender:
                peer[leg] = ike1.DiffieHellman(self.group(leg, i), int.from_bytes(noise(name + "pfs" + sender, 32), "big"))
                return [(ike1.KE, peer[leg].public)]
            own[leg] = ike1.DiffieHellman(self.group(leg, i), int.from_bytes(self.random.take(32), "big"))
            return [(ike1.KE, own[leg].public)]

        def ids(client, order):
            both = [client, server_id]
            return [(ike1.ID, body) for body in (both if order == "client" else both[::-1])]

        def natoa(sender, leg):
            if not self.natoa or (self.dialect == "apple" and sender == "server" and leg == "client"):
                return []
            kind = 16 if leg == "client" and self.dialect.startswith("draft") else NATOA
            return [(kind, b"\1\0\0\0" + ipaddress.ip_address(a).packed) for a in (CLIENT, SERVER)]

        def sa(sender, group):
            return self.esp_offer(spi[sender], group) if sender == i else struct.pack(">II", 1, 1) + self.esp_chosen(spi[sender], group)

        def negotiate(sender, nonce, leg, client):
            return ([(ike1.SA, sa(sender, self.group(leg, i))), (ike1.NONCE, nonce)] + ke(leg, sender) + ids(client, i) +
                    natoa(sender, leg))
        if i == "client":  # QM1 says the client's ID on both legs; QM2 of the server may say another
            first_in, first_out, second_in, second_out = client_id, client_id, as_server, client_id
        else:
            first_in, first_out = said["server"], said["client"]
            second_in, second_out = said["client"], said["server"]
        one = negotiate(i, ni, i, first_in), negotiate(i, ni, r, first_out)
        self.pair(i, ike1.QUICK, msgid, *one, b"", ivs, EXPECT if i == "client" else 0)
        two = negotiate(r, nr, r, second_in), negotiate(r, nr, i, second_out)
        if self.bad_answer:
            bad = [(kind, bytes(len(body)) if kind == ike1.KE else body) for kind, body in two[0]]
            self.step(r, self.sealed(r, ike1.QUICK, self.hashed(r, msgid, bad, ni), msgid, ivs[r])[0], "drop", "bad_ke")
        self.pair(r, ike1.QUICK, msgid, *two, ni, ivs, SWAP if r == "server" else EXPECT)
        if r == "server":
            self.swap(peer, own, spi, ni + nr)
        self.third(i, msgid, ni, nr, ivs, READY | (SWAP if i == "server" else 0))
        if i == "server":
            self.swap(peer, own, spi, ni + nr)
        return self

    def third(self, sender, msgid, ni, nr, ivs, actions):
        made = {}
        for leg in (sender, self.other(sender)):
            keys = self.keys[leg]
            tag = ike1.prf(keys.hash_name, keys.skeyid_a, b"\0" + struct.pack(">I", msgid) + ni + nr)
            made[leg], ivs[leg] = self.sealed(leg, ike1.QUICK, [(ike1.HASH, tag)], msgid, ivs[leg])
        self.step(sender, made[sender], made[self.other(sender)], actions=actions)

    def keymat(self, leg, shared, spi, nonces):
        """RFC 2409 section 5.5, the long form."""
        keys, material, block = self.keys[leg], b"", b""
        while len(material) < 128:
            block = ike1.prf(keys.hash_name, keys.skeyid_d, block + shared + b"\3" + spi + nonces)
            material += block
        return material[:128]

    def swap(self, peer, own, spi, nonces):
        """Each SA: what the client has, and what the server has; with PFS each leg has a secret of its own."""
        parts, self.spi = [], spi
        for one in (spi["server"], spi["client"]):
            parts.append(one.hex())
            for leg in ("client", "server"):
                shared = own[leg].shared(peer[leg].public) if self.pfs else b""
                parts.append(self.keymat(leg, shared, one, nonces).hex())
        self.lines.append("swap " + " ".join(parts))


INITIAL_CONTACT = (ike1.NOTIFY, struct.pack(">IBBH", 1, 1, 16, 24578) + bytes(16))


def whole(name, **more):
    x = Exchange(name, **more).phase1()
    x.informational("client", INITIAL_CONTACT, 0x77)
    x.quick()
    x.informational("client", (ike1.DELETE, struct.pack(">IBBH", 1, 3, 4, 1) + x.spi["client"]), 0x78)
    x.informational("server", (ike1.DELETE, struct.pack(">IBBH", 1, 1, 16, 1) + x.icookie + x.rcookie), 0x79, TRACK)
    return x


def wrong_secret(name, who):
    x = Exchange(name)
    x.first()
    x.answer()
    x.public("client", x.ni)
    x.public("server", x.nr)
    x.derive()
    if who == "server":
        x.auth("client")
    x.auth(who, spoil=True)
    x.auth(who)  # the right one still counts
    return x


def bad_public(name, value):
    """A public value out of range in message 3: it goes nowhere."""
    x = Exchange(name)
    x.first()
    x.answer()
    number = {"0": 0, "1": 1, "p-1": ike1.prime(2) - 1, "p": ike1.prime(2)}[value]
    body = [(ike1.KE, number.to_bytes(128, "big")), (ike1.NONCE, x.ni)]
    x.step("client", x.message(ike1.MAIN, body), "drop", "bad_ke", REPLY)
    return x


def not_offered(name):
    """The server chooses what natshim did not offer: one number of a transform is another one. It goes nowhere; the right answer counts."""
    x = Exchange(name)
    x.first()
    for cipher, hash_name, group in (("aes256", "md5", 14), ("aes128", "sha256", 14), ("aes256", "sha256", 5), ("3des", "sha1", 2)):
        x.step("server", x.message(ike1.MAIN, [(ike1.SA, ike1.sa_body([ike1.phase1_transform(cipher, hash_name, group, x.life)]))] + x.vids),
               "drop", "refused")
    x.answer()
    x.public("client", x.ni)
    x.public("server", x.nr)
    x.derive()
    x.port = 4500
    x.auth("client")
    x.auth("server")
    return x


def two_publics(name):
    """A first message of Quick Mode with two public values, and no group named: nobody knows what that means."""
    x, msgid = Exchange(name).phase1(), 0x01020304
    body = [(ike1.SA, x.esp_sa(noise(name, 4), 0)), (ike1.NONCE, x.ni), (ike1.KE, bytes(range(128))), (ike1.KE, bytes(range(128)))]
    x.step("client", x.sealed("client", ike1.QUICK, x.hashed("client", msgid, body), msgid, x.ivs(msgid)["client"])[0], "drop", "malformed")
    return x


def server_rekeys(name, **more):
    """A client's exchange, so that it is known, and then one of the server's."""
    x = Exchange(name, **more).phase1().quick()
    x.quick(0x0a0b0c0d, by="server")
    y = Exchange(name + "/2", by_server=True, **more)
    y.random = x.random
    y.phase1().quick(0x0e0f1011)
    y.quick(0x12131415, by="client")
    x.lines += y.lines[2:]
    return x


def same_name(name):
    """Two clients with the same private address behind two NATs: the second has another name towards the server, and keeps it
    when the server rekeys, and when it rekeys itself; a third has the next one."""
    x = Exchange(name).phase1()
    for number, (nat, told, by_server) in enumerate((("198.51.100.8", "198.18.0.1", False), ("198.51.100.8", "198.18.0.1", True),
                                                     ("198.51.100.8", "198.18.0.1", False), ("198.51.100.9", "198.18.0.2", False),
                                                     (NATED, None, False))):
        y = Exchange(f"{name}/{number}", nated=nat, told=told, by_server=by_server)
        y.random = x.random
        y.phase1().quick()
        x.lines += y.lines[2:]
    return x


def other_names(name, identity, told, first=b""):
    """Two clients behind two NATs that name themselves alike, by something else than an IPv4 address with port 500; first: the first
    one's name, where that is not the same bytes."""
    x = Exchange(name, identity=identity if first == b"" else first).phase1()
    y = Exchange(name + "/2", nated="198.51.100.8", identity=identity, told=told)
    y.random = x.random
    y.phase1().quick()
    x.lines += y.lines[2:]
    return x


def unbridged(name, **more):
    x = Exchange(name, **more)
    x.sa = x.offers()
    x.step("client", x.message(ike1.MAIN, [(ike1.SA, x.sa["client"])] + x.vids), "pass", "not_bridged")
    return x


def exchanges():
    yield whole("3des-sha1-modp1024")
    yield whole("fragmentation", client_vids=(VENDOR_IDS["rfc3947"], FRAGMENTATION))
    for client in (("3des", "md5", 2), ("aes128", "sha1", 2), ("aes256", "sha1", 5), ("3des", "sha1", 1), ("aes256", "sha512", 2),
                   ("aes256", "sha384", 5)):
        yield whole("client-" + "-".join(map(str, client)), client=client)
    for server in OFFER[1:]:
        yield whole("server-" + "-".join(map(str, server)), server=server)
    yield whole("short-ke", short=True)
    yield whole("pfs-14", pfs=14)
    yield whole("pfs-2", pfs=2)
    yield whole("natoa-apple", natoa=True)
    yield whole("natoa-draft-07", natoa=True, dialect="draft-07")
    yield whole("natoa-rfc", natoa=True, dialect="rfc3947")
    yield whole("foreign-id", foreign=True, natoa=True)
    yield whole("second-proposal", proposals=2)
    yield server_rekeys("pfs-bad-answer", pfs=14, bad_answer=True)
    yield two_publics("two-publics")
    yield whole("long-life", life=100000)
    yield whole("foreign", when="foreign", client=("3des", "sha1", 14))
    yield whole("always", when="always", client=("3des", "sha1", 14))
    strong = {"when": "always", "client": ("aes256", "sha1", 14)}
    yield whole("weak-group-first", weaker=[("3des", "sha1", 2), ("aes256", "sha1", 2), ("3des", "md5", 5), ("aes256", "sha256", 5)], **strong)
    yield whole("weak-cipher-first", weaker=[("3des", "sha256", 14), ("aes128", "sha256", 14), ("aes256", "md5", 14)], **strong)
    yield not_offered("not-offered")
    yield server_rekeys("server-rekeys")
    yield server_rekeys("server-rekeys-pfs-foreign", pfs=5, foreign=True)
    yield same_name("same-name")
    bare = ike1.identity_body(ipaddress.ip_address(CLIENT).packed, 0, 0)
    yield other_names("same-name-without-port", bare, "198.18.0.1", first=None)
    yield other_names("same-name-with-port", None, "198.18.0.1", first=bare)
    yield other_names("same-name-fqdn", b"\2\0\0\0mac.example", None)
    yield other_names("same-name-ipv6", ike1.identity_body(ipaddress.ip_address("fd00::2").packed), "198.18.0.1")
    yield server_rekeys("server-rekeys-pfs-14", pfs=14)
    yield wrong_secret("wrong-secret-client", "client")
    yield wrong_secret("wrong-secret-server", "server")
    for value in ("0", "1", "p-1", "p"):
        yield bad_public(f"ke-{value}", value)
    yield unbridged("strong-group", client=("3des", "sha1", 14), dialect="apple")
    yield unbridged("always-but-rfc3947", client=("3des", "sha1", 14), dialect="rfc3947", when="always")


def seed(x):
    """For the fuzz target: each message with its direction and length in front."""
    data = b""
    for at, line in enumerate(x.lines):
        if line.startswith("in "):
            message = bytes.fromhex(line[3:])
            data += bytes([x.lines[at - 1].startswith("to-client")]) + struct.pack(">H", len(message)) + message
    return data


def main():
    SEEDS.mkdir(parents=True, exist_ok=True)
    with open(HERE / "exchanges.txt", "w", encoding="ascii") as out:
        out.write("# Made by tests/vectors/bridge/make.py\n")
        for x in exchanges():
            out.write("\n".join(x.lines) + "\n")
            if x.name in ("3des-sha1-modp1024", "pfs-2", "server-rekeys", "short-ke", "natoa-draft-07"):
                (SEEDS / x.name).write_bytes(seed(x))


main()
