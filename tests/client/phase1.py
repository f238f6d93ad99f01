# SPDX-License-Identifier: GPL-2.0-or-later
"""IKEv1 phase 1 as a client does it: Main and Aggressive Mode with a pre-shared key (RFC 2409 section 5.4, RFC 3947).

Phase1 is the initiator; Responder answers a Main Mode that the server starts. Both end in a Phase1Result, from which Quick
Mode goes on. What a message that does not fit the dialect means (it is ignored) is what was seen of Apple's racoon.
"""
import hmac
import os
import struct
import time
from dataclasses import dataclass, field

from . import ike1, natt
from .ike1 import Malformed, Message


class Phase1Failed(Exception):
    """Phase 1 came to no end; stage: the message that was awaited."""

    def __init__(self, stage, why, events=()):
        super().__init__(f"{stage}: {why}")
        self.stage, self.why, self.events = stage, why, list(events)


@dataclass
class Settings:
    """What the client is configured with. interval: seconds between two sends of a message, sends: how many."""
    psk: bytes = b"secret"
    dialect: natt.Dialect = natt.DIALECTS["rfc3947"]
    mode: str = "main"
    group: int = 5
    cipher: str = "3des"
    hash_name: str = "sha1"
    lifetime: int = 3600
    interval: float = 3.0
    sends: int = 11
    identity: bytes = None       # body of the ID payload; None: the local address, 17/500
    nonce: int = 16
    short_public: bool = False   # leading zeros of the public value stripped, as racoon does
    takes_short: bool = False    # and the server's may be so, too
    initial_contact: bool = None  # None: as the dialect does
    floated: bool = False        # begins on port 4500
    dpd: bool = False            # announces RFC 3706


@dataclass
class Phase1Result:
    """An ISAKMP SA. nat: None if NAT detection was not agreed on or never took place."""
    endpoint: object
    dialect: natt.Dialect
    initiator: bool
    icookie: bytes
    rcookie: bytes
    keys: ike1.Keys
    last_block: bytes
    agreed: str
    method: natt.Method
    nat: natt.Nat
    floated: bool
    peer: tuple
    peer_id: bytes
    seconds: float
    events: list = field(default_factory=list)

    def seal(self, exchange, msgid, payloads, iv=None):
        """An encrypted message of this SA, and its last block. iv: None starts a new exchange."""
        iv = iv or self.keys.phase2_iv(self.last_block, msgid)
        data = self.keys.encrypt(iv, ike1.encode_payloads(payloads))
        message = Message(self.icookie, self.rcookie, exchange, [], msgid, ike1.ENCRYPTED, data, payloads[0][0])
        return message.encode(), data[-self.keys.block:]

    def open(self, message, iv=None):
        """The payloads of an encrypted message of this SA, and its last block."""
        iv = iv or self.keys.phase2_iv(self.last_block, message.msgid)
        return (ike1.decode_payloads(message.first, self.keys.decrypt(iv, message.body), padding=15),
                message.body[-self.keys.block:])

    def send(self, data):
        self.endpoint.send(data, self.floated, self.peer)

    def send_informational(self, payloads):
        """Sends payloads in an Informational exchange, authenticated (RFC 2409 section 5.7)."""
        msgid = int.from_bytes(os.urandom(4), "big") or 1
        tag = ike1.prf(self.keys.hash_name, self.keys.skeyid_a, struct.pack(">I", msgid) + ike1.encode_payloads(payloads))
        self.send(self.seal(ike1.INFORMATIONAL, msgid, [(ike1.HASH, tag)] + payloads)[0])

    def open_informational(self, message):
        """The payloads of an Informational exchange of this SA, HASH(1) verified and taken off."""
        payloads, _ = self.open(message)
        if not payloads or payloads[0][0] != ike1.HASH:
            raise Malformed("no HASH first")
        tag = ike1.prf(self.keys.hash_name, self.keys.skeyid_a,
                       struct.pack(">I", message.msgid) + ike1.encode_payloads(payloads[1:]))
        if not hmac.compare_digest(tag, payloads[0][1]):
            raise Malformed("HASH(1) is wrong")
        return payloads[1:]

    def delete(self):
        """Sends Delete for this ISAKMP SA."""
        self.send_informational([(ike1.DELETE, struct.pack(">IBBH", 1, 1, 16, 1) + self.icookie + self.rcookie)])

    def summary(self):
        return {"icookie": self.icookie.hex(), "rcookie": self.rcookie.hex(), "initiator": self.initiator,
                "cipher": self.keys.cipher, "hash": self.keys.hash_name, "agreed": self.agreed,
                "nat": None if self.nat is None else {"own": self.nat.own, "peer": self.nat.peer},
                "floated": self.floated, "peer": f"{self.peer[0]}:{self.peer[1]}", "peer_id": self.peer_id.hex(),
                "seconds": round(self.seconds, 3), "events": self.events}


