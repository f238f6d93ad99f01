# SPDX-License-Identifier: GPL-2.0-or-later
"""3DES, which python-cryptography keeps apart since version 43 (and warns of where it was before)."""
try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES

__all__ = ["TripleDES"]
