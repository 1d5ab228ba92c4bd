"""What persons decide in tests: an inventory of the lab with decisions, and those for a lived-in host."""

from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from shaped_host import HOST

from lab import Lab

LIVED_IN = {
    "main.cf, smtpd_use_tls": "replace",
    "main.cf, smtpd_tls_cert_file": "replace",
    "main.cf, smtpd_tls_key_file": "replace",
    "main.cf, smtpd_tls_session_cache_database": "replace",
    "main.cf, smtpd_tls_protocols": "keep",
    "main.cf, smtpd_tls_mandatory_protocols": "replace",
    "main.cf, smtpd_tls_exclude_ciphers": "keep",
    "main.cf, mynetworks": "keep",  # the office's machines send through it; "replace" is test_decisions_of_a_person's
    "master.cf, smtps/inet": "replace",
    "master.cf, submission/inet": "replace",
}


def decided(lab: Lab, folder: Path, places: Mapping[str, str], host: str = HOST) -> str:
    """An inventory of the lab with decisions for a host."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][host]["decisions"] = [
        {"about": about, "decide": decide, "reason": f"tested: {about}"} for about, decide in places.items()
    ]
    path = folder / "decided.yaml"
    yaml.dump(book, path)
    return str(path)


def for_lived_in(state: str) -> dict[str, str]:
    """The decisions for a host in this lived-in state."""
    return LIVED_IN | ({"master.cf, smtp/inet": "keep"} if "postscreen" in state else {})
