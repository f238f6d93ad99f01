# SPDX-License-Identifier: GPL-2.0-or-later
"""Test programs that speak TAP: what a test claims is one line of output each, and the exit status tells whether all held.

    from tests.lib import tap          a test program ends with     tap.main(test_one, test_two)
"""
import os
import re
import signal
import sys
import traceback

_count = 0
_failed = 0


class Skip(Exception):
    """Raised by a test function: the rest of it can't be tried here, for the reason given."""


class Stop(Exception):
    """Raised by need(): the rest of the test function makes no sense."""


def _line(good, name, more=""):
    global _count, _failed
    _count += 1
    _failed += not good
    print(f"{'ok' if good else 'not ok'} {_count} - {name.replace('#', ' ')}{more}", flush=True)
    return bool(good)


def diag(text, lines=60, width=400):
    """Shows a text as comment, the middle of a long one left out."""
    shown = [line if len(line) <= width else line[:width] + " ..." for line in str(text).rstrip().splitlines()]
    if len(shown) > lines:
        shown[lines // 2:-lines // 2] = [f"... {len(shown) - lines} lines ..."]
    for line in shown:
        print(f"# {line}", flush=True)


def ok(condition, name, detail=None):
    """One claim; detail (a value, or a function that makes one) is shown only if it failed."""
    if not _line(condition, name) and detail is not None:
        diag(detail() if callable(detail) else detail)
    return bool(condition)


def equal(got, wanted, name):
    return ok(got == wanted, name, lambda: f"got:    {got!r}\nwanted: {wanted!r}")


def like(text, pattern, name):
    return ok(re.search(pattern, text), name, lambda: f"no {pattern!r} in:\n{tail(text)}")


def unlike(text, pattern, name):
    return ok(not re.search(pattern, text), name, lambda: f"{pattern!r} is in:\n{tail(text)}")


def need(condition, name, detail=None):
    """A claim without which the rest of the test function makes no sense."""
    if not ok(condition, name, detail):
        raise Stop(name)
    return condition


def skip(name, why):
    _line(True, name, f" # SKIP {why}")


def tail(text, lines=40):
    return "\n".join(str(text).splitlines()[-lines:])


def _run(test):
    try:
        test()
    except Skip as why:
        skip(test.__name__, why)
    except Stop:
        pass
    except Exception:  # a broken test is a failed test, and the others still run
        _line(False, f"{test.__name__} ended early")
        diag(traceback.format_exc())


def _ended(signum, _frame):
    raise SystemExit(128 + signum)


def main(*tests):
    """Runs the test functions, or those of them that the command line names, and ends the program."""
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _ended)  # so that finally-clauses clean up
    named = [t for t in tests if t.__name__ in sys.argv[1:]]
    if sys.argv[1:] and not named:
        sys.exit("no such test; there are: " + " ".join(t.__name__ for t in tests))
    for test in named or tests:
        diag(test.__name__)
        _run(test)
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)


def need_root():
    """Ends the program with one skipped test if it can't make namespaces."""
    if os.geteuid() != 0:
        skip("everything here", "needs root")
        print("1..1")
        sys.exit(0)
