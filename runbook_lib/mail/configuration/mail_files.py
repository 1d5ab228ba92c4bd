"""Where the document's files are on a host: key, certificate, and the one file that Postfix reads."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.families import Family
from runbook_lib.remote.change import quote


@dataclass(frozen=True)
class MailFiles:
    """Where the document's files of one certificate are on a host.

    Args:
        key: the passphrase-free key.
        certificate: what the CA returned.
        joined: what Postfix reads: key, certificate, intermediates.
    """

    key: PurePosixPath
    certificate: PurePosixPath
    joined: PurePosixPath

    @property
    def all(self) -> tuple[PurePosixPath, ...]:
        """Each of them."""
        return (self.key, self.certificate, self.joined)

    @classmethod
    def of(cls, family: Family, host: inventory.Host) -> "MailFiles":
        """From the family's directories and the document's names."""
        names = host.certificate
        return cls(
            family.key_directory / names.nopass_key_file,
            family.certificate_directory / names.certificate_file,
            family.key_directory / names.joined_file,
        )

    @property
    def facts(self) -> dict[str, str]:
        """Facts that tell whether the joined file is what it is made from."""
        return {
            "joined_wanted": f"cat {quote(self.key)} {quote(self.certificate)} | sha256sum "
            "| { read -r s _ && echo $s; }",
            "certificate_serial": f"openssl x509 -in {quote(self.certificate)} -noout -serial "
            "| { IFS== read -r _ s && echo $s; }",
        }
