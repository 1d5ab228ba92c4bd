"""The roots that a server's certificate is judged by: the own CA's, or those that this controller trusts."""

import ssl
from pathlib import Path

from runbook_lib.chapters import own_ca
from runbook_lib.chapters.opening import Opened
from runbook_lib.errors import VerificationFailed


def users_roots(opened: Opened, leaf_pem: bytes) -> bytes | None:
    """What the users of this server trust: the own CA where it issued the certificate; None: the system's roots."""
    return own_ca.roots_for(opened.inventory.site, leaf_pem, opened.host.name)


def system_roots() -> bytes:
    """The roots that this controller trusts, as one PEM.

    Raises:
        VerificationFailed: there is no such file.
    """
    file = ssl.get_default_verify_paths().cafile
    if file is None:
        raise VerificationFailed(
            "this machine has no file of public roots",
            "controller",
            "install ca-certificates here, then run this again",
        )
    return Path(file).read_bytes()
