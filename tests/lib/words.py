# SPDX-License-Identifier: GPL-2.0-or-later
"""What libreswan says, as regular expressions: each line of its log that a test waits for or must not see, in the words of the version
that is installed (4 and 5 differ). A test takes them from here, so that no claim becomes empty where a server says it otherwise;
tests/net/test_words sees to it that what one test must not see another one has seen.
"""
from .pluto import version


def _by_version(four, five):
    return five if version() >= 5 else four


# Phase 1. NAT-T's result has its two parts in one line in 4.10; 5.2 names one side only where both are behind a NAT.
ISAKMP_UP = _by_version(r"IKE SA established", r"ISAKMP SA established")
ISAKMP_EXPIRED = _by_version(r"ISAKMP SA expired|deleting state \(STATE_MAIN_R3\)", r"IKE SA expired|deleting ISAKMP SA \(MAIN_R3\)")
ISAKMP_DELETED = _by_version(r"deleting state \(STATE_MAIN_R3\)", r"deleting ISAKMP SA \(MAIN_R3\)")
IKEV1_IS_DROPPED = r"silently drop all IKEv1"
NO_KEY = r"no preshared key found"
NO_TRANSFORM = r"no acceptable Oakley Transform"
NO_ANSWER_TO_MM4 = r"STATE_MAIN_R2: retransmission"
NO_NATD = r"Only 0 NAT-D - Aborting NAT-Traversal"
BOTH_NATED = _by_version({"I am behind NAT", "peer behind NAT"}, {"I am behind NAT"})

# Phase 2.
IPSEC_UP = r"IPsec SA established"
WANTS_PFS = r"we require PFS"
NO_PROPOSAL = r"no acceptable Proposal in IPsec SA"
NO_CONNECTION = r"no connection is known"

# The end.
GOT_DELETE = r"received Delete SA"
GOT_DELETE_OF_ESP = _by_version(r"received Delete SA\(0x[0-9a-f]+\) payload: deleting IPsec State", r"received Delete SA payload via #\d+")
STATE_DELETED = _by_version(r"deleting state \(\w+\)", r"deleting (?:ISAKMP|IPsec) SA \(\w+\)")
