# SPDX-License-Identifier: GPL-2.0-or-later
"""Does natshim translate follow a script as a shell does? Runs the script with its own shell and the real iptables in a
network namespace of its own, and compares what iptables-save then says, translated, with the script, translated.

    klips_oracle.py NATSHIM SCRIPT

A line "# runs: WORDS / WORDS" in the script names the calls to try, "-" one without words. Prints what differs; exit status 1
if anything does."""
import re
import subprocess
import sys
import tempfile

BETWEEN = "=== ip6tables ==="


def run_in_namespace(script, words):
    """What iptables-save and ip6tables-save say once the script has run."""
    with open(script, encoding="ascii") as f:
        shell = f.readline()[2:].strip()
    command = (f'{shell} "$@" > /dev/null 2>&1; iptables-save; echo "{BETWEEN}"; ip6tables-save')
    result = subprocess.run(["unshare", "-n", "sh", "-c", command, "sh", script, *words], capture_output=True, text=True,
                            timeout=120, check=True)
    return result.stdout.split(BETWEEN)


def translated(natshim, options, text=None):
    """Exit status and rules: {(table, chain): lines}."""
    result = subprocess.run([natshim, "translate", "--iface", "eth0", *options], input=text, capture_output=True, text=True,
                            timeout=120, check=False)
    rules, table, chain = {}, None, None
    for line in result.stdout.splitlines():
        line = line.strip()
        if match := re.fullmatch(r"table (\S+ \S+) \{", line):
            table = match[1]
        elif match := re.fullmatch(r"chain (\S+) \{", line):
            chain = match[1]
            rules[table, chain] = []
        elif line and line[0] not in "#}" and chain and table:
            rules[table, chain].append(line)
        elif line == "}":
            chain = None
    return result.returncode, rules, result.stderr


def compare(natshim, script, words):
    """The lines that differ."""
    options = [word for w in words for word in ("--arg", w)] or ["--arg", ""]
    status, followed, said = translated(natshim, [*options, script])
    wanted, why = {}, []
    for text, family in zip(run_in_namespace(script, words), ([], ["--ipv6"])):
        with tempfile.NamedTemporaryFile("w", suffix=".save") as f:
            f.write(text)
            f.flush()
            _, rules, trouble = translated(natshim, [*family, f.name])
        wanted.update(rules)
        why += trouble.splitlines()
    differences = [f"exit status {status}: {said}"] if status else []
    differences += why
    for key in sorted(followed.keys() | wanted.keys()):
        if followed.get(key) != wanted.get(key):
            differences += [f"{key[0]} {key[1]}: shell:   {wanted.get(key)}", f"{key[0]} {key[1]}: natshim: {followed.get(key)}"]
    return differences


def main():
    natshim, script = sys.argv[1:]
    with open(script, encoding="ascii") as f:
        runs = re.search(r"^# runs: (.*)$", f.read(), re.MULTILINE)[1].split(" / ")
    failed = False
    for run in runs:
        words = [] if run == "-" else run.split()
        differences = compare(natshim, script, words)
        failed = failed or bool(differences)
        for line in differences:
            print(f"{script} {run}: {line}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
