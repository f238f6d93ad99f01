# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole Debian in a test host: a root of its own with systemd as process 1 of its own PID namespace. Only in a virtual machine
(tests/vm/run), since it is given the kernel's /dev and cgroups.

fresh_root() makes such a root, outside of the machine, from the mirrors and with the settings that this host's apt has.
"""
import shutil
import subprocess

from . import hosts

ENVIRONMENT = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

# What a container's manager does before it starts init. The console is what the caller gives as stdout.
ENTER = r"""set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mkdir -p "$root/old" "$root/lib/modules"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount --bind /lib/modules "$root/lib/modules"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=test PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --log-target=console --show-status=no
"""


def apt_sources():
    """This host's Debian sources, a line each as sources.list(5) has it, and its proxies as apt.conf(5) has them."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                             "Origin: Debian"], text=True, capture_output=True, check=True).stdout
    settings = subprocess.run(["apt-config", "dump"], text=True, capture_output=True, check=True).stdout
    return sorted(set(listed.splitlines())), [line for line in settings.splitlines() if line.lower().startswith("acquire::")
                                              and "proxy" in line.lower()]


def fresh_root(directory, packages=(), files=(), commands=()):
    """A new Debian in directory (which it empties): essential packages, apt and those named; then files are put into /root, and
    the shell commands are run in there. Raises with what went wrong."""
    if not shutil.which("mmdebstrap"):
        raise RuntimeError("mmdebstrap is missing: apt-get install mmdebstrap (or: tools/install-deps all)")
    shutil.rmtree(directory, ignore_errors=True)
    sources, proxies = apt_sources()
    suite = next(line.split()[2] for line in sources if "-" not in line.split()[2])
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",  # nothing of it is left, however it ends
             "mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(packages)}", *(f"--aptopt={line}" for line in proxies)]
    words += ['--customize-hook=: > "$1"/etc/apt/apt.conf.d/00mmdebstrap']  # Debian's own: what is recommended comes along
    words += [f"--customize-hook=copy-in {' '.join(files)} /root"] if files else []
    enter = f'chroot "$1" env -i {ENVIRONMENT} DEBIAN_FRONTEND=noninteractive sh -ec'
    words += [f"--customize-hook={enter} '{command}'" for command in commands]
    done = subprocess.run([*words, suite, directory, "-"], input="\n".join(sources) + "\n", text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"mmdebstrap: {done.stdout[-4000:]}")


class Machine:
    """The systemd of a root, in the namespaces of a host."""

    def __init__(self, host, root):
        self.host, self.console = host, host.path("console")
        self.process = host.popen("unshare", "--pid", "--fork", "--mount", "--cgroup", "--uts", "--ipc", "sh", "-c", ENTER, "sh", root,
                                  log=self.console)
        self.init = None
        if not hosts.wait_for(self._booted, 120, 0.2):
            raise RuntimeError(f"systemd did not come up: {self.said()}")

    def _booted(self):
        """Its process 1 is the only child of unshare, which execs systemd and then answers systemctl."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            self.init = children.read().strip()
        return self.init and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *command, check=True, timeout=120):
        """Runs a command in it; its CompletedProcess."""
        done = subprocess.run(["nsenter", "-t", self.init, "-a", "-r", "-w", "env", "-i", "HOME=/root", "TERM=dumb",
                               ENVIRONMENT, *command], stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def shell(self, script, **more):
        """Runs shell commands as root at its prompt would; the first that fails ends them."""
        return self.run("sh", "-ec", script, **more)

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False).stdout

    def said(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as console:
                return "\n".join(console.read().splitlines()[-60:])
        except FileNotFoundError:
            return ""