class _Side:
    """What initiator and responder have in common."""

    def __init__(self, endpoint, settings):
        self.endpoint, self.settings, self.dialect = endpoint, settings, settings.dialect
        self.started = time.monotonic()
        self.events = []
        self.icookie = self.rcookie = bytes(8)
        self.agreed = self.method = self.nat = self.keys = None
        self.floated = False
        self.peer = None
        self.nonce = os.urandom(settings.nonce)

    def note(self, what):
        self.events.append({"t": round(time.monotonic() - self.started, 3), "what": what})

    def identity(self):
        return self.settings.identity or ike1.identity_body(self.endpoint.packed(self.endpoint.local))

    def more_vids(self):
        return [(ike1.VID, natt.DPD)] if self.settings.dpd else []

    def agree(self, payloads):
        self.agreed, self.method = self.dialect.agree(payloads) or (None, None)

    def natd_hashes(self, hash_name):
        """The hashes of the two addresses as this side sees them, with the ports in use: (own, remote)."""
        def of(address, port):
            return natt.natd_hash(hash_name, self.icookie, self.rcookie, self.endpoint.packed(address), port)
        address, port = (self.peer or (self.endpoint.server, self.endpoint.server_ports[self.floated]))[:2]
        return of(self.endpoint.local, self.endpoint.ports[self.floated]), of(address, port)

    def natd_payloads(self, hash_name):
        return natt.natd_payloads(self.method, *self.natd_hashes(hash_name)) if self.method else []

    def detect(self, message, hash_name):
        """NAT detection from a message with NAT-D; Malformed if it carries NAT-D of another type than agreed."""
        kinds = {kind for kind, _ in message.payloads if kind in natt.NATD_TYPES}
        if not kinds:
            return
        if self.method is None or kinds != {self.method.natd}:
            raise Malformed(f"NAT-D of type {sorted(kinds)}, wanted {self.method.natd if self.method else 'none'}")
        hashes = message.all(self.method.natd)
        if len(hashes) < 2:
            raise Malformed("one NAT-D only")
        self.nat = natt.detect(self.method, hashes, *self.natd_hashes(hash_name))
        self.note(f"NAT-D: own side {'NATed' if self.nat.own else 'open'}, peer {'NATed' if self.nat.peer else 'open'}")
        if self.dialect.refuses_nat and self.nat.peer:
            raise Phase1Failed("NAT detection", "the server is behind a NAT (error 809)", self.events)

    def encrypted(self, iv, payloads):
        data = self.keys.encrypt(iv, ike1.encode_payloads(payloads))
        message = Message(self.icookie, self.rcookie, ike1.MAIN, [], 0, ike1.ENCRYPTED, data, payloads[0][0])
        return message.encode(), data[-self.keys.block:]

    def decrypted(self, iv, message):
        if not message.encrypted:
            raise Malformed("in clear")
        payloads = ike1.decode_payloads(message.first, self.keys.decrypt(iv, message.body), padding=15)
        return Message(message.icookie, message.rcookie, message.exchange, payloads), message.body[-self.keys.block:]

    def result(self, initiator, last_block, peer_id):
        return Phase1Result(self.endpoint, self.dialect, initiator, self.icookie, self.rcookie, self.keys, last_block,
                            self.agreed, self.method, self.nat, self.floated, self.peer, peer_id,
                            time.monotonic() - self.started, self.events)


