# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts for tests: each is a network namespace and a mount namespace, held by a process that sleeps in them.

The namespaces have no names, so nothing of them can collide with another run or be left behind: they are gone when their
last process is. Only processes inside these namespaces are ever killed. Addresses and roles are those of Topology:

    c1 192.168.50.11 -.                                                          .- lns 192.168.1.98
    c2 192.168.50.12 --- 192.168.50.1 nat 203.0.113.2 ---.                       |
                                                         +--- 203.0.113.1 srv ---- 192.168.1.1
                                      near 203.0.113.9 --'
"""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

SRV, NAT, NEAR, LNS = "203.0.113.1", "203.0.113.2", "203.0.113.9", "192.168.1.98"
SRV6, NEAR6 = "2001:db8:1::1", "2001:db8:1::9"
SRV_INSIDE = "10.77.0.2"  # the server's own address where it is itself behind a NAT

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_for(condition, seconds=5.0, step=0.02):
    """Polls until condition() is true; its value, or a false one when the time is over."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(step)
    return value


class Host:
    """One host. /run is its own, empty; private() gives it more directories of its own."""

    def __init__(self, net, name):
        self.net, self.name, self.started = net, name, []
        self.dir = os.path.join(net.dir, name)
        os.mkdir(self.dir)
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c",
             "mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && echo ready && exec sleep 1000000"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=_die_with_parent)
        if self.holder.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{name}: no namespaces here")

    def _enter(self, command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", f"--wdns={os.getcwd()}", *map(str, command)]

    def run(self, *command, check=True, timeout=30, **more):
        """Runs a command in the host to its end; its CompletedProcess, text in stdout and stderr."""
        return self._finish(self._enter(command), check, timeout=timeout, **more)

    def _finish(self, command, check=True, **more):
        more = {"stdin": subprocess.DEVNULL} | more if "input" not in more else more
        done = subprocess.run(command, text=True, capture_output=True, **more)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(map(str, command))}: {done.stderr or done.stdout}")
        return done

    def popen(self, *command, log=None, **more):
        """Starts a command in the host; its Popen (the pid is the command's own). log: a file for its output.

        It ends with the thread that started it, at the latest.
        """
        if log:
            with open(log, "ab") as out:
                more = {"stdout": out, "stderr": subprocess.STDOUT} | more
                return self._popen(command, more)
        return self._popen(command, more)

    def _popen(self, command, more):
        self.started.append(subprocess.Popen(self._enter(command), preexec_fn=_die_with_parent,
                                             **({"stdin": subprocess.DEVNULL} | more)))
        return self.started[-1]

    @contextlib.contextmanager
    def network(self):
        """The calling thread is in the host's network namespace for the while."""
        own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        theirs = os.open(f"/proc/{self.holder.pid}/ns/net", os.O_RDONLY)
        try:
            if _libc.setns(theirs, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            _libc.setns(own, _CLONE_NEWNET)
            os.close(own)
            os.close(theirs)

    def socket(self, *args):
        """A socket of this host, for use from here."""
        with self.network():
            return socket.socket(*args)

    def path(self, name):
        """A file of the host's own directory, which every host sees under the same path."""
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
            out.write(text)
        return path

    def private(self, path, copy=False):
        """Gives the host a directory of its own at path; copy: filled with what is there. Returns where it really lies."""
        own = self.path(path.strip("/").replace("/", "-"))
        if os.path.isdir(own):  # given before
            return own
        if copy:
            shutil.copytree(path, own, symlinks=True)
        else:
            os.makedirs(own)
        self.run("sh", "-c", f"mkdir -p {path} && mount --bind {own} {path}")
        return own

    def sysctl(self, **values):
        with self.network():
            for key, value in values.items():
                with open(f"/proc/sys/{key.replace('__', '/')}", "w") as file:
                    file.write(str(value))

    def nft(self, text):
        self.run("nft", "-f", "-", input=text)

    def ip(self, *words):
        with self.network():
            return self._finish(["ip", *map(str, words)]).stdout

    def ip_batch(self, *lines):
        """Several ip commands by one process: starting one is what costs time in an emulated machine."""
        with self.network():
            self._finish(["ip", "-batch", "-"], input="\n".join(lines) + "\n")

    def processes(self):
        """The pids of all that runs in the host, the holder excepted."""
        mark = os.readlink(f"/proc/{self.holder.pid}/ns/net")
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/ns/net") == mark and int(pid) not in (self.holder.pid, os.getpid()):
                    found.append(int(pid))
        return found

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for _ in range(3):
            for pid in self.processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if not self.processes():
                break
            time.sleep(0.02)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


class Net:
    """A set of hosts and the links between them; a context manager that leaves nothing behind."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="natshim-test-")
        os.chmod(self.dir, 0o755)
        self.hosts = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __getitem__(self, name):
        return self.hosts[name]

    def close(self):
        for host in self.hosts.values():
            host.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def add(self, *names):
        for name in names:
            self.hosts[name] = Host(self, name)
        return self.hosts[names[-1]]

    def link(self, one, if1, addr1, two, if2, addr2):
        """A cable between two hosts (names); addr with prefix length, or None."""
        a, b = self[one], self[two]
        a.ip_batch(f"link add {if1} type veth peer name {if2} netns {b.holder.pid}", *self._ready(if1, addr1))
        b.ip_batch(*self._ready(if2, addr2))

    @staticmethod
    def _ready(iface, addr):
        """ip commands for an interface that is there."""
        address = [f"addr add {addr} dev {iface}{' nodad' if ':' in addr else ''}"] if addr else []
        return address + [f"link set {iface} up"]

    def switch(self, name, *ports):
        """A host that is only a bridge; ports: (host, interface, addr)."""
        bridge = self.add(name)
        names = [f"p{number}" for number in range(len(ports))]
        bridge.ip_batch("link add br0 type bridge", "link set br0 up",
                        *(f"link add {port} type veth peer name {iface} netns {self[host].holder.pid}"
                          for port, (host, iface, _) in zip(names, ports)),
                        *(f"link set {port} master br0 up" for port in names))
        for host, iface, addr in ports:
            self[host].ip_batch(*self._ready(iface, addr))


def masquerade(host, iface, floating=True):
    """A NAT for what leaves by iface. floating: UDP gets a new, arbitrary source port, as from a crowded NAT."""
    host.sysctl(net__ipv4__ip_forward=1)
    udp = f'oifname "{iface}" ip protocol udp masquerade to :20000-30000 fully-random' if floating else ""
    host.nft(f"""table ip nat {{
        chain post {{
            type nat hook postrouting priority srcnat;
            {udp}
            oifname "{iface}" masquerade
        }}
    }}""")


def topology(clients=1, lns=False, server_nat=False, ipv6=False, floating=True):
    """The hosts of the drawing above. server_nat: srv is 10.77.0.2 behind a router that forwards 203.0.113.1 to it."""
    net = Net()
    try:
        names = [f"c{n}" for n in range(1, clients + 1)]
        net.add(*names, "nat", "near", "srv")
        front = "srv"
        if server_nat:
            front = "front"
            net.add(front)
            net.link("srv", "wan", f"{SRV_INSIDE}/24", front, "in", "10.77.0.1/24")
            net["srv"].ip("route", "add", "default", "via", "10.77.0.1")
        net.switch("wire", (front, "wan", f"{SRV}/24"), ("nat", "wan", f"{NAT}/24"), ("near", "wan", f"{NEAR}/24"))
        net.switch("home", ("nat", "lan", "192.168.50.1/24"),
                   *((name, "eth0", f"192.168.50.{10 + n}/24") for n, name in enumerate(names, 1)))
        for name in names:
            net[name].ip("route", "add", "default", "via", "192.168.50.1")
        masquerade(net["nat"], "wan", floating)
        if server_nat:
            net[front].sysctl(net__ipv4__ip_forward=1)
            net[front].nft(f"""table ip nat {{
                chain pre {{ type nat hook prerouting priority dstnat; iifname "wan" dnat to {SRV_INSIDE}; }}
                chain post {{ type nat hook postrouting priority srcnat; oifname "wan" snat to {SRV}; }}
            }}""")
        if lns:
            net.add("lns")
            net.link("srv", "lan", "192.168.1.1/24", "lns", "eth0", f"{LNS}/24")
            net["lns"].ip("route", "add", "default", "via", "192.168.1.1")
            net["srv"].sysctl(net__ipv4__ip_forward=1)
        if ipv6:
            net[front].ip("addr", "add", f"{SRV6}/64", "dev", "wan", "nodad")
            net["near"].ip("addr", "add", f"{NEAR6}/64", "dev", "wan", "nodad")
        for name in ("srv", "near", *names):
            net[name].sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv4__conf__default__rp_filter=0,
                             net__ipv4__conf__all__send_redirects=0, net__ipv4__conf__all__accept_redirects=0)
        return net
    except BaseException:
        net.close()
        raise
