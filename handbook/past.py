"""What is particular to the chapter about a server with a past: its decisions, later edits, and conflicts."""

import re

from handbook.desk import NotAsTold
from runbook_lib.display import Parts, Shown, Table

# About which place, which answer, and why: as the administrator of this server would say it.
DECISIONS = (
    ("main.cf, smtpd_use_tls", "replace", "of 2013; smtpd_tls_security_level says it since Postfix 2.3"),
    ("main.cf, smtpd_tls_cert_file", "replace", "it ends in days, and nobody outside relies on it"),
    ("main.cf, smtpd_tls_key_file", "replace", "it goes with its certificate"),
    ("main.cf, smtpd_tls_protocols", "keep", "port 25: old senders would fall back to clear text"),
    ("main.cf, smtpd_tls_mandatory_protocols", "replace", "users' programs all speak TLS 1.2"),
    ("main.cf, smtpd_tls_exclude_ciphers", "keep", "it concerns port 25"),
    ("main.cf, mynetworks", "keep", "the office's printers send through it, until they can log in"),
    ("master.cf, smtps/inet", "replace", "465 is for users who log in, from anywhere"),
    ("master.cf, submission/inet", "replace", "the same for 587"),
)

# What is typed at a root shell of the server.
NOTED = "\n".join(
    (
        "postconf -n | sort >/root/settings",
        "postconf -M >/root/services",
        "wc -l /root/settings /root/services",
    )
)
EDITED = "\n".join(
    (
        "postconf -P submission/inet/smtpd_tls_security_level=may submission/inet/smtpd_tls_auth_only=no",
        "postconf -e 'smtpd_tls_mandatory_protocols = >=TLSv1.3'",
        "postfix reload",
    )
)
SERVICE_AS_WE_LEFT_IT = "\n".join(
    (
        "postconf -P submission/inet/smtpd_tls_security_level=encrypt submission/inet/smtpd_tls_auth_only=yes",
        "postfix reload",
    )
)
SETTING_AS_IT_WAS = "\n".join(
    (
        "postconf -e 'smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3'",
        "postfix reload",
    )
)
COMPARED = "\n".join(
    (
        "postconf -n | sort | diff /root/settings - && echo the same settings",
        "postconf -M | diff /root/services - && echo the same services",
    )
)

_CONFLICT = re.compile(
    r"CONFLICT \S+: (\S+) was changed since \(before: (.*?); we left: (.*?); now: (.*)\)$", re.MULTILINE
)


def three_ways(rollback: Shown) -> Shown:
    """Each conflict that a rollback told, entry by entry: what was there before, what we wrote, what stands there now.

    Raises: NotAsTold where it told none.
    """
    tables: list[Shown] = []
    for name, *states in dict.fromkeys(_CONFLICT.findall(rollback.text())):
        found = [_entries(name, state) for state in states]
        names = dict.fromkeys(entry for one in found for entry in one)
        rows = [(entry, *(one.get(entry, "-") for one in found)) for entry in names]
        tables.append(Table((name, "before the run", "what the run wrote", "what stands there now"), rows))
    if not tables:
        raise NotAsTold("the rollback told no conflict", "the handbook", "mend it")
    return Parts(tables)


def _entries(name: str, line: str) -> dict[str, str]:
    """A line of master.cf, or a setting of main.cf, as names and values."""
    if "/" not in name:
        return {name: line.partition(" = ")[2] or "-"}
    service, *options = line.split(" -o ")
    pairs = (option.strip("{} ").partition("=") for option in options)
    return {"the service": service} | {option.strip(): value.strip() for option, _, value in pairs}
