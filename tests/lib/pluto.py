# SPDX-License-Identifier: GPL-2.0-or-later
"""Stock libreswan in a test host: pluto with configuration, secrets and NSS database of its own.

On a kernel without ESP it does phase 1 only, which is enough for much.
"""
import functools
import os
import re
import subprocess

from . import hosts

LIBEXEC = "/usr/libexec/ipsec"

# What an admin has for L2TP clients (docs/recipes), with the ciphers that every old client offers.
L2TP = """
    authby=secret
    ikev2=no
    type=transport
    left={left}
    leftprotoport=17/1701
    right=%any
    rightprotoport=17/%any
    ike=3des-sha1;modp1536
    pfs=no
    rekey=no
    auto=add
"""


def conn(name="l2tp", body=L2TP, left=hosts.SRV, **options):
    """The text of a conn; options replace lines of the body, or are added: leftid="...", rekey="yes"."""
    lines = {}
    for line in body.format(left=left).split("\n"):
        if line.strip():
            key, value = line.strip().split("=", 1)
            lines[key] = value
    lines |= {k.replace("_", "-"): v for k, v in options.items()}
    return f"conn {name}\n" + "".join(f"    {k}={v}\n" for k, v in lines.items()) + "\n"


def available():
    return os.access(f"{LIBEXEC}/pluto", os.X_OK)


@functools.cache
def version():
    """The first number of libreswan's version; 0 where there is none."""
    if not available():
        return 0
    said = subprocess.run(["ipsec", "--version"], text=True, capture_output=True, check=True).stdout
    return int(re.search(r"ibreswan (\d+)", said).group(1))


class Pluto:
    """Pluto(host, conn() + conn("other"), psk="secret"); it runs from construction to stop(). config: a whole ipsec.conf."""

    def __init__(self, host, conns="", psk="secret", setup="", config=None, uniqueids="no"):
        self.host = host
        self.log_file = host.path("pluto.log")
        self.config = host.write("ipsec.conf", config or f"config setup\n    ikev1-policy=accept\n    uniqueids={uniqueids}\n"
                                 "    virtual-private=%v4:10.0.0.0/8,%v4:192.168.0.0/16,%v4:172.16.0.0/12\n"
                                 f"    logfile={self.log_file}\n{setup}\n{conns}")
        self.secrets = host.write("ipsec.secrets", f': PSK "{psk}"\n')
        self.nss = host.path("nss")
        if not os.path.isdir(self.nss):
            os.mkdir(self.nss, 0o700)
            host.run("ipsec", "initnss", "--nssdir", self.nss)
        host.run("mkdir", "-p", "/run/pluto")
        self.start()

    def start(self):
        self.process = self.host.popen(f"{LIBEXEC}/pluto", "--nofork", "--config", self.config, "--nssdir", self.nss,
                                       "--secretsfile", self.secrets, "--logfile", self.log_file,
                                       log=self.host.path("pluto.out"))
        if not hosts.wait_for(lambda: self.process.poll() is not None or self.answers(), 60, 0.05) or not self.answers():
            raise RuntimeError("pluto did not start: " + self.log())
        self.host.run(f"{LIBEXEC}/addconn", "--config", self.config, "--autoall", check=False)

    def answers(self):
        return self.host.run(f"{LIBEXEC}/whack", "--status", check=False).returncode == 0

    def whack(self, *words, check=False):
        """A whack command; its output. whack's exit status often says little."""
        return self.host.run(f"{LIBEXEC}/whack", *words, check=check).stdout

    def start_whack(self, *words):
        """A whack command that isn't waited for."""
        return self.host.popen(f"{LIBEXEC}/whack", *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def log(self, since=0):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as log:
                return log.read()[since:]
        except FileNotFoundError:
            return ""

    def mark(self):
        """For log(since=...)."""
        return len(self.log())

    def logged(self, pattern, seconds=3.0, since=0):
        """Waits until the log has a line like that."""
        return bool(hosts.wait_for(lambda: re.search(pattern, self.log(since)), seconds))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self):
        self.stop()
        self.start()
