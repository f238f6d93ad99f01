# SPDX-License-Identifier: GPL-2.0-or-later
"""natshim check in a test host: its findings, and its mends applied as an admin would, word by word.

A mend's lines are of these kinds: "run: COMMAND"; "in FILE, PLACE: LINE" with PLACE a conn, "config setup", an [INI section] or
a path of swanctl.conf; "in FILE: remove WORDS"; "in FILE: LINE". Others are advice, which apply() leaves out.
"""
import json
import re
import shlex

from . import natshim


def emitted(host, what, *options):
    """A configuration from --emit."""
    return host.run(natshim.binary(), "check", "--emit", what, *options).stdout


class Checked:
    """The findings of one run: [id] is a finding; services: what "systemctl restart NAME" calls, by name."""

    def __init__(self, host, *options, services=None):
        self.host, self.services = host, services or {}
        done = host.run(natshim.binary(), "check", "--json", *options, check=False, timeout=120)
        self.status, self.errors = done.returncode, done.stderr
        self.findings = {one["id"]: one for one in json.loads(done.stdout or '{"checks": []}')["checks"]}

    def __getitem__(self, check):
        return self.findings[check]

    def __contains__(self, check):
        return check in self.findings

    def ids(self):
        return set(self.findings)

    def said(self):
        return "\n".join([f"exit status {self.status}", self.errors] + [
            f"{f['severity']} {f['id']}: {f['found']}; mend: {f['mend']}" for f in self.findings.values()])

    def apply(self, check):
        """Does what the finding's mend says; the lines that were done."""
        return [line for line in self[check]["mend"].splitlines() if self._step(line)]

    def _step(self, line):
        if line.startswith("run: "):
            return self._command(shlex.split(line[5:]))
        found = re.fullmatch(r"in (\S+?)(?:, (.*?))?: (.+)", line)
        if not found:
            return False
        path, place, new = found.groups()
        text = self.host.run("cat", path).stdout  # as the host sees it
        if place:
            text = in_section(text, place, new)
        elif new.startswith("remove "):
            text = re.sub(rf"(?m)^[ \t]*{re.escape(new[7:])}\b.*\n", "", text)
        elif "{" in new:  # a section of swanctl.conf
            text += new + "\n"
        else:
            key = new.split()[0]
            text = re.sub(rf"(?m)^{re.escape(key)}\b.*\n", "", text) + new + "\n"
        self.host.run("tee", path, input=text)  # in place: it may be a mount of its own
        return True

    def _command(self, words):
        if words[0] == "systemctl" and words[1] in ("enable", "unmask"):  # no manager runs in a test host: by itself, on its files
            self.host.run("env", "SYSTEMD_OFFLINE=1", *words)
            return True
        if words[0] == "systemctl":
            self.services.get(words[2], lambda: None)()
            return True
        self.host.run(*[word.replace("natshim check", f"{natshim.binary()} check") for word in words])
        return True


def in_section(text, place, line):
    """text with line in that section instead of any other line for the same key."""
    key = re.escape(re.split(r"\s*=", line)[0])
    lines, at = text.split("\n"), _start(text, place)
    if at is None:
        raise ValueError(f"no {place} in:\n{text}")
    depth = 0
    for number in range(at + 1, len(lines)):
        here = lines[number]
        if "/" in place:  # swanctl.conf
            if depth == 0 and re.match(rf"\s*{key}\s*=", here):
                lines[number] = line
                return "\n".join(lines)
            depth += here.count("{") - here.count("}")
            if depth < 0:
                break
        elif re.match(r"\[|conn\s|config\s", here):
            break
        elif re.match(rf"\s*{key}\s*=", here):
            lines[number] = re.match(r"\s*", here).group() + line
            return "\n".join(lines)
    indent = "" if place.startswith("[") else "\t"
    return "\n".join(lines[:at + 1] + [indent + line] + lines[at + 1:])


def _start(text, place):
    """The number of the line that opens a section."""
    lines, path = text.split("\n"), []
    for number, here in enumerate(lines):
        if "/" not in place and here.strip() == place:
            return number
        opened = re.match(r"\s*(\S+)\s*\{", here)
        if opened:
            path.append(opened.group(1))
            if "/".join(path) == place:
                return number
        elif here.strip() == "}":
            path.pop()
    return None
