"""The roots that certificates are judged by: this machine's public ones, or those of a file.

A variable of the environment that names no such file is this machine's fault, and never the server's: without roots
every good certificate is 'not trusted'.
"""

import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.errors import UsageError, VerificationFailed
from runbook_lib.messages import message

_NAME = "SSL_CERT_FILE"  # openssl-env(7)
# Where distributions keep them: Debian, Enterprise Linux, SUSE, Alpine. Not every build of Python knows its own's.
_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_BEGIN = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----")


def file() -> Path:
    """The file with the roots that this machine trusts.

    Raises:
        UsageError: $SSL_CERT_FILE names what holds no certificates, or cannot be read.
        VerificationFailed: this machine has no such file.
    """
    named = os.environ.get(_NAME)
    if named:
        if fault := _fault(Path(named)):
            raise UsageError(
                message(
                    "names {named}, which {fault}, so there are no roots to judge any certificate by",
                    named=named,
                    fault=fault,
                ),
                message("the environment of this machine, {name}", name=_NAME),
                message("unset {name}, or let it name the file of roots to be trusted", name=_NAME),
            )
        return Path(named)
    for path in (ssl.get_default_verify_paths().openssl_cafile, *_FILES):
        if not _fault(Path(path)):
            return Path(path)
    raise VerificationFailed(
        message("this machine has no file of public roots"),
        "controller",
        message(
            "install ca-certificates here, or let {name} name a file of roots; then run this again",
            name=_NAME,
        ),
    )


def _fault(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        return message("cannot be read ({reason})", reason=error.strerror)
    return "" if any(begin in content for begin in _BEGIN) else message("has no certificate in it")


def pem() -> bytes:
    """The roots, as one PEM; raises as `file`."""
    return file().read_bytes()


def context() -> ssl.SSLContext:
    """A context that trusts them and checks names. `SSLKEYLOGFILE` is not heeded: no session's keys are written.

    Python's `create_default_context` would open the file that the variable names, for a login's session, too.

    Raises: as `file`.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What OpenSSL takes by default, its directory of roots too, but a file that cannot be taken is told. Read once:
    # its 140 certificates cost as much as a handshake.
    paths = ssl.get_default_verify_paths()
    folder = os.environ.get(paths.openssl_capath_env) or paths.openssl_capath
    made.load_verify_locations(file(), folder)
    return made


def in_file(file: Path, remedy: str) -> bytes:
    """The root certificates of a file, PEM.

    Args:
        file: on this machine.
        remedy: what to do where it has none.
    Raises:
        UsageError: it cannot be read, or has no certificate.
    """
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        raise UsageError(
            message("cannot be read: {reason}", reason=error.strerror), str(file), remedy
        ) from None
    except ValueError:
        raise UsageError(message("has no certificate (PEM)"), str(file), remedy) from None
    return b"".join(one.public_bytes(Encoding.PEM) for one in found)
