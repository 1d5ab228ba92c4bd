"""A host's further certificates, in the tables and the record of a chapter; nothing of a host with one."""

from runbook_lib.inventory import Host
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.messages import message


def named(label: str, host: Host) -> str:
    """The label of a row that is about one certificate, with its purpose where that is a further one.

    Args:
        host: seen with that certificate.
    """
    return label if host.purpose == MAIL else message("{what} ({purpose})", what=label, purpose=host.purpose)


def told(host: Host) -> dict[str, str]:
    """Facts for the record: the names of each further certificate, by its purpose."""
    return {f"names_{one.purpose}": ", ".join(one.names.all) for one in host.by_certificate[1:]}
