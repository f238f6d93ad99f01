# SPDX-License-Identifier: GPL-2.0-or-later
"""The program under test in a test host: started, asked for its status, stopped.

Which one: $NATSHIM, else the one built with sanitizers if it is there, else ./natshim.
"""
import json
import os
import re
import signal
import socket
import struct
import subprocess

from . import hosts

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary():
    candidates = [os.environ["NATSHIM"]] if os.environ.get("NATSHIM") else [f"{ROOT}/build/san/natshim", f"{ROOT}/natshim"]
    return next((os.path.abspath(c) for c in candidates if os.access(c, os.X_OK)), candidates[-1])


class Natshim:
    """Natshim(host, "--public", ADDR, ...): runs from construction to stop(); iface=None leaves --iface to the options;
    verbose: subjects of debug lines, or True for -v."""

    def __init__(self, host, *options, iface="wan", verbose=True, wait=True, environment=None):
        self.host = host
        self.log_file = host.path("natshim.log")
        self.start_mark = len(self.log())
        words = ["--iface", iface] if iface else []
        words += [f"--verbose={verbose}" if isinstance(verbose, str) else "-v"] if verbose else []
        self.process = host.popen(binary(), *words, *options, log=self.log_file,
                                  env=os.environ | (environment or {}))
        if wait and not self.ready():
            raise RuntimeError("natshim did not start: " + self.log())

    def ready(self, seconds=60):
        hosts.wait_for(lambda: self.process.poll() is not None or "natshim: ready" in self.log(self.start_mark), seconds)
        return self.process.poll() is None and "natshim: ready" in self.log(self.start_mark)

    def log(self, since=0):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as log:
                return log.read()[since:]
        except FileNotFoundError:
            return ""

    def logged(self, pattern, seconds=3.0, since=0):
        return bool(hosts.wait_for(lambda: re.search(pattern, self.log(since)), seconds))

    def ask(self, operation=1, argument=b""):
        """What natshim's control socket answers (shim/daemon/control.h), without starting a program: (done, text). OSError: nobody is there."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(10)
            control.connect(f"/proc/{self.host.holder.pid}/root/run/natshim/control.sock")
            control.sendall(struct.pack("!BBH", 1, operation, len(argument)) + argument)
            answer = b"".join(iter(lambda: control.recv(65536), b""))
        return answer[1] == 0, answer[8:].decode()

    def status(self):
        return json.loads(self.host.run(binary(), "status", "--json").stdout)

    def counters(self):
        return self.status()["counters"]

    def counted(self, what):
        """How the counters change over what(), as a dict: packets, rewritten."""
        before = self.counters()
        what()
        after = self.counters()
        return {key: after[key] - before[key] for key in ("packets", "rewritten")}

    def pid_of(self, name):
        """Of that one of its processes (natshim-packets, natshim-xfrm, ...)."""
        if name in (found := processes(self.host)):
            return found[name]
        raise LookupError(name)

    def resident_kib(self):
        """VmRSS of the process that parses packets."""
        with open(f"/proc/{self.pid_of('natshim-packets')}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s*(\d+)", status.read())[1])

    def send(self, signum):
        """To natshim, the one that a service manager knows."""
        self.process.send_signal(signum)

    def stand_still(self):
        """The process that parses packets does, until go_on()."""
        os.kill(self.pid_of("natshim-packets"), signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid_of("natshim-packets"), signal.SIGCONT)

    def stop(self, signum=signal.SIGTERM):
        """Ends it; its exit status (None if it had to be killed)."""
        if self.process.poll() is None:
            self.send(signum)
        return self.ended()

    def ended(self, seconds=10):
        """Waits for its end; its exit status (None if it had to be killed)."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:  # the kernel kills natshim-packets with it, and has its rules gone
            hosts.wait_for(lambda: "natshim-packets" not in processes(self.host), 5)

    def faults(self):
        """What the sanitizers said, if anything."""
        return "\n".join(line for line in self.log().splitlines() if "Sanitizer" in line or "runtime error" in line)


def processes(host):
    """Of natshim on that host: name -> pid."""
    found = {}
    for pid in host.processes():
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                found[comm.read().strip()] = pid
        except OSError:
            continue  # it has just ended
    return {name: pid for name, pid in found.items() if name.startswith("natshim")}


def tables(host):
    """The names of the host's nftables tables that are natshim's."""
    listed = host.run("nft", "list", "tables").stdout
    return sorted(re.findall(r"\b(natshim\w*)$", listed, re.M))
