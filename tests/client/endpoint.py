# SPDX-License-Identifier: GPL-2.0-or-later
"""The two UDP sockets of an IKE client, 500 and 4500, and what arrives on them (RFC 3948).

ISAKMP messages come out of receive(), whichever port they used; ESP goes to on_esp. Keep-alives are dropped.
"""
import select
import socket
import time
from collections import deque
from dataclasses import dataclass

MARKER = bytes(4)  # non-ESP marker


@dataclass
class Datagram:
    """An ISAKMP message as it came in, without the marker; floated: on port 4500."""
    data: bytes
    floated: bool
    peer: tuple


class Endpoint:
    """server: its address. make_socket: where the sockets come from (hosts.Host.socket for another namespace)."""

    def __init__(self, server, make_socket=socket.socket, port=500, nat_port=4500, server_port=500, server_nat_port=4500):
        self.family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.server, self.make_socket = server, make_socket
        self.ports = (port, nat_port)
        self.server_ports = (server_port, server_nat_port)
        with make_socket(self.family, socket.SOCK_DGRAM) as probe:
            probe.connect((server, server_port))
            self.local = probe.getsockname()[0]
        self.sockets = [self._bound(port), self._bound(nat_port)]
        self.on_esp = None   # called with each ESP packet; without it they pile up in esp
        self.esp = deque(maxlen=1000)
        self.waiting = deque()  # ISAKMP datagrams that belong to somebody else here: see put_back()

    def _bound(self, port):
        sock = self.make_socket(self.family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.local, port))
        return sock

    def packed(self, address):
        return socket.inet_pton(self.family, address)

    def send(self, message, floated=False, to=None):
        """Sends an ISAKMP message (bytes) to the server, from 500 to 500 or with the marker from 4500 to 4500."""
        self._put(floated, MARKER + message if floated else message, to)

    def send_esp(self, packet):
        self._put(True, packet, None)

    def keepalive(self):
        self._put(True, b"\xff", None)

    def _put(self, floated, payload, to):
        self.sockets[floated].sendto(payload, to or (self.server, self.server_ports[floated]))

    def receive(self, seconds):
        """The next ISAKMP message, or None when the time is over."""
        if self.waiting:
            return self.waiting.popleft()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for sock in select.select(self.sockets, [], [], left)[0]:
                if datagram := self._take(sock):
                    return datagram
        return None

    def put_back(self, datagrams):
        """Gives datagrams that were not for the receiver to whoever asks next."""
        self.waiting.extend(datagrams)

    def _take(self, sock):
        try:
            payload, peer = sock.recvfrom(65535)
        except OSError:  # an ICMP error for something sent before
            return None
        floated = sock is self.sockets[1]
        if not floated:
            return Datagram(payload, False, peer)
        if payload[:4] == MARKER:
            return Datagram(payload[4:], True, peer)
        if len(payload) >= 8:
            self.on_esp(payload) if self.on_esp else self.esp.append(payload)
        return None

    def close(self):
        for sock in self.sockets:
            sock.close()
