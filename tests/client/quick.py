# SPDX-License-Identifier: GPL-2.0-or-later
"""Phase 2 of IKEv1: Quick Mode in both roles (RFC 2409 section 5.5), with PFS and without, and Delete for what it made.

Phase2 is one client's. Each Quick Mode runs inside a complete phase 1 (phase1.Phase1Result, which sends for it) and adds a
pair of ESP SAs. Messages and the time are put in; it waits for nothing.
"""
import hmac
import os
import socket
import struct

from . import esp, ike1

DOI = 1
PROTO_ISAKMP, PROTO_ESP = 1, 3
TRANSFORMS = {"3des": 3, "aes": 12}
AUTH = {"md5": 1, "sha1": 2}
LIFE_TYPE, LIFE, GROUP, MODE, AUTHENTICATION, KEY_LENGTH = 1, 2, 3, 4, 5, 6
TRANSPORT = 2
NAT_OA_TYPES = (16, 21, 131)
OFFER = (("aes", 128, "sha1"), ("aes", 128, "md5"), ("3des", 192, "sha1"), ("3des", 192, "md5"))
REPEAT, TRIES = 3.0, 10


def wire(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _spi():
    return struct.pack(">I", int.from_bytes(os.urandom(4), "big") | 0x1000)


def _sa_body(spi, transforms):
    proposal = struct.pack(">BBBB", 1, PROTO_ESP, len(spi), len(transforms)) + spi
    proposal += ike1.encode_payloads([(3, body) for body in transforms])
    return struct.pack(">II", DOI, 1) + ike1.encode_payloads([(2, proposal)])


def _mode(sa):
    """The Encapsulation Mode for transport mode in this phase 1."""
    return sa.method.encapsulation[1] if sa.nat else TRANSPORT


class Pair:
    """An inbound and an outbound ESP SA, and how they were agreed."""

    def __init__(self, inbound, outbound, choice, role):
        self.inbound, self.outbound = inbound, outbound
        self.choice, self.role = choice, role  # choice: (cipher, key bits, MAC)


class _Exchange:
    """One Quick Mode: its phase 1, message ID, IV and what must be kept of it."""

    def __init__(self, sa, message_id, role):
        self.sa, self.id, self.role = sa, message_id, role
        self.iv = sa.keys.phase2_iv(sa.last_block, message_id)
        self.nonce_i = self.nonce_r = self.spi_i = self.spi_r = b""
        self.ids = []
        self.choice = self.dh = None  # dh: of PFS
        self.shared = b""
        self.heard = self.last = None  # the messages received and sent last, for repeats
        self.due, self.tries = None, 0
        self.done = False

    def prf(self, *parts):
        """With the key that authenticates; the message ID is written first of all but HASH(3)."""
        return ike1.prf(self.sa.keys.hash_name, self.sa.keys.skeyid_a, b"".join(parts))

    def number(self):
        return struct.pack(">I", self.id)

    def seal(self, payloads):
        """Encrypts, moves the IV on, sends."""
        self.last, self.iv = self.sa.seal(ike1.QUICK, self.id, payloads, self.iv)
        self.sa.send(self.last)

    def esp_sa(self, spi):
        """The SA of one direction: KEYMAT of RFC 2409 section 5.5."""
        cipher, bits, mac = self.choice
        size = bits // 8 + esp.HASHES[mac]
        seed = self.shared + bytes([PROTO_ESP]) + spi + self.nonce_i + self.nonce_r
        material, block = b"", b""
        while len(material) < size:
            block = ike1.prf(self.sa.keys.hash_name, self.sa.keys.skeyid_d, block + seed)
            material += block
        return esp.Sa(int.from_bytes(spi, "big"), cipher, material[:bits // 8], mac, material[bits // 8:size])


class Phase2:
    """local, remote: address texts; port: the L2TP client's UDP port, which goes into IDci. pfs: a group, or 0. repeat: seconds."""

    def __init__(self, local, remote, port, offer=OFFER, pfs=0, repeat=REPEAT):
        self.local, self.remote, self.port, self.offer, self.pfs, self.repeat = local, remote, port, offer, pfs, repeat
        self.pairs = []  # the newest last
        self.exchanges = {}
        self.events = []  # what happened, in words

    def initiate(self, sa, now, spi=None, port=None):
        """spi, port: of one's own choice, in place of a random SPI and the client's port. The exchange."""
        exchange = _Exchange(sa, int.from_bytes(os.urandom(4), "big") | 1, "initiator")
        self.exchanges[exchange.id] = exchange
        exchange.nonce_i, exchange.spi_i = os.urandom(16), struct.pack(">I", spi) if spi else _spi()
        exchange.ids = [ike1.identity_body(wire(self.local), port=port or self.port),
                        ike1.identity_body(wire(self.remote), port=1701)]
        items = [(ike1.SA, self._proposal(sa, exchange.spi_i)), (ike1.NONCE, exchange.nonce_i)]
        if self.pfs:
            exchange.dh = ike1.DiffieHellman(self.pfs)
            items.append((ike1.KE, exchange.dh.public))
        items += [(ike1.ID, body) for body in exchange.ids]
        if sa.nat and sa.method.sends_natoa:
            items += [(sa.method.natoa, b"\1\0\0\0" + wire(address)) for address in (self.local, self.remote)]
        digest = exchange.prf(exchange.number(), ike1.encode_payloads(items))
        exchange.seal([(ike1.HASH, digest)] + items)
        exchange.due, exchange.tries = now + self.repeat, 1
        return exchange

    def delete(self, sa):
        """Sends Delete for each inbound ESP SA, then for the ISAKMP SA."""
        for pair in self.pairs:
            sa.send_informational([(ike1.DELETE, struct.pack(">IBBHI", DOI, PROTO_ESP, 4, 1, pair.inbound.spi))])
        sa.delete()

    def deleted(self, body):
        """A Delete payload that came from the server."""
        _, protocol, size, count = struct.unpack(">IBBH", body[:8])
        if protocol != PROTO_ESP:
            self.events.append("ISAKMP SA deleted by the peer")
            return
        for at in range(8, 8 + size * count, size):
            spi = int.from_bytes(body[at:at + size], "big")
            self.pairs = [pair for pair in self.pairs if pair.outbound.spi != spi]
            self.events.append(f"ESP SA {spi:08x} deleted by the peer")

    def input(self, sa, message):
        """A Quick Mode message of one of this client's phase 1s; what does not fit goes into events."""
        try:
            self._input(sa, message)
        except (ike1.Malformed, struct.error, IndexError) as why:
            self.events.append(f"malformed: {why}")

    def tick(self, now):
        for exchange in self.exchanges.values():
            if exchange.role == "responder" and exchange.last and not exchange.tries:  # QM2 has just been sent
                exchange.due, exchange.tries = now + self.repeat, 1
            if exchange.due and now >= exchange.due and not exchange.done:
                if exchange.tries >= TRIES:
                    exchange.due = None
                    self.events.append("Quick Mode: no answer")
                    continue
                exchange.tries += 1
                exchange.due = now + self.repeat
                exchange.sa.send(exchange.last)

    @staticmethod
    def pair_of(exchange):
        """Its ESP SAs, with fresh sequence numbers."""
        own, peers = (exchange.spi_i, exchange.spi_r) if exchange.role == "initiator" else (exchange.spi_r, exchange.spi_i)
        return Pair(exchange.esp_sa(own), exchange.esp_sa(peers), exchange.choice, exchange.role)

    def _install(self, exchange):
        self.pairs.append(self.pair_of(exchange))
        exchange.done = True

    def _proposal(self, sa, spi):
        transforms = []
        for number, (cipher, bits, mac) in enumerate(self.offer, 1):
            values = [(LIFE_TYPE, 1), (LIFE, 3600), (MODE, _mode(sa)), (AUTHENTICATION, AUTH[mac])]
            if cipher == "aes":
                values.append((KEY_LENGTH, bits))
            if self.pfs:
                values.append((GROUP, self.pfs))
            transforms.append(struct.pack(">BBH", number, TRANSFORMS[cipher], 0) + b"".join(ike1.attribute(*v) for v in values))
        return _sa_body(spi, transforms)

    def _choose(self, sa, body):
        """(SPI, (cipher, bits, mac), the transform as it came): the first transform that is known here."""
        proposal = ike1.decode_payloads(2, body[8:])[0][1]
        _, protocol, size, _ = proposal[:4]
        if protocol != PROTO_ESP or size != 4:
            raise ike1.Malformed("the proposal is not for ESP")
        for _, transform in ike1.decode_payloads(3, proposal[8:]):
            values = ike1.decode_attributes(transform[4:])
            cipher = {number: name for name, number in TRANSFORMS.items()}.get(transform[1])
            mac = {number: name for name, number in AUTH.items()}.get(values.get(AUTHENTICATION))
            bits = values.get(KEY_LENGTH, 192 if cipher == "3des" else 128)
            if (cipher, bits, mac) in self.offer and values.get(MODE) == _mode(sa):
                return proposal[4:8], (cipher, bits, mac), transform
        raise ike1.Malformed("no transform that suits")

    def _input(self, sa, message):
        exchange = self.exchanges.get(message.msgid)
        if exchange and exchange.heard == message.body:
            if exchange.last:
                sa.send(exchange.last)
            return
        new = exchange is None
        exchange = exchange or _Exchange(sa, message.msgid, "responder")
        if exchange.done:
            return
        message.payloads, iv = sa.open(message, exchange.iv)
        if not message.payloads or message.payloads[0][0] != ike1.HASH:
            raise ike1.Malformed("no HASH first")
        rest = ike1.encode_payloads(message.payloads[1:])
        if new:
            self._check(exchange, message, exchange.number(), rest)
            self.exchanges[exchange.id] = exchange
            step = self._answer
        elif exchange.role == "initiator":
            self._check(exchange, message, exchange.number(), exchange.nonce_i, rest)
            step = self._finish
        else:
            self._check(exchange, message, b"\0", exchange.number(), exchange.nonce_i, exchange.nonce_r)
            step = self._complete
        exchange.heard, exchange.iv = message.body, iv
        step(exchange, message)

    @staticmethod
    def _check(exchange, message, *parts):
        if not hmac.compare_digest(message.one(ike1.HASH), exchange.prf(*parts)):
            raise ike1.Malformed("wrong HASH")

    def _finish(self, exchange, message):
        """QM2 has come: judge it, send QM3."""
        if exchange.sa.nat and exchange.sa.method.natoa_fatal and any(kind in NAT_OA_TYPES for kind, _ in message.payloads):
            self.events.append("QM2 with NAT-OA: ignored")
            return
        ids = message.all(ike1.ID)
        behind_nat = exchange.sa.nat and not exchange.sa.method.natoa_fatal  # strongSwan names the NAT's address then
        if ids and ids != exchange.ids and not behind_nat:
            self.events.append("QM2 with another ID: refused")
            return
        exchange.nonce_r = message.one(ike1.NONCE)
        exchange.spi_r, exchange.choice, transform = self._choose(exchange.sa, message.one(ike1.SA))
        if ike1.decode_attributes(transform[4:]).get(GROUP, 0) != self.pfs:
            raise ike1.Malformed("another group of PFS than offered")
        if self.pfs:
            exchange.shared = exchange.dh.shared(message.one(ike1.KE))
        self.third(exchange)

    def third(self, exchange):
        """All is agreed: QM3 goes out, and the SAs are there."""
        exchange.seal([(ike1.HASH, exchange.prf(b"\0", exchange.number(), exchange.nonce_i, exchange.nonce_r))])
        self._install(exchange)

    def _answer(self, exchange, message):
        """QM1 has come from the server (its rekey): send QM2 with its own IDs."""
        exchange.nonce_i, exchange.nonce_r, exchange.spi_r = message.one(ike1.NONCE), os.urandom(16), _spi()
        exchange.spi_i, exchange.choice, transform = self._choose(exchange.sa, message.one(ike1.SA))
        answer = [(ike1.SA, _sa_body(exchange.spi_r, [transform])), (ike1.NONCE, exchange.nonce_r)]
        group = ike1.decode_attributes(transform[4:]).get(GROUP)
        if group:
            dh = ike1.DiffieHellman(group)
            exchange.shared = dh.shared(message.one(ike1.KE))
            answer.append((ike1.KE, dh.public))
        answer += [(ike1.ID, body) for body in message.all(ike1.ID)]
        digest = exchange.prf(exchange.number(), exchange.nonce_i, ike1.encode_payloads(answer))
        exchange.seal([(ike1.HASH, digest)] + answer)

    def _complete(self, exchange, _message):
        exchange.last = None
        self._install(exchange)
