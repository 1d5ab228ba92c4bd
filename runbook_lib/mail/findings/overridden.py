"""Settings that are there and do not count: set twice, or another one takes their place."""

from collections.abc import Iterator

from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look
from runbook_lib.messages import message

# What takes the place of others when it is set (postconf(5)).
INSTEAD = {
    "smtpd_tls_chain_files": (
        "smtpd_tls_cert_file",
        "smtpd_tls_key_file",
        "smtpd_tls_eccert_file",
        "smtpd_tls_eckey_file",
        "smtpd_tls_dcert_file",
        "smtpd_tls_dkey_file",
    ),
    "smtp_tls_chain_files": ("smtp_tls_cert_file", "smtp_tls_key_file"),
    "smtpd_tls_security_level": ("smtpd_use_tls", "smtpd_enforce_tls"),
    "smtp_tls_security_level": ("smtp_use_tls", "smtp_enforce_tls"),
    "virtual_alias_maps": ("virtual_maps",),
}


def find(look: Look) -> Iterator[Finding]:
    """Earlier entries of a name that stands in main.cf twice, and entries that another one makes idle."""
    last = {entry.name: entry for entry in look.state.main if entry.name}
    for entry in look.state.main:
        winner = last.get(entry.name)
        if winner is None or winner is entry:
            continue
        same = message("the same") if winner.value == entry.value else winner.value or message("nothing")
        yield Finding(
            Place.main(entry.name, entry.number),
            entry.text,
            message(
                "it is set again in line {line} ({value}), and the last one counts",
                line=winner.number,
                value=same,
            ),
            message("take out the line that does not count"),
        )
    for winning, idle in INSTEAD.items():
        if not (winning in last and last[winning].value):
            continue
        for name in idle:
            if name in last:
                yield Finding(
                    Place.main(name, last[name].number),
                    last[name].text,
                    message(
                        "it has no effect beside {name} in line {line}",
                        name=winning,
                        line=last[winning].number,
                    ),
                )
