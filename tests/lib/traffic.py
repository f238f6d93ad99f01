# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams through a test client's tunnel while something else happens, and how many of them got lost."""
import socket
import threading
import time

from ..client import vpn


class Traffic:
    """To an echo service and back: burst datagrams every gap seconds, over the client's PPP link to its peer."""

    def __init__(self, client, gap=0.03, burst=3):
        self.client, self.gap, self.burst = client, gap, burst
        self.sent, self.back = 0, set()
        client.ppp.on_udp = lambda datagram: self.back.add(datagram[3][:4])

    def flow(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(self.burst):
                self.client.ppp.send_udp(self.client.ppp.peer, 40000, 7, self.sent.to_bytes(4, "big") + bytes(200))
                self.sent += 1
            vpn.serve([self.client], self.gap)

    def until(self, condition, seconds=25):
        """Flows until something has come true; whether it has."""
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.flow(0.2)
        return condition()

    def lost(self):
        vpn.serve([self.client], 5, lambda: len(self.back) == self.sent)
        self.client.ppp.on_udp = None
        return self.sent - len(self.back)


class Downstream:
    """Datagrams from a host to the client's PPP address, burst of them every gap seconds, in a thread until stop()."""

    def __init__(self, host, client, gap=0.01, burst=8):
        self.client, self.back, self.sent = client, set(), 0
        for sock in client.endpoint.sockets:
            sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE: the client is slow when it computes
        client.ppp.on_udp = lambda datagram: self.back.add(datagram[3][:4])
        self.socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(gap, burst), daemon=True)
        self.thread.start()

    def _run(self, gap, burst):
        while not self.stopped.wait(gap):
            for _ in range(burst):
                self.socket.sendto(self.sent.to_bytes(4, "big") + bytes(300), (self.client.ppp.address, 40000))
                self.sent += 1

    def stop(self):
        """How many got lost."""
        self.stopped.set()
        self.thread.join()
        vpn.serve([self.client], 10, lambda: len(self.back) == self.sent)
        self.client.ppp.on_udp = None
        self.socket.close()
        return self.sent - len(self.back)
