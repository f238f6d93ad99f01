"""Datagrams of a test client to an echo service behind the tunnel while something else happens, and how many got lost."""
import time

from ..client import vpn


class Traffic:
    """burst datagrams every gap seconds, over the client's PPP link to its peer."""

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
        vpn.serve([self.client], 1.5)
        self.client.ppp.on_udp = None
        return self.sent - len(self.back)
