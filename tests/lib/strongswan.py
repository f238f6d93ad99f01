# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock strongSwan in a test host, for tests.lib.sessionlab: charon with its swanctl configuration. Its packages conflict
with libreswan's, so they are unpacked inside the virtual machine: the test names them (tests/vm/run, vm-packages).
"""
import glob
import os
import re
import subprocess

from . import hosts, sessionlab

PACKAGES = ("libstrongswan", "libstrongswan-standard-plugins", "strongswan-libcharon", "strongswan-charon", "strongswan-swanctl")
PLUGINS = "random nonce openssl aes sha1 sha2 md5 hmac gmp pem pkcs1 pkcs8 x509 pubkey xcbc kdf kernel-netlink socket-default vici"

# What an admin has for L2TP clients: udp/any, for every client has a port of its own.
CONF = """connections {
    l2tp {
        version = 1
        local_addrs = %s
        remote_addrs = %%any
        proposals = 3des-sha1-modp1536, aes128-sha1-modp2048
        dpd_delay = 0s
        local { auth = psk }
        remote { auth = psk }
        children {
            l2tp {
                mode = transport
                local_ts = dynamic[udp/1701]
                remote_ts = dynamic[udp/any]
                esp_proposals = aes128-sha1, 3des-sha1
            }
        }
    }
}
secrets {
    ike-all { secret = "secret" }
}
""" % hosts.SRV


class Strongswan:
    """As sessionlab.Libreswan."""
    ike_deleted = "deleting IKE_SA"
    late_sas = True  # they come after the client's last message: strongSwan 6 lost that race to 4 of 10 first SCCRQs

    def __init__(self, host, conns="", conf=CONF):
        self.host, self.log_file = host, host.path("charon.log")
        for package in sorted(glob.glob(os.path.join(os.environ["VM_PACKAGES"], "*.deb"))):
            subprocess.run(["dpkg-deb", "-x", package, "/"], check=True)
        self.conf = host.write("swanctl.conf", conf + conns)
        self.start()

    def start(self):
        settings = self.host.write("strongswan.conf", f"""charon {{
    load = {PLUGINS}
    filelog {{
        log {{
            path = {self.log_file}
            time_format = %Y-%m-%dT%H:%M:%S
            time_add_ms = yes
            flush_line = yes
        }}
    }}
}}
""")
        self.process = self.host.popen("env", f"STRONGSWAN_CONF={settings}", "/usr/lib/ipsec/charon", log=self.host.path("charon.out"))
        hosts.wait_for(lambda: self.swanctl("--stats").returncode == 0, 60, 0.2)
        loaded = self.swanctl("--load-all", "--file", self.conf)
        if loaded.returncode:
            raise RuntimeError(f"swanctl: {loaded.stdout}{loaded.stderr}{self.log()}")

    def be_impatient(self):
        """From now on it asks a silent client after 5 s whether he lives, and ends his SAs after 30 s."""
        with open(self.conf, encoding="ascii") as file:
            text = file.read()
        self.host.write("swanctl.conf", text.replace("dpd_delay = 0s", "dpd_delay = 5s\n        dpd_timeout = 30s"))
        self.swanctl("--load-conns", "--file", self.conf)

    def swanctl(self, *words):
        return self.host.run("swanctl", *words, check=False)

    def states(self, client):
        """Lines of its list of IKE SAs with the client's address and port."""
        return [line for line in self.swanctl("--list-sas").stdout.splitlines() if f"[{client.seen_port}]" in line]

    def rekey(self, address, phase):
        """It begins a rekey of the newest SA of that phase (1, 2) with who it knows by that address, and is not waited for. (libreswan 4
        ends with a failed assertion where whack asks for that in IKEv1, and 5 does not do it.)"""
        own = [block for block in re.split(r"(?m)^(?=\S)", self.swanctl("--list-sas").stdout) if f"@ {address}[" in block]
        number = max(int(number) for block in own for number in re.findall(r"^l2tp: #(\d+)" if phase == 1 else r"\n  l2tp: #(\d+)", block))
        self.host.popen("swanctl", "--rekey", "--ike-id" if phase == 1 else "--child-id", str(number), log=self.host.path("swanctl.log"))

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def deletions(self, mark):
        return [(sessionlab.stamp(when), what) for when, what in
                re.findall(r"^(\S+\.\d+) .*((?:deleting IKE_SA|closing CHILD_SA) \S+)", self.log()[mark:], re.M)]
