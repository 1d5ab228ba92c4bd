"""A host that an administrator shaped before chapter 2 came: a certificate is there, the rest is his."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from applied_host import run_cells

from lab import Lab, Prepared
from runbook_lib.records.origin import run_id

HOST = "debian12"
BLIND = ssl.create_default_context()
BLIND.check_hostname, BLIND.verify_mode = False, ssl.CERT_NONE


def with_packages(name: str, packages: str, script: str = ":") -> Prepared:
    """The signed host with more of Debian's packages, and what a script makes of them."""
    install = f"DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {packages}"
    return Prepared(name, "signed", script=f"apt-get update -qq\n{install} > /dev/null 2>&1\n{script}")


# Postfix just installed, a certificate, and SASL's packages, so that chapter 2 is quick.
WITH_SASL = with_packages("with-sasl", "sasl2-bin libsasl2-modules")


def applied(
    mode: str = "", chapter: str = "20-postfix-debian", inventory: str = "lab"
) -> tuple[str, list[str]]:
    """Run a chapter, chapter 2 as a rule, as a run of its own; its id, and what each cell shows as text."""
    run = run_id(datetime.now(UTC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RUN", run)
        shown = run_cells(chapter, host=HOST, mode=mode, inventory=inventory)
    return run, [one.text() for one in shown if one is not None]


@contextmanager
def session(lab: Lab, port: int, source: str = "", user: str = "hanako") -> Iterator[smtplib.SMTP]:
    """A session of a user who logged in on 465 or 587, or of a stranger on 25.

    Args:
        source: own address; '' is what the system picks.
    """
    address, own = lab.host(HOST).address, (source, 0) if source else None
    opened = (
        smtplib.SMTP_SSL(address, port, timeout=30, source_address=own, context=BLIND)
        if port == 465
        else smtplib.SMTP(address, port, timeout=30, source_address=own)
    )
    with opened as smtp:
        if port == 587:
            smtp.starttls(context=BLIND)
        if port != 25:
            smtp.ehlo("localhost")  # as phones say
            smtp.login(user, lab.secret(user))
        yield smtp


def replies(smtp: smtplib.SMTP, sender: str, recipients: Sequence[str]) -> list[int]:
    """The codes that MAIL and each RCPT get; nothing is sent."""
    codes = [smtp.mail(sender)[0]]
    codes += [smtp.rcpt(recipient)[0] for recipient in recipients]
    smtp.rset()
    return codes
