"""The inventory: models of site and host, loaded from YAML with a place for every complaint."""

from runbook_lib.inventory.decisions import Decision
from runbook_lib.inventory.load import Inventory, default, find, hold, is_default, load, parse
from runbook_lib.inventory.managers import ManagerName
from runbook_lib.inventory.models import (
    Ca,
    CertificateValues,
    CheckAccount,
    Host,
    Names,
    Sasl,
    Site,
    Submission,
    Sudo,
)
from runbook_lib.inventory.names import address, dns_name, full_dns_name, ip_address, shown
from runbook_lib.inventory.secrets import refuse_unusable, secrets_of
from runbook_lib.inventory.whole import Neighbour

__all__ = [
    "Ca",
    "CertificateValues",
    "CheckAccount",
    "Decision",
    "Host",
    "Inventory",
    "ManagerName",
    "Names",
    "Neighbour",
    "Sasl",
    "Site",
    "Submission",
    "Sudo",
    "address",
    "default",
    "dns_name",
    "find",
    "full_dns_name",
    "hold",
    "ip_address",
    "is_default",
    "load",
    "parse",
    "refuse_unusable",
    "secrets_of",
    "shown",
]
