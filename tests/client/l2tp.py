# SPDX-License-Identifier: GPL-2.0-or-later
"""The L2TP access concentrator's side of one tunnel with one session (RFC 2661), and what Apple's does otherwise.

Lac is fed with datagrams and the time, and hands out datagrams through send(); it does no I/O. Reliable delivery is
section 5.8: one Ns for each control message, ZLB acks, repeats after 1, 2, 4, 8 s.
"""
import struct

SCCRQ, SCCRP, SCCCN, STOPCCN, HELLO, ICRQ, ICRP, ICCN, CDN, SLI = 1, 2, 3, 4, 6, 10, 11, 12, 14, 16
NAMES = {1: "SCCRQ", 2: "SCCRP", 3: "SCCCN", 4: "StopCCN", 6: "HELLO", 7: "OCRQ", 10: "ICRQ", 11: "ICRP", 12: "ICCN",
         14: "CDN", 15: "WEN", 16: "SLI"}
A_MESSAGE, A_RESULT, A_VERSION, A_FRAMING, A_HOST, A_TUNNEL, A_WINDOW, A_SESSION = 0, 1, 2, 3, 7, 9, 10, 14
A_SERIAL, A_FRAMING_TYPE, A_SPEED = 15, 19, 24
T, L, S, O, VERSION = 0x8000, 0x4000, 0x0800, 0x0200, 2
MANDATORY = 0x8000
REPEATS = (1, 2, 4, 8, 8)  # seconds until the next try


def avp(kind, value, mandatory=True):
    return struct.pack(">HHH", (MANDATORY if mandatory else 0) | 6 + len(value), 0, kind) + value


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def avps(data):
    """{type: value} of the AVPs of the IETF (vendor 0); raises ValueError where they don't fit."""
    found = {}
    while data:
        if len(data) < 6:
            raise ValueError("short AVP")
        head, vendor, kind = struct.unpack(">HHH", data[:6])
        length = head & 0x3ff
        if not 6 <= length <= len(data):
            raise ValueError("AVP length")
        if vendor == 0:
            found[kind] = data[6:length]
        data = data[length:]
    return found


