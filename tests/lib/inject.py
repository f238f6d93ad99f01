# SPDX-License-Identifier: GPL-2.0-or-later
"""The hand on build/tests/inject.so: faults in a natshim that runs. The layout is that of tests/lib/inject.c."""
import errno
import mmap
import os
import struct

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = f"{ROOT}/build/tests/inject.so"
ALLOCATION, SEND, RECEIVE, ANSWER = range(4)
REALTIME, MONOTONIC, BOOTTIME = 0, 1, 7
_ARM, _CLOCKS, _SITES = struct.Struct("=IIiII"), 12, 4096
_CLOCKS_AT = 4 * _ARM.size
_SEEN_AT = _CLOCKS_AT + _CLOCKS * 8
_SIZE = _SEEN_AT + 4 * _SITES * 8


class Inject:
    """Inject(path): a page of shared memory; environment for the process, then arm() and jump()."""

    def __init__(self, path):
        with open(path, "wb") as out:
            out.truncate(_SIZE)
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), _SIZE)
        self.environment = {"LD_PRELOAD": LIBRARY, "INJECT_FILE": path}

    def arm(self, kind, sites=False, every=0, error=errno.ENOBUFS):
        at = _SEEN_AT + kind * _SITES * 8
        self.page[at:at + _SITES * 8] = bytes(_SITES * 8)
        _ARM.pack_into(self.page, kind * _ARM.size, sites, every, error, 0, 0)

    def disarm(self, kind):
        """How often it failed."""
        failed = self.failed(kind)
        _ARM.pack_into(self.page, kind * _ARM.size, 0, 0, 0, 0, 0)
        return failed

    def failed(self, kind):
        return _ARM.unpack_from(self.page, kind * _ARM.size)[4]

    def jump(self, clock, seconds):
        """From now on the clock is so far off; 0: right again."""
        struct.pack_into("=q", self.page, _CLOCKS_AT + 8 * clock, int(seconds * 1000))
