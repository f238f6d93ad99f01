# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates for tests: a root, and server certificates that are right or wrong in one way each."""
import datetime
import ipaddress
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IKE_INTERMEDIATE = x509.ObjectIdentifier("1.3.6.1.5.5.8.2.2")
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(*certificates):
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates).decode()


class Root:
    """A self-signed root; server() issues. Keys are made once: they cost time."""

    def __init__(self, name="test root"):
        self.key = rsa.generate_private_key(65537, 2048)
        self.server_key = rsa.generate_private_key(65537, 2048)
        self.name = _name(name)
        self.certificate = self._sign(self.name, self.key, [(x509.BasicConstraints(True, None), True)], -1, 3650, hashes.SHA256())

    @classmethod
    def load(cls, certificate, key):
        """One that was issued elsewhere, from two PEM files."""
        self = cls.__new__(cls)
        with open(certificate, "rb") as file:
            self.certificate = x509.load_pem_x509_certificate(file.read())
        with open(key, "rb") as file:
            self.key = serialization.load_pem_private_key(file.read(), None)
        self.name = self.certificate.subject
        return self

    def client(self, name):
        """(certificate, key)"""
        key = rsa.generate_private_key(65537, 2048)
        return self._sign(_name(name), key, [(x509.BasicConstraints(False, None), True)], -1, 365, hashes.SHA256()), key

    def _sign(self, subject, key, extensions, begins, days, digest):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number(),
                                          now + datetime.timedelta(days=begins), now + datetime.timedelta(days=days))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, digest)

    def server(self, names=("vpn.example.org",), usage=(IKE_INTERMEDIATE, SERVER_AUTH), begins=-1, days=365,
               digest=None, key=None):
        """names: DNS names and addresses of the subjectAltName; usage: extended key usage, () for none."""
        extensions = [(x509.BasicConstraints(False, None), True)]
        if names:
            extensions.append((x509.SubjectAlternativeName([_general(name) for name in names]), False))
        if usage:
            extensions.append((x509.ExtendedKeyUsage(list(usage)), False))
        return self._sign(_name("vpn server"), key or self.server_key, extensions, begins, days, digest or hashes.SHA256())

    def bundle(self, certificate, nickname):
        """PKCS 12 with its key and the root, password "x", as docs/recipes/certificates.md makes it for `pk12util': NSS 3.110 takes none that
        python-cryptography makes."""
        key = self.server_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        with tempfile.TemporaryDirectory() as place:
            for name, content in (("root.pem", pem(self.certificate)), ("server.pem", pem(certificate) + key.decode())):
                with open(f"{place}/{name}", "w", encoding="ascii") as file:
                    file.write(content)
            return subprocess.run(["openssl", "pkcs12", "-export", "-in", f"{place}/server.pem", "-certfile", f"{place}/root.pem",
                                   "-name", nickname, "-passout", "pass:x"], stdout=subprocess.PIPE, check=True).stdout


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def elliptic_key():
    return ec.generate_private_key(ec.SECP256R1())


def short_key():
    return rsa.generate_private_key(65537, 1024)
