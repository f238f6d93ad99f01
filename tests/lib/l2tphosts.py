# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock L2TP for the tests in a whole kernel: xl2tpd with pppd as LNS and as client, and libreswan as an ordinary client.

Every daemon gets a configuration of its own, runs in the foreground and logs into the host's directory. The server's pluto
is pluto.py's. Nothing here knows of natshim.
"""
import os
import re
import socket
import threading

from ..client import esp
from . import pluto, words
from .hosts import LNS, SRV, wait_for

PSK = "secret"
USERS = ("alice", "bob", "carol")
PASSWORD = "pw"
POOL, POOL_SERVER = "10.99.0.10-10.99.0.50", "10.99.0.1"
PPP = "noccp\nmtu 1280\nmru 1280\nnodefaultroute"

ORDINARY = """
    authby=secret
    ikev2=no
    type=transport
    left={left}
    leftid={left}
    leftprotoport=17/1701
    right=%s
    rightprotoport=17/1701
    pfs=no
    rekey=no
    leftupdown=%%disabled
    auto=add
""" % SRV


def ordinary_pluto(host, address, **options):
    """The client side: libreswan as a stock Linux client has it. options: of its conn."""
    return pluto.Pluto(host, pluto.conn(body=ORDINARY, left=address, **options), PSK)


def pluto_up(client, timeout=30):
    """A client's pluto starts its connection; whether it was agreed."""
    done = client.host.run(f"{pluto.LIBEXEC}/whack", "--initiate", "--name", "l2tp", check=False, timeout=timeout)
    return bool(re.search(words.IPSEC_UP, done.stdout))


def sa_count(host):
    return len(re.findall(r"^src ", host.ip("xfrm", "state"), re.M))


def sa_packets(host):
    """Packets of all ESP SAs of the host together."""
    return sum(int(n) for n in re.findall(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", host.ip("-s", "xfrm", "state")))


class Xl2tpd:
    """xl2tpd with pppd: an LNS (server()) or an ordinary client (client())."""

    def __init__(self, host, conf, ppp_options):
        self.host, self.log, self.ppp_log = host, host.path("xl2tpd.log"), host.path("pppd.log")
        self.control = host.path("l2tp-control")
        own_ppp = host.private("/etc/ppp")  # no scripts of the host's
        self.ppp_options = host.write("ppp-options", f"{ppp_options}\ndebug\nlogfile {self.ppp_log}\n")
        for name in ("chap-secrets", "pap-secrets"):
            with open(os.path.join(own_ppp, name), "w", encoding="ascii") as secrets:
                secrets.writelines(f"{user} * {PASSWORD} *\n" for user in USERS)
        conf = re.sub(r"(?m)^pppoptfile.*\n", "", conf)  # that of --emit; here each host has its own
        self.conf = "/etc/xl2tpd/xl2tpd.conf"
        with open(os.path.join(host.private("/etc/xl2tpd"), "xl2tpd.conf"), "w", encoding="ascii") as file:
            file.write(f"{conf}pppoptfile = {self.ppp_options}\n")

    @classmethod
    def server(cls, host, listen, auth="require-mschap-v2", port=1701):
        return cls(host, f"""[global]
port = {port}
listen-addr = {listen}
debug avp = yes
[lns default]
ip range = {POOL}
local ip = {POOL_SERVER}
require authentication = yes
name = srv
length bit = yes
""", f"{auth}\nauth\n{PPP}")

    @classmethod
    def client(cls, host, user, lns=SRV):
        return cls(host, f"""[global]
port = 1701
[lac vpn]
lns = {lns}
name = {user}
""", f"user {user}\npassword {PASSWORD}\nnoauth\nrefuse-pap\nrefuse-eap\n{PPP}")

    def start(self, must=True):
        """must: it is an error if xl2tpd ends at once, as for a file that it refuses."""
        self.process = self.host.popen("xl2tpd", "-D", "-c", self.conf, "-p", self.host.path("xl2tpd.pid"),
                        "-C", self.control, log=self.log)
        wait_for(lambda: os.path.exists(self.control) or self.process.poll() is not None, 60)
        if must and not os.path.exists(self.control):
            raise RuntimeError("xl2tpd did not start")
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()
        wait_for(lambda: not self.address(), 5, 0.1)

    def call(self):
        """The client's session comes up; its PPP address, or None."""
        with open(self.control, "w", encoding="ascii") as control:
            control.write("c vpn")
        return wait_for(self.address, 30, 0.2)

    def address(self):
        found = re.search(rf"inet (\S+) peer {re.escape(POOL_SERVER)}", self.host.ip("addr", "show"))
        return found and found.group(1)

    def said(self):
        """xl2tpd's own log."""
        return _text(self.log)

    def ppp_said(self):
        """pppd's own log."""
        return _text(self.ppp_log)

    def logged(self):
        """Both logs, for whoever looks for the reason of a failure."""
        return _text(self.log) + _text(self.ppp_log)


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Wire:
    """The UDP datagrams over IPv4 that come in on an interface, as a wire would carry them."""

    def __init__(self, host, iface):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.socket.bind((iface, 0x0800))
        self.socket.setblocking(False)

    def datagrams(self):
        """What came since the last call: (source, source port, destination, destination port, data, checksum good or none)."""
        found = []
        while True:
            try:
                packet, address = self.socket.recvfrom(65535)
            except BlockingIOError:
                return found
            header = (packet[0] & 15) * 4
            if address[2] == socket.PACKET_OUTGOING or packet[9] != esp.UDP:
                continue
            source, to = packet[12:16], packet[16:20]
            parsed = esp.udp_parse(source, to, packet[header:int.from_bytes(packet[2:4], "big")])
            if parsed:
                sport, dport, data, good = parsed
                found.append((socket.inet_ntoa(source), sport, socket.inet_ntoa(to), dport, data, good))

    def close(self):
        self.socket.close()


class Echo:
    """A UDP echo service in a host, in a thread of the test."""

    def __init__(self, host, port=7):
        self.socket = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("0.0.0.0", port))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            data, peer = self.socket.recvfrom(65535)
            self.socket.sendto(data, peer)


CLEAR_CLOSED = """table inet clear_closed {
	chain pre { type filter hook prerouting priority raw; iifname "wan" udp dport 1701 meta secpath missing counter drop; }
}
"""


def sa_known(host, client):
    """Whether natshim has told the kernel of this IPv4 client's SA, so that its L2TP is looked at. A first SCCRQ may be faster."""
    spi = client.phase2.pairs[-1].outbound.spi

    def listed():
        elements = host.run("nft", "list", "set", "inet", "natshim_queue", "l2tp4").stdout
        return re.search(rf"\b({spi}|0x0*{spi:x}) \. ", elements)
    return bool(wait_for(listed, 10))


def to_lns(address=LNS, checksum=False):
    """By hand what natshim does for decrypted L2TP: to prove the client and the servers without it."""
    mend = "udp checksum set 0" if checksum else ""
    return CLEAR_CLOSED + f"""table ip by_hand {{
	chain mend {{ type filter hook prerouting priority raw; udp dport 1701 meta secpath exists {mend} counter; }}
	chain pre {{ type nat hook prerouting priority dstnat; udp dport 1701 meta secpath exists dnat to {address}; }}
}}
"""