class Phase1(_Side):
    """The initiator: Phase1(endpoint, settings).run(). With certificates: certified.CertifiedPhase1."""

    authentication = 1  # pre-shared key

    def run(self):
        self.icookie, self.floated = os.urandom(8), self.settings.floated
        self.group = ike1.DiffieHellman(self.settings.group, short=self.settings.short_public, takes_short=self.settings.takes_short)
        self.sa = ike1.sa_body([ike1.phase1_transform(self.settings.cipher, self.settings.hash_name, self.settings.group,
                                                      self.settings.lifetime, self.authentication)])
        result = self._main() if self.settings.mode == "main" else self._aggressive()
        self.note(f"phase 1 complete on port {4500 if self.floated else 500}")
        if self.settings.initial_contact or (self.settings.initial_contact is None and self.dialect.initial_contact):
            result.send_informational([(ike1.NOTIFY, ike1.notify_body(ike1.INITIAL_CONTACT, self.icookie + self.rcookie))])
        return result

    def _message(self, payloads, exchange=ike1.MAIN):
        return Message(self.icookie, self.rcookie, exchange, payloads).encode()

    def _exchange(self, request, stage, accept):
        """Sends a request until accept() takes an answer; what raises Malformed is ignored, as racoon does."""
        foreign = []
        try:
            for n in range(self.settings.sends):
                self.note(f"send {n + 1}, waiting for {stage}")
                self.endpoint.send(request, self.floated)
                end = time.monotonic() + self.settings.interval
                while (left := end - time.monotonic()) > 0:
                    datagram = self.endpoint.receive(left)
                    if datagram is None:
                        break
                    answer = self._try(datagram, stage, accept, foreign)
                    if answer is not None:
                        return answer
        finally:
            self.endpoint.put_back(foreign)
        raise Phase1Failed(stage, f"no answer that could be used to {self.settings.sends} sends", self.events)

    def _try(self, datagram, stage, accept, foreign):
        try:
            message = Message.decode(datagram.data)
            if message.icookie != self.icookie:
                foreign.append(datagram)
                return None
            if message.exchange == ike1.INFORMATIONAL:
                names = [ike1.notify_name(b) for b in message.all(ike1.NOTIFY)] or ["encrypted"]
                self.note(f"notification in place of {stage}: {', '.join(names)}")
                return None
            if self.rcookie not in (bytes(8), message.rcookie):
                raise Malformed("another responder cookie")
            answer = accept(message)
            self.peer = datagram.peer
            return answer
        except Malformed as why:
            self.note(f"message ignored, waiting for {stage}: {why}")
            return None

    def _chosen(self, message):
        """Checks that the answer's SA is the one transform offered."""
        offered = ike1.sa_transforms(self.sa)[0][2]
        chosen = ike1.sa_transforms(message.one(ike1.SA))
        if len(chosen) != 1 or any(chosen[0][2].get(a) != offered.get(a) for a in (1, 2, 3, 4, 14)):
            raise Malformed("not the transform that was offered")

    def _derive(self, message):
        gxr, nr = message.one(ike1.KE), message.one(ike1.NONCE)
        self.gxr = gxr
        self.keys = ike1.Keys.derive(self.settings.hash_name, self.settings.cipher, self.settings.psk, self.nonce, nr,
                                     self.group.shared(gxr), self.icookie, self.rcookie, self.group.public, gxr)

    def hash_i(self):
        return ike1.hash_i(self.keys, self.group.public, self.gxr, self.icookie, self.rcookie, self.sa, self.identity())

    def hash_r(self, peer_id):
        return ike1.hash_r(self.keys, self.group.public, self.gxr, self.icookie, self.rcookie, self.sa, peer_id)

    def proof(self):
        """The payloads that prove who this is, after the ID."""
        return [(ike1.HASH, self.hash_i())]

    def check_peer(self, message):
        """The peer's ID, once what follows it proves it."""
        peer_id = message.one(ike1.ID)
        if not hmac.compare_digest(self.hash_r(peer_id), message.one(ike1.HASH)):
            raise Malformed("HASH_R is wrong")
        return peer_id

    def _main(self):
        def mm2(message):
            self._chosen(message)
            self.rcookie = message.rcookie
            self.agree(message.payloads)
            self.note("MM2: " + (f"agreed on vendor ID {self.agreed}" if self.agreed else "no NAT-T"))
            return message

        def mm4(message):
            self.detect(message, self.settings.hash_name)
            self._derive(message)
            return message

        def mm6(message):
            plain, last = self.decrypted(last5, message)
            return self.check_peer(plain), last

        vids = [(ike1.VID, v) for v in self.dialect.announced()] + self.more_vids()
        self._exchange(self._message([(ike1.SA, self.sa)] + vids), "MM2", mm2)
        more = [(ike1.VID, v) for v in self.dialect.mm3_vids] + self.natd_payloads(self.settings.hash_name)
        self._exchange(self._message([(ike1.KE, self.group.public), (ike1.NONCE, self.nonce)] + more), "MM4", mm4)
        self.floated = self.floated or bool(self.nat)
        request, last5 = self.encrypted(self.keys.first_iv, [(ike1.ID, self.identity()), *self.proof()])
        peer_id, last = self._exchange(request, "MM6", mm6)
        return self.result(True, last, peer_id)

    def _aggressive(self):
        """AM3 goes out in clear, as racoon sends it, and there is no answer to it."""
        def am2(message):
            self._chosen(message)
            self.rcookie = message.rcookie
            self.agree(message.payloads)
            self.detect(message, self.settings.hash_name)
            self._derive(message)
            return self.check_peer(message)

        payloads = [(ike1.SA, self.sa), (ike1.KE, self.group.public), (ike1.NONCE, self.nonce), (ike1.ID, self.identity())]
        payloads += [(ike1.VID, v) for v in self.dialect.announced()]
        peer_id = self._exchange(self._message(payloads, ike1.AGGRESSIVE), "AM2", am2)
        self.floated = self.floated or bool(self.nat)
        self.peer = (self.endpoint.server, self.endpoint.server_ports[self.floated])
        am3 = self._message([(ike1.HASH, self.hash_i())] + self.natd_payloads(self.settings.hash_name), ike1.AGGRESSIVE)
        self.endpoint.send(am3, self.floated)
        self.note("AM3 sent")
        return self.result(True, self.keys.first_iv, peer_id)


