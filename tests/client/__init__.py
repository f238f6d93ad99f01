# SPDX-License-Identifier: GPL-2.0-or-later
"""A client for tests: IKEv1 with a pre-shared key, in every dialect of NAT-T that natshim knows of."""
