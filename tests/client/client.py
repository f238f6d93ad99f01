# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole IKE client: connects, then serves what the server starts by itself (rekey of phase 1, notifications, deletes).

Quick Mode messages of a known ISAKMP SA are handed to on_quick(sa, message), if set.
"""
import struct
import time

from . import ike1
from .endpoint import Endpoint
from .ike1 import Malformed, Message
from .phase1 import Phase1, Responder, Settings


class Client:
    """Client(server, make_socket=..., dialect=..., psk=..., ...): see endpoint.Endpoint and phase1.Settings."""

    initiator, responder = Phase1, Responder  # a test may put others here

    def __init__(self, server, make_socket=None, port=500, nat_port=4500, **settings):
        self.settings = Settings(**settings)
        more = {"make_socket": make_socket} if make_socket else {}
        self.endpoint = Endpoint(server, port=port, nat_port=nat_port, **more)
        self.sas = []            # ISAKMP SAs, oldest first
        self.notices = []        # (what, payload) of Informational exchanges: "notify NAME" or "delete"
        self.responders = {}     # of exchanges that the server started, by initiator cookie
        self.on_quick = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.endpoint.close()

    def connect(self):
        """Phase 1 as initiator; raises Phase1Failed."""
        self.sas.append(self.initiator(self.endpoint, self.settings).run())
        return self.sas[-1]

    def serve(self, seconds, until=lambda: False):
        """Answers what comes in until the time is over or until() is true, which is returned."""
        end = time.monotonic() + seconds
        while not until() and (left := end - time.monotonic()) > 0:
            if datagram := self.endpoint.receive(min(left, 0.1)):
                try:
                    self._dispatch(Message.decode(datagram.data), datagram)
                except Malformed as why:
                    self.notices.append((f"ignored: {why}", b""))
        return until()

    def _dispatch(self, message, datagram):
        sa = next((s for s in self.sas if (s.icookie, s.rcookie) == (message.icookie, message.rcookie)), None)
        if message.exchange == ike1.MAIN:
            if message.rcookie == bytes(8) and message.icookie not in self.responders:
                self.responders[message.icookie] = self.responder(self.endpoint, self.settings, message)
            if responder := self.responders.get(message.icookie):
                if (result := responder.handle(message, datagram)) and result not in self.sas:
                    self.sas.append(result)
        elif message.exchange == ike1.INFORMATIONAL:
            payloads = sa.open_informational(message) if sa and message.encrypted else message.payloads
            for kind, body in payloads:
                if kind == ike1.NOTIFY:
                    self.notices.append((f"notify {ike1.notify_name(body)}", body))
                    self._answer_probe(sa, body)
                elif kind == ike1.DELETE:
                    self.notices.append(("delete", body))
        elif message.exchange == ike1.QUICK and sa and self.on_quick:
            self.on_quick(sa, message)

    @staticmethod
    def _answer_probe(sa, body):
        """R-U-THERE is answered with R-U-THERE-ACK (RFC 3706)."""
        if sa and len(body) >= 12 and struct.unpack(">H", body[6:8])[0] == ike1.R_U_THERE:
            sa.send_informational([(ike1.NOTIFY, ike1.notify_body(ike1.R_U_THERE_ACK, sa.icookie + sa.rcookie, 1, body[-4:]))])
