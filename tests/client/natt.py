# SPDX-License-Identifier: GPL-2.0-or-later
"""The dialects of NAT-T that a client can speak, as data, and the NAT-D payloads of each (RFC 3947 section 3.2).

The facts are those of docs/design.md: what a client announces, and how it behaves once the server has answered with one of
the vendor IDs announced.
"""
import hashlib
import struct
from dataclasses import dataclass

from . import ike1

DRAFT = "draft-ietf-ipsec-nat-t-ike"


def _md5(text):
    return hashlib.md5(text.encode()).digest()


VENDOR_IDS = {"rfc3947": _md5("RFC 3947"), "apple": _md5(DRAFT), "02n": _md5(DRAFT + "-02\n"),
              **{f"{n:02}": _md5(f"{DRAFT}-{n:02}") for n in range(2, 9)}}
VENDOR_NAMES = {value: name for name, value in VENDOR_IDS.items()}
MICROSOFT = tuple(_md5(text) + more for text, more in (  # Windows 10's, but for those of NAT-T
    ("MS NT5 ISAKMPOAKLEY", struct.pack(">I", 9)), ("FRAGMENTATION", b""), ("MS-Negotiation Discovery Capable", b""),
    ("Vid-Initial-Contact", b""), ("IKE CGA version 1", b"")))
KAME = bytes.fromhex("7003cbc1097dbe9c2600ba6983bc8b35")  # "KAME/racoon"
DPD = bytes.fromhex("afcad71368a1f1c96b8696fc77570100")  # RFC 3706 section 5.1: who sends it may be asked whether he lives
NATD_TYPES = (15, 20, 130)


@dataclass(frozen=True)
class Method:
    """How the client behaves once a vendor ID is agreed on."""
    natd: int = 20               # payload type of NAT-D
    own_first: bool = False      # its own address is in the first NAT-D it sends
    strict: bool = False         # on receipt it takes the order for granted
    natoa: int = 21              # payload type of NAT-OA in Quick Mode
    sends_natoa: bool = True
    natoa_fatal: bool = False    # a message with one is ignored
    encapsulation: tuple = (3, 4)  # Encapsulation Mode values for UDP-encapsulated tunnel and transport mode


RFC = Method()
RFC_STRICT = Method(strict=True)
RFC_OWN_FIRST = Method(own_first=True)
APPLE = Method(natd=15, own_first=True, natoa=16, sends_natoa=False, natoa_fatal=True)
APPLE_STRICT = Method(natd=15, own_first=True, strict=True, natoa=16, sends_natoa=False, natoa_fatal=True)
LATE_DRAFT = Method(natd=15, natoa=16)
EARLY_DRAFT = Method(natd=130, natoa=131, encapsulation=(61443, 61444))
EARLY_DRAFT_STRICT = Method(natd=130, natoa=131, encapsulation=(61443, 61444), strict=True)

_BY_DRAFT = {"02": EARLY_DRAFT, "02n": EARLY_DRAFT, "03": EARLY_DRAFT,
             **{f"{n:02}": LATE_DRAFT for n in range(4, 9)}}


@dataclass(frozen=True)
class Dialect:
    """offers: (vendor ID, method) in the order announced, which is also the order of preference."""
    name: str
    offers: tuple
    mm3_vids: tuple = ()         # vendor IDs it sends beside KE and nonce
    more_vids: tuple = ()        # vendor IDs of its first message that have to do nothing with NAT-T
    refuses_nat: bool = False    # it connects to no server that is behind a NAT
    responder_vids: tuple = ()   # vendor IDs it sends as responder, whatever was offered; empty: the agreed one
    initial_contact: bool = False

    def announced(self):
        return [*self.more_vids, *(VENDOR_IDS[name] for name, _ in self.offers)]

    def agree(self, payloads):
        """The (vendor ID name, method) agreed on by the vendor IDs that the other side sent, or None."""
        theirs = {body for kind, body in payloads if kind == ike1.VID}
        return next(((name, method) for name, method in self.offers if VENDOR_IDS[name] in theirs), None)


def _dialect(name, offers, **more):
    return Dialect(name, tuple(offers.items()), **more)


def _racoon(name, offers, **more):
    return _dialect(name, offers, mm3_vids=(KAME,), initial_contact=True, **more)


_AS_RESPONDER = (KAME, VENDOR_IDS["apple"])  # the pre-RFC racoon's answer, whatever the server announced


DIALECTS = {d.name: d for d in (
    _racoon("apple", {"apple": APPLE}, responder_vids=_AS_RESPONDER),
    _racoon("apple-strict", {"apple": APPLE_STRICT}, responder_vids=_AS_RESPONDER),
    _racoon("tiger-late", {"rfc3947": RFC_OWN_FIRST, "apple": APPLE, "02": EARLY_DRAFT, "02n": EARLY_DRAFT}),
    _dialect("leopard", {"rfc3947": RFC, "apple": APPLE_STRICT, "08": LATE_DRAFT, "07": LATE_DRAFT, "06": LATE_DRAFT,
                         "05": LATE_DRAFT, "04": LATE_DRAFT, "03": EARLY_DRAFT, "02": EARLY_DRAFT, "02n": EARLY_DRAFT},
             initial_contact=True),
    _dialect("rfc3947", {"rfc3947": RFC}),
    # Microsoft's support article 926179: by default no security association with a server behind a NAT (error 809); which side is behind
    # one it takes from the place of each NAT-D payload, as RFC 3947 has it. No real Windows was seen.
    _dialect("windows", {"rfc3947": RFC_STRICT, "02n": EARLY_DRAFT_STRICT}, more_vids=MICROSOFT, refuses_nat=True),
    _dialect("windows-xp", {"02n": EARLY_DRAFT_STRICT}, more_vids=(MICROSOFT[0][:16] + struct.pack(">I", 4), MICROSOFT[1]), refuses_nat=True),
    _dialect("windows-told", {"rfc3947": RFC_STRICT, "02n": EARLY_DRAFT_STRICT}, more_vids=MICROSOFT),  # with the registry's value 2
    _dialect("none", {}),
    _dialect("draft-07", {"07": LATE_DRAFT, "03": EARLY_DRAFT, "02n": EARLY_DRAFT}),
    *(_dialect(f"draft-{n}", {n: _BY_DRAFT[n]}) for n in ("02", "03", "04", "05", "06", "08")),
)}


def natd_hash(hash_name, icookie, rcookie, address, port):
    """HASH(CKY-I | CKY-R | IP | Port); address in network form."""
    return ike1.digest(hash_name, icookie + rcookie + address + struct.pack(">H", port))


def natd_payloads(method, own, remote):
    """The NAT-D payloads a side sends; own and remote: the hashes of the two addresses as it sees them."""
    return [(method.natd, h) for h in ((own, remote) if method.own_first else (remote, own))]


@dataclass
class Nat:
    """What a side found: is it itself behind a NAT, is the other side."""
    own: bool
    peer: bool

    def __bool__(self):
        return self.own or self.peer


def detect(method, hashes, own, remote):
    """Compares the NAT-D hashes received with those of the addresses as this side sees them.

    A strict side takes the first for the one that its dialect puts first; others look for a match anywhere.
    """
    if method.strict:
        mine, theirs = ([hashes[1]], [hashes[0]]) if method.own_first else ([hashes[0]], hashes[1:])
    else:
        mine = theirs = hashes
    return Nat(own not in mine, remote not in theirs)
