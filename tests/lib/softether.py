# SPDX-License-Identifier: GPL-2.0-or-later
"""SoftEther VPN server in a test host: IPsec and L2TP in user space, so it needs nothing of the kernel."""
import os
import re
import signal
import subprocess

from . import hosts


def available():
    return os.access("/usr/bin/vpnserver", os.X_OK) and os.access("/usr/bin/vpncmd", os.X_OK)


class SoftEther:
    """SoftEther(host, psk="secret"): runs from construction to stop(), L2TP over IPsec switched on."""

    def __init__(self, host, psk="secret", user="mac", password="password"):
        self.host = host
        host.run("mkdir", "-p", "/run/softether")
        for path in ("/var/lib/softether", "/var/log/softether"):
            host.private(path)
        self.process = host.popen("/usr/bin/vpnserver", "execsvc", log=host.path("softether.log"),
                                  start_new_session=True)  # a parent that starts its server anew when that crashes
        ipsec = f"IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:{psk} /DEFAULTHUB:DEFAULT"
        if not hosts.wait_for(lambda: self.vpncmd("About").returncode == 0, 20, 0.2):
            raise RuntimeError("SoftEther did not start")
        for hub, command in ((None, ipsec), ("DEFAULT", f"UserCreate {user} /GROUP:none /REALNAME:none /NOTE:none"),
                             ("DEFAULT", f"UserPasswordSet {user} /PASSWORD:{password}")):
            done = self.vpncmd(*command.split(), hub=hub)
            if done.returncode and "Error code: 66" not in done.stdout:  # the user is there from before a restart
                raise RuntimeError("vpncmd: " + done.stdout)
        if not hosts.wait_for(self.listening, 20, 0.1):
            raise RuntimeError("SoftEther does not listen on UDP 500")

    def listening(self):
        """It does so a while after IPsec is switched on."""
        return {"500", "4500"} <= set(re.findall(r":(\d+)\s", self.host.run("ss", "-Huln4").stdout))

    def vpncmd(self, *command, hub=None):
        where = [f"/ADMINHUB:{hub}"] if hub else []
        try:
            return self.host.run("vpncmd", "127.0.0.1:5555", "/SERVER", *where, "/CMD", *command, check=False, timeout=15)
        except subprocess.TimeoutExpired as late:
            return subprocess.CompletedProcess(command, 1, str(late.stdout), "")

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
