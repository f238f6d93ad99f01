# SPDX-License-Identifier: GPL-2.0-or-later
"""The client's end of a PPP link (RFC 1661), up to IPv4: LCP, PAP, CHAP with MD5 or MS-CHAPv2, IPCP, and a small host on it.

Ppp is fed with frames and the time and hands out frames through send(); it does no I/O. The host answers ICMP echo,
sends ICMP echo and UDP, and counts what comes back.
"""
import hashlib
import os
import socket
import struct

from . import mschap
from .esp import ones_sum, udp_parse, udp_segment

LCP, PAP, CHAP, IPCP, IPV4 = 0xc021, 0xc023, 0xc223, 0x8021, 0x0021
REQUEST, ACK, NAK, REJECT, TERMINATE, TERMINATE_ACK, CODE_REJECT, PROTOCOL_REJECT, ECHO, ECHO_REPLY = range(1, 11)
MRU, ACCM, AUTH, MAGIC, IP_ADDRESS = 1, 2, 3, 5, 3
METHODS = {"pap": b"\xc0\x23", "chap-md5": b"\xc2\x23\5", "mschapv2": b"\xc2\x23\x81"}
REPEAT = 2.0  # seconds


def options(data):
    found = []
    while len(data) >= 2 and 2 <= data[1] <= len(data):
        found.append((data[0], data[2:data[1]]))
        data = data[data[1]:]
    return found


def pack_options(items):
    return b"".join(bytes([kind, 2 + len(value)]) + value for kind, value in items)


