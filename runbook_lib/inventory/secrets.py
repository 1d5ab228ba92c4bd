"""Which secrets the work on a host needs: where the inventory says that each is, and how long it may be."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook_lib.credentials import LOGIN_PASSWORD_MAX_BYTES, Secret, resolve
from runbook_lib.errors import SecretUnavailable, SecretUnusable
from runbook_lib.inventory.models import Host, Site
from runbook_lib.inventory.purposes import field_of
from runbook_lib.messages import joined, message


@dataclass(frozen=True)
class WantedSecret:
    """A secret by its reference.

    Args:
        field: where the inventory has it, for messages.
        reference: where the secret is.
        max_bytes: the most bytes that whoever checks it takes; None: any number.
    """

    field: str
    reference: str
    max_bytes: int | None = None

    def resolve(self) -> Secret:
        """Fetch it.

        Raises:
            SecretUnavailable: as `credentials.resolve`.
        """
        return resolve(self.reference, self.field, max_bytes=self.max_bytes)


def secrets_of(site: Site, host: Host) -> Iterator[WantedSecret]:
    """The secrets that the work on a host may need."""
    of_host = f"hosts.{host.name}"
    for one in host.by_certificate:
        field = f"{of_host}.{field_of(one.purpose)}.key_passphrase"
        yield WantedSecret(field, one.certificate.key_passphrase)
    yield WantedSecret("site.ca.passphrase", site.ca.passphrase)
    if host.check_account is not None:
        account = f"{of_host}.check_account.password"
        yield WantedSecret(account, host.check_account.password, LOGIN_PASSWORD_MAX_BYTES)
    if host.sudo.password is not None:
        yield WantedSecret(f"{of_host}.sudo.password", host.sudo.password)


def refuse_unusable(site: Site, hosts: Iterable[Host]) -> None:
    """Refuse, before anything happens, secrets that nobody could work with as they are: too short, too long, and so on.

    One that cannot be had here is left to the chapter that needs it: not every run does. So is one of a keyring or a
    command, which may ask a person, who is not asked twice.

    Raises:
        SecretUnusable: names each of them.
    """
    wanted: dict[tuple[str, int | None], WantedSecret] = {}
    for host in hosts:
        for one in secrets_of(site, host):
            wanted.setdefault((one.reference, one.max_bytes), one)
    wrong = []
    for one in wanted.values():
        if not one.reference.startswith(("env:", "file:")):
            continue
        try:
            one.resolve()
        except SecretUnusable as error:
            wrong.append(error)
        except SecretUnavailable:
            continue
    if len(wrong) == 1:
        raise wrong[0]
    if wrong:
        told = joined(
            "\n    ",
            (
                message(
                    "{where}: {problem}; {remedy}",
                    where=error.where,
                    problem=error.problem,
                    remedy=error.remedy,
                )
                for error in wrong
            ),
        )
        raise SecretUnusable(
            message("{count} cannot be used as they are\n    {told}", count=len(wrong), told=told),
            message("secrets"),
            message("do so for each of them"),
        )
