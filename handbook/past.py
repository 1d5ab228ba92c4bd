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

_CONFLICT = re.compile(
    r"CONFLICT \S+: (\S+) was changed since \(before: (.*?); we left: (.*?); now: (.*)\)$", re.MULTILINE
)


def three_ways(rollback: Shown) -> Shown:
    """Each conflict that a rollback told, as a table: what was there before, what we wrote, what stands there now.

    Raises: NotAsTold where it told none.
    """
    tables: list[Shown] = [
        Table(
            ("", name),
            [
                ("before the run", _spread(before)),
                ("what the run wrote", _spread(ours)),
                ("what stands there now", _spread(now)),
            ],
        )
        for name, before, ours, now in dict.fromkeys(_CONFLICT.findall(rollback.text()))
    ]
    if not tables:
        raise NotAsTold("the rollback told no conflict", "the handbook", "mend it")
    return Parts(tables)


def _spread(line: str) -> str:
    """A line of master.cf with an option a line."""
    return line.replace(" -o ", "\n-o ")