class Ppp:
    """State: "dead", "lcp", "auth", "ipcp", "up", "failed", "down". address and peer are text once it is up."""

    def __init__(self, send, user="alice", password="pw", method=None):
        self.send_frame, self.user, self.password = send, user, password
        self.method = method  # None: what the server wants
        self.state, self.reason = "dead", None
        self.magic = os.urandom(4)
        self.used = None  # the method that was used
        self.mine = {LCP: [(MRU, b"\5\0"), (MAGIC, self.magic)], IPCP: [(IP_ADDRESS, bytes(4))]}
        self.acked = {LCP: [False, False], IPCP: [False, False]}  # ours by them, theirs by us
        self.identifier = 0
        self.repeat_at = None
        self.address = self.peer = None
        self.mute = False  # answer nothing, LCP echo and ICMP neither
        self.pings = {}  # sequence: (sent, received or None)
        self.sequence = 0  # of the newest one, whatever was forgotten
        self.pinged = 0  # ICMP echo requests answered
        self.udp = []  # (source address, source port, own port, data, checksum good)
        self.on_udp = None
        self.rejected = []
        self.ping_id = int.from_bytes(os.urandom(2), "big")

    def start(self, now):
        self.state = "lcp"
        self._request(LCP, now)

    def tick(self, now):
        if self.repeat_at and now >= self.repeat_at:
            if self.state == "lcp":
                self._request(LCP, now)
            elif self.state == "ipcp":
                self._request(IPCP, now)

    def terminate(self):
        self._control(LCP, TERMINATE, 99, b"")
        self.state, self.reason = "down", "terminated here"

    def ping(self, now, size=56, to=None):
        """An ICMP echo request; its sequence number."""
        self.sequence += 1
        self.pings[self.sequence] = (now, None)
        body = struct.pack(">BBHHH", 8, 0, 0, self.ping_id, self.sequence) + bytes(size)
        self._ipv4(to or self.peer, 1, body[:2] + struct.pack(">H", ~ones_sum(body) & 0xffff) + body[4:])
        return self.sequence

    def send_udp(self, to, sport, dport, data):
        segment = udp_segment(socket.inet_aton(self.address), sport, socket.inet_aton(to), dport, data)
        self._ipv4(to, 17, segment)

    def answered(self, sequences=None):
        """How many echo requests of ours were answered: of these, or of all."""
        return sum(received is not None for sequence, (_, received) in self.pings.items() if sequences is None or sequence in sequences)

    def input(self, frame, now):
        if frame[:2] == b"\xff\3":
            frame = frame[2:]
        if len(frame) < 4 or self.mute:
            return
        protocol, = struct.unpack(">H", frame[:2])
        body = frame[2:]
        if protocol == IPV4:
            self._ipv4_input(body, now)
        elif protocol in (LCP, IPCP):
            self._negotiate(protocol, body, now)
        elif protocol == PAP:
            self._pap_input(body, now)
        elif protocol == CHAP:
            self._chap_input(body, now)
        else:
            self.rejected.append(protocol)
            self._control(LCP, PROTOCOL_REJECT, len(self.rejected) & 0xff, frame)

    def _send(self, protocol, body):
        self.send_frame(b"\xff\3" + struct.pack(">H", protocol) + body)

    def _control(self, protocol, code, identifier, data):
        self._send(protocol, struct.pack(">BBH", code, identifier, 4 + len(data)) + data)

    def _request(self, protocol, now):
        self.identifier = self.identifier + 1 & 0xff
        self._control(protocol, REQUEST, self.identifier, pack_options(self.mine[protocol]))
        self.repeat_at = now + REPEAT

    def _negotiate(self, protocol, body, now):
        code, identifier, length = struct.unpack(">BBH", body[:4])
        data = body[4:length]
        if code == REQUEST:
            self._judge(protocol, identifier, data, now)
        elif code == ACK and identifier == self.identifier:
            self.acked[protocol][0] = True
            self._opened(protocol, now)
        elif code in (NAK, REJECT) and identifier == self.identifier:
            named = dict(options(data))
            self.mine[protocol] = [(kind, named[kind] if code == NAK and kind in named else value)
                                   for kind, value in self.mine[protocol] if code == NAK or kind not in named]
            self._request(protocol, now)
        elif code == TERMINATE:
            self._control(protocol, TERMINATE_ACK, identifier, b"")
            self.state, self.reason = "down", "terminated by the peer"
        elif code == ECHO and protocol == LCP:
            self._control(LCP, ECHO_REPLY, identifier, self.magic + data[4:])

    def _judge(self, protocol, identifier, data, now):
        """Their request: rejects what is not known here, asks for another authentication where it matters, else agrees."""
        theirs = options(data)
        known = {LCP: (MRU, ACCM, AUTH, MAGIC), IPCP: (IP_ADDRESS,)}[protocol]
        unknown = [(kind, value) for kind, value in theirs if kind not in known]
        if unknown:
            self._control(protocol, REJECT, identifier, pack_options(unknown))
            return
        if protocol == LCP:
            asked = dict(theirs).get(AUTH)
            wanted = METHODS[self.method] if self.method else asked
            if asked is not None and (asked != wanted or asked not in METHODS.values()):
                self._control(LCP, NAK, identifier, pack_options([(AUTH, METHODS[self.method or "mschapv2"])]))
                return
            self.used = next((name for name, value in METHODS.items() if value == asked), None)
        else:
            self.peer = socket.inet_ntoa(dict(theirs).get(IP_ADDRESS, bytes(4)))
        self._control(protocol, ACK, identifier, data)
        self.acked[protocol][1] = True
        self._opened(protocol, now)

    def _opened(self, protocol, now):
        if not all(self.acked[protocol]):
            return
        if protocol == LCP and self.state == "lcp":
            self.state = "auth"
            if self.used == "pap":
                self._control(PAP, 1, 1, self._counted(self.user) + self._counted(self.password))
            elif self.used is None:
                self._authenticated(now)
        elif protocol == IPCP and self.state == "ipcp":
            self.state = "up"
            self.address = socket.inet_ntoa(dict(self.mine[IPCP])[IP_ADDRESS])

    @staticmethod
    def _counted(text):
        return bytes([len(text)]) + text.encode()

    def _authenticated(self, now):
        if self.state == "auth":
            self.state = "ipcp"
            self._request(IPCP, now)

    def _pap_input(self, body, now):
        if body[0] == 2:
            self._authenticated(now)
        else:
            self.state, self.reason = "failed", "PAP refused"

    def _chap_input(self, body, now):
        code, identifier, length = struct.unpack(">BBH", body[:4])
        data = body[4:length]
        if code == 1:
            challenge = data[1:1 + data[0]]
            if self.used == "mschapv2":
                own = os.urandom(16)
                response = mschap.nt_response(challenge, own, self.user, self.password)
                self.expected = mschap.authenticator_response(challenge, own, response, self.user, self.password)
                value = own + bytes(8) + response + b"\0"
            else:
                value = hashlib.md5(bytes([identifier]) + self.password.encode() + challenge).digest()
            self._control(CHAP, 2, identifier, bytes([len(value)]) + value + self.user.encode())
        elif code == 3 and (self.used != "mschapv2" or data.startswith(self.expected.encode())):
            self._authenticated(now)
        elif code in (3, 4):
            self.state, self.reason = "failed", "CHAP: " + data.decode(errors="replace")

    def _ipv4(self, to, protocol, payload):
        header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0,
                             socket.inet_aton(self.address), socket.inet_aton(to))
        self._send(IPV4, header[:10] + struct.pack(">H", ~ones_sum(header) & 0xffff) + header[12:] + payload)

    def _ipv4_input(self, packet, now):
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return
        header = (packet[0] & 15) * 4
        total, = struct.unpack(">H", packet[2:4])
        payload, source = packet[header:total], packet[12:16]
        if packet[9] == 1 and len(payload) >= 8:
            self._icmp_input(payload, socket.inet_ntoa(source), now)
        elif packet[9] == 17:
            parsed = udp_parse(source, packet[16:20], payload)
            if parsed:
                sport, dport, data, good = parsed
                (self.on_udp or self.udp.append)((socket.inet_ntoa(source), sport, dport, data, good))

    def _icmp_input(self, message, source, now):
        kind, _, _, identifier, sequence = struct.unpack(">BBHHH", message[:8])
        if kind == 0 and identifier == self.ping_id and sequence in self.pings:
            self.pings[sequence] = (self.pings[sequence][0], now)
        elif kind == 8:
            self.pinged += 1
            reply = b"\0\0\0\0" + message[4:]
            self._ipv4(source, 1, reply[:2] + struct.pack(">H", ~ones_sum(reply) & 0xffff) + reply[4:])
