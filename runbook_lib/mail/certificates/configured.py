"""The certificate that main.cf gives to port 25, and what on the host renews it: read as facts, judged elsewhere."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from cryptography import x509

from runbook_lib.errors import CertificateRefused, CommandFailed
from runbook_lib.messages import message
from runbook_lib.remote.facts import Fact
from runbook_lib.x509 import der
from runbook_lib.x509.certificate import fingerprint, public_key_sha256

# Entries of main.cf that say which certificate smtpd shows (postconf(5)).
LEGACY = (
    "smtpd_tls_cert_file",
    "smtpd_tls_key_file",
    "smtpd_tls_eccert_file",
    "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file",
    "smtpd_tls_dkey_file",
)
ENTRIES = ("smtpd_tls_chain_files", *LEGACY)
_BASE64 = r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_SH = resources.files(__package__).joinpath("configured.sh").read_text()
FACTS = {
    "certificate_entries": f"postconf -n {' '.join(ENTRIES)} || :",
    "certificate_files": _SH,
}


@dataclass(frozen=True)
class CertificateFile:
    """A file that smtpd reads key or certificates from.

    Args:
        path: as main.cf names it.
        real: where its links lead.
        state: mode and owner, '600 root:root'; empty where there is no such file.
        public_key_sha256: of the first private key in it (SPKI, hex); empty where there is none.
        certificates: those in it, in its order.
    """

    path: PurePosixPath
    real: PurePosixPath
    state: str
    public_key_sha256: str
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Renewal:
    """A file that a renewal program keeps a certificate in.

    Args:
        program: 'certbot', 'acme.sh', 'lego', 'certmonger'.
        configuration: the file that says so.
        real: where the certificate is, its links followed.
        sha256: the certificate's fingerprint, upper-case hex.
    """

    program: str
    configuration: PurePosixPath
    real: PurePosixPath
    sha256: str


@dataclass(frozen=True)
class ConfiguredCertificate:
    """What main.cf names.

    Args:
        entries: what main.cf itself sets of `ENTRIES`.
        files: the files, each once, in Postfix's order.
        renewals: everything that renewal programs of this host keep.
    """

    entries: Mapping[str, str]
    files: tuple[CertificateFile, ...]
    renewals: tuple[Renewal, ...]

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The server's certificate first, then every other that is in the files."""
        return tuple(dict.fromkeys((*self.leaves, *self._all)))

    @property
    def leaves(self) -> tuple[x509.Certificate, ...]:
        """The certificates for the keys that are there (RSA and ECDSA may be two); without a key the first one."""
        keys = {file.public_key_sha256 for file in self.files}
        return (
            tuple(dict.fromkeys(one for one in self._all if public_key_sha256(one) in keys)) or self._all[:1]
        )

    @property
    def misplaced(self) -> str:
        """Why Postfix turns TLS off though a certificate for its key is there; "" where it does not.

        Of a file it takes the first certificate for the server's (SSL_CTX_use_certificate_chain_file(3ssl)).
        """
        keys = {file.public_key_sha256 for file in self.files if file.public_key_sha256}
        for file in self.files:
            fits = [public_key_sha256(one) in keys for one in file.certificates]
            if any(fits) and not fits[0]:
                first = file.certificates[0].subject.rfc4514_string()
                return message(
                    "the first certificate in {path} ({subject}) is not the one for the key; Postfix takes the "
                    "first, and turns TLS off: the server's own has to stand before the intermediates",
                    path=file.path,
                    subject=first,
                )
        return ""

    @property
    def _all(self) -> tuple[x509.Certificate, ...]:
        return tuple(one for file in self.files for one in file.certificates)

    @property
    def renewed_by(self) -> tuple[Renewal, ...]:
        """The programs that keep their certificate in one of the files, or that have the same one; each once.

        The latter is a copy that a deploy hook made: the program renews it all the same.
        """
        real = {file.real for file in self.files}
        shown = {fingerprint(leaf).replace(":", "") for leaf in self.leaves}
        found: dict[str, Renewal] = {}
        for renewal in self.renewals:
            if renewal.real in real or renewal.sha256 in shown:
                found.setdefault(renewal.program, renewal)
        return tuple(found.values())


def read(facts: Mapping[str, Fact], where: str) -> ConfiguredCertificate | None:
    """What the facts say; None where main.cf names no certificate, or a file that has none.

    Args:
        facts: with the answers to `FACTS`.
        where: the host, for messages.
    Raises:
        CommandFailed: the host could not be looked at to the end, which is not the same as nothing being there.
        CertificateRefused: a file has a certificate that cannot be read.
    """
    looked = facts["certificate_files"]
    if looked.status != 0:
        raise CommandFailed(
            message(
                "what renews the certificates of this host could not be seen (status {status})",
                status=looked.status,
            ),
            where,
            message("see why openssl or postconf is slow there, then run this again"),
        )
    files, renewals = [], []
    for row in looked.value.splitlines():
        match row.split("\t"):
            case ["file", path, real, state, key, pem] if re.fullmatch(_BASE64, pem):
                certificates = _certificates(base64.b64decode(pem), f"{where}, {path}")
                files.append(
                    CertificateFile(PurePosixPath(path), PurePosixPath(real), state, key, certificates)
                )
            case [_, program, configuration, real, sha256]:
                renewals.append(Renewal(program, PurePosixPath(configuration), PurePosixPath(real), sha256))
            case _:
                raise CommandFailed(
                    message(
                        "what the host says of its certificates is not understood: '{row}'", row=row[:200]
                    ),
                    where,
                    message("see whether a file's name there has a tab or a line end in it"),
                )
    found = ConfiguredCertificate(_entries(facts["certificate_entries"].value), tuple(files), tuple(renewals))
    return found if found.leaves else None


def _entries(shown: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in shown.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _certificates(pem: bytes, where: str) -> tuple[x509.Certificate, ...]:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        return ()
    try:
        return der.certificates(pem)
    except ValueError as error:
        raise CertificateRefused(
            message("a certificate that OpenSSL reads cannot be read here ({error})", error=str(error)),
            where,
            message("have it issued anew, then run this again"),
        ) from error