class Responder(_Side):
    """Main Mode as responder: handle() each message of the exchange; result is set when it is complete."""

    def __init__(self, endpoint, settings, first):
        super().__init__(endpoint, settings)
        self.icookie, self.rcookie = first.icookie, os.urandom(8)
        self.done = None
        self.last_request = self.last_answer = None
        self._next = self._mm1

    def handle(self, message, datagram):
        """Answers a message, a repeated one with the same answer; the Phase1Result once complete."""
        if datagram.data == self.last_request:
            self.endpoint.send(self.last_answer, datagram.floated, datagram.peer)
            return None
        try:
            self.floated, self.peer = datagram.floated, datagram.peer
            answer = self._next(message)
        except Malformed as why:
            self.note(f"message ignored: {why}")
            return None
        self.last_request, self.last_answer = datagram.data, answer
        self.endpoint.send(answer, datagram.floated, datagram.peer)
        return self.done

    def _answer(self, payloads):
        return Message(self.icookie, self.rcookie, ike1.MAIN, payloads).encode()

    def _mm1(self, message):
        self.sa = message.one(ike1.SA)
        s = self.settings
        wanted = ike1.decode_attributes(ike1.phase1_transform(s.cipher, s.hash_name, s.group))
        chosen = next((raw for _, _, found, raw in ike1.sa_transforms(self.sa)
                       if all(found.get(a) == wanted.get(a) for a in (1, 2, 3, 4, 14))), None)
        if chosen is None:
            raise Malformed("MM1 offers nothing that is configured")
        self.agree(message.payloads)
        self.note("MM1: " + (f"vendor ID {self.agreed}" if self.agreed else "no NAT-T"))
        vids = self.dialect.responder_vids or ([natt.VENDOR_IDS[self.agreed]] if self.agreed else [])
        self._next = self._mm3
        return self._answer([(ike1.SA, ike1.sa_body([chosen]))] + [(ike1.VID, v) for v in vids] + self.more_vids())

    def _mm3(self, message):
        s = self.settings
        self.detect(message, s.hash_name)
        self.gxi, ni = message.one(ike1.KE), message.one(ike1.NONCE)
        self.group = ike1.DiffieHellman(s.group)
        self.keys = ike1.Keys.derive(s.hash_name, s.cipher, s.psk, ni, self.nonce, self.group.shared(self.gxi), self.icookie,
                                     self.rcookie, self.gxi, self.group.public)
        self._next = self._mm5
        return self._answer([(ike1.KE, self.group.public), (ike1.NONCE, self.nonce)]
                            + [(ike1.VID, v) for v in self.dialect.mm3_vids] + self.natd_payloads(s.hash_name))

    def _mm5(self, message):
        plain, last = self.decrypted(self.keys.first_iv, message)
        peer_id = plain.one(ike1.ID)
        ends = (self.keys, self.gxi, self.group.public, self.icookie, self.rcookie, self.sa)
        if not hmac.compare_digest(ike1.hash_i(*ends, peer_id), plain.one(ike1.HASH)):
            raise Malformed("HASH_I is wrong")
        request, last = self.encrypted(last, [(ike1.ID, self.identity()), (ike1.HASH, ike1.hash_r(*ends, self.identity()))])
        self._next = self._complete
        self.done = self.result(False, last, peer_id)
        self.note(f"phase 1 complete as responder on port {4500 if self.floated else 500}")
        return request

    def _complete(self, _message):
        raise Malformed("phase 1 is complete")
