# SPDX-License-Identifier: GPL-2.0-or-later
"""Main Mode with RSA signatures and certificates (RFC 2409 section 5.1), as a Mac does it: its ID is its certificate's subject, and
of the server's certificate it asks what docs/recipes/certificates.md says.
"""
import datetime

from cryptography import exceptions, x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding

from . import ike1
from .phase1 import Phase1, Phase1Failed

ID_DN, X509_SIGNATURE = 9, b"\4"
IKE_INTERMEDIATE = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")


class Credential:
    """Own certificate and key, the roots that are trusted, and the server address that the user typed."""

    def __init__(self, certificate, key, roots, server_name):
        self.certificate, self.key, self.roots, self.server_name = certificate, key, roots, server_name


def _padded(tag, size):
    """PKCS 1 of a HASH as IKEv1 signs it: without the digest's name."""
    return int.from_bytes(b"\0\1" + b"\xff" * (size - len(tag) - 3) + b"\0" + tag, "big")


def sign(key, tag):
    numbers = key.private_numbers()
    size = (numbers.public_numbers.n.bit_length() + 7) // 8
    return pow(_padded(tag, size), numbers.d, numbers.public_numbers.n).to_bytes(size, "big")


def is_signed(certificate, tag, signature):
    numbers = certificate.public_key().public_numbers()
    return pow(int.from_bytes(signature, "big"), numbers.e, numbers.n) == _padded(tag, (numbers.n.bit_length() + 7) // 8)


def objection(certificate, roots, server_name):
    """Why a Mac refuses that certificate of a server; None if it does not."""
    def names(kind):
        return [str(one) for one in alternative.get_values_for_type(kind)]

    now = datetime.datetime.utcnow()
    if not certificate.not_valid_before <= now <= certificate.not_valid_after:
        return "not valid today"
    if not any(_issued(root, certificate) for root in roots):
        return "no root that is trusted"
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no subjectAltName"
    if server_name not in names(x509.DNSName) + names(x509.IPAddress):
        return f"no subjectAltName is {server_name}"
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return None if IKE_INTERMEDIATE in usage else "an extended key usage without ikeIntermediate"


def _issued(root, certificate):
    try:
        root.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(),
                                 certificate.signature_hash_algorithm)
    except exceptions.InvalidSignature:
        return False
    return certificate.issuer == root.subject


class CertifiedPhase1(Phase1):
    authentication = 3

    def __init__(self, endpoint, settings, credential):
        settings.psk = None
        super().__init__(endpoint, settings)
        self.credential = credential

    def identity(self):
        return bytes([ID_DN, 0, 0, 0]) + self.credential.certificate.subject.public_bytes()

    def proof(self):
        der = self.credential.certificate.public_bytes(serialization.Encoding.DER)
        signature = sign(self.credential.key, self.hash_i())
        return [(ike1.CERT, X509_SIGNATURE + der), (ike1.SIG, signature), (ike1.CERT_REQUEST, X509_SIGNATURE)]

    def check_peer(self, message):
        peer_id = message.one(ike1.ID)
        certificate = x509.load_der_x509_certificate(message.one(ike1.CERT)[1:])
        why = objection(certificate, self.credential.roots, self.credential.server_name)
        if why is None and not is_signed(certificate, self.hash_r(peer_id), message.one(ike1.SIG)):
            why = "the signature is wrong"
        if why:
            raise Phase1Failed("MM6", f"the server's certificate is refused: {why}", self.events)
        return peer_id