class Lac:
    """State: idle, then "tunnel" (SCCRQ sent), "call" (tunnel up, ICRQ sent), "up", "closed".

    send(datagram); deliver(ppp frame) is called for the session's data. host_name: bytes, b"" (as Mac OS X sends it) or
    None (no such AVP). junk: Apple's StopCCN has six bytes too many in its Result Code AVP.
    """

    def __init__(self, send, deliver=lambda frame: None, host_name=b"client", tunnel=0x1234, session=0x5678, junk=False):
        self.send, self.deliver = send, deliver
        self.host_name, self.tunnel, self.session, self.junk = host_name, tunnel, session, junk
        self.peer_tunnel = self.peer_session = 0
        self.peer_host = None
        self.ns = self.nr = 0
        self.state = "idle"
        self.reason = None  # why it is closed
        self.ignores_hello = False  # as Android: neither answered nor counted
        self.queue = []  # [ns, datagram, tries, time of the next one] not yet acknowledged
        self.received = {}  # message name: count
        self.zlbs = self.repeats = self.duplicates = self.bad_sequence = 0

    def connect(self, now):
        self.state = "tunnel"
        body = avp(A_MESSAGE, u16(SCCRQ)) + avp(A_VERSION, b"\1\0") + avp(A_FRAMING, u32(3))
        if self.host_name is not None:
            body += avp(A_HOST, self.host_name)
        self._control(body + avp(A_TUNNEL, u16(self.tunnel)) + avp(A_WINDOW, u16(4)), now)

    def hello(self, now):
        self._control(avp(A_MESSAGE, u16(HELLO)), now)

    def hang_up(self, now):
        """CDN: ends the session, not the tunnel."""
        self._control(avp(A_MESSAGE, u16(CDN)) + avp(A_RESULT, u16(3)) + avp(A_SESSION, u16(self.session)), now,
                      self.peer_session)

    def close(self, now):
        """StopCCN, result code 1 (general request to clear control connection) and, from Apple's, junk."""
        result = u16(1) + (b"\0\0\x7f\x2a\x91\x05" if self.junk else b"")
        self._control(avp(A_MESSAGE, u16(STOPCCN)) + avp(A_TUNNEL, u16(self.tunnel)) + avp(A_RESULT, result), now)
        self.state, self.reason = "closed", "closed here"

    def data(self, frame):
        self.send(struct.pack(">HHH", VERSION, self.peer_tunnel, self.peer_session) + frame)

    def input(self, datagram, now):
        if len(datagram) < 6:
            return
        flags, = struct.unpack(">H", datagram[:2])
        if flags & 0xf != VERSION:
            return
        if flags & T:
            self._control_input(datagram, now)
        else:
            self._data_input(flags, datagram[2:])

    def tick(self, now):
        """Repeats what is due."""
        for entry in list(self.queue):
            if now < entry[3]:
                continue
            if entry[2] == len(REPEATS):
                self.queue.clear()
                self.state, self.reason = "closed", "no acknowledgement"
                return
            entry[3] = now + REPEATS[entry[2]]
            entry[2] += 1
            self.repeats += 1
            self.send(entry[1][:10] + u16(self.nr) + entry[1][12:])

    def idle(self):
        """Nothing waits for an acknowledgement."""
        return not self.queue

    def _header(self, length, session):
        return struct.pack(">HHHHHH", T | L | S | VERSION, 12 + length, self.peer_tunnel, session, self.ns, self.nr)

    def _control(self, body, now, session=0):
        datagram = self._header(len(body), session) + body
        self.queue.append([self.ns, datagram, 1, now + REPEATS[0]])
        self.ns = self.ns + 1 & 0xffff
        self.send(datagram)

    def _zlb(self):
        self.send(self._header(0, 0))

    def _control_input(self, datagram, now):
        if len(datagram) < 12:
            return
        _, length, tunnel, _, ns, nr = struct.unpack(">HHHHHH", datagram[:12])
        if tunnel != self.tunnel or not 12 <= length <= len(datagram):
            return
        if (nr - self.ns & 0xffff) in range(1, 0x8000):  # acknowledges what was never sent
            self.bad_sequence += 1
        self.queue = [entry for entry in self.queue if (nr - entry[0] - 1 & 0xffff) >= 0x8000]
        if length == 12:
            self.zlbs += 1
            return
        if self.ignores_hello and datagram[12:20] == avp(A_MESSAGE, u16(HELLO)):
            self.received["HELLO"] = self.received.get("HELLO", 0) + 1
            return
        if ns != self.nr:
            if (self.nr - ns & 0xffff) in range(1, 0x8000):
                self.duplicates += 1
            else:
                self.bad_sequence += 1  # a gap: a message was lost on the way, its repeat will come
            self._zlb()
            return
        self.nr = ns + 1 & 0xffff
        try:
            self._message(avps(datagram[12:length]), now)
        except (ValueError, KeyError, struct.error):
            self.received["malformed"] = self.received.get("malformed", 0) + 1
            self._zlb()

    def _message(self, got, now):
        kind, = struct.unpack(">H", got[A_MESSAGE])
        name = NAMES.get(kind, str(kind))
        self.received[name] = self.received.get(name, 0) + 1
        if kind == SCCRP and self.state == "tunnel":
            self.peer_tunnel, = struct.unpack(">H", got[A_TUNNEL])
            self.peer_host = got.get(A_HOST)
            self.state = "call"
            self._control(avp(A_MESSAGE, u16(SCCCN)), now)
            self._control(avp(A_MESSAGE, u16(ICRQ)) + avp(A_SESSION, u16(self.session)) + avp(A_SERIAL, u32(1)), now)
        elif kind == ICRP and self.state == "call":
            self.peer_session, = struct.unpack(">H", got[A_SESSION])
            self.state = "up"
            self._control(avp(A_MESSAGE, u16(ICCN)) + avp(A_SPEED, u32(1000000)) + avp(A_FRAMING_TYPE, u32(1)), now,
                          self.peer_session)
        elif kind in (STOPCCN, CDN):
            self.state = "closed"
            self.reason = f"{name} {got.get(A_RESULT, b'').hex()}"
            self._zlb()
        else:
            self._zlb()

    def _data_input(self, flags, rest):
        length = None
        if flags & L:
            length, = struct.unpack(">H", rest[:2])
            rest = rest[2:length - 2]
        if len(rest) < 4:
            return
        tunnel, session = struct.unpack(">HH", rest[:4])
        rest = rest[4:]
        if flags & S:
            rest = rest[4:]
        if flags & O and len(rest) >= 2:
            rest = rest[2 + struct.unpack(">H", rest[:2])[0]:]
        if (tunnel, session) == (self.tunnel, self.session):
            self.deliver(rest)
