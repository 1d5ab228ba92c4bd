"""A DNS server that fails once is asked again, each question once; what it never says is no verdict."""

import probes_dns
import pytest
from probes_certificates import make

from runbook_lib.chapters import preparation
from runbook_lib.mail.certificates import pins
from runbook_lib.mail.probes import Survey, Target, Verdict, name_resolves
from runbook_lib.mail.probes.names import exchangers
from runbook_lib.mail.registration import Registration

OWN = "192.0.2.25"
NAMES = {"mail.example.test": (OWN,), "mx.example.test": (OWN,)}
RECORDS = {
    ("example.test", "MX"): ("10 mx.example.test.",),
    ("25.2.0.192.in-addr.arpa", "PTR"): ("mail.example.test.",),
}


def told(registration: Registration) -> list[tuple[str, str]]:
    rows = [
        *registration.names_lead_here(),
        *registration.addresses_lead_back(),
        *registration.domain_has_mx(),
    ]
    return [(str(row.verdict), row.seen) for row in rows]


def questions(resolver: str) -> Registration:
    return Registration(("mail.example.test",), "example.test", (OWN,), resolver)


@pytest.mark.parametrize("failures", [1, 2])
def test_what_is_answered_in_the_end_is_the_answer(failures: int) -> None:
    with probes_dns.answering(NAMES, records=RECORDS, failures=failures) as resolver:
        assert told(questions(resolver)) == [
            ("pass", "mail.example.test, A: an address of this server"),
            ("pass", "mail.example.test, and back"),
            ("pass", "example.test, MX: mx.example.test, this server"),
        ]
        assert questions(resolver).mx_leads_here() is True
    with probes_dns.answering(NAMES, failures=failures) as resolver:
        target = Target("mail.example.test", "example.test", resolver=resolver)
        rows = name_resolves(Survey(target))
    assert [(row.verdict, row.seen) for row in rows] == [
        (Verdict.PASS, "A record found"),
        (Verdict.PASS, "no AAAA record"),
    ]


def test_what_is_never_answered_is_no_verdict() -> None:
    """Neither about the names, nor about an address, nor about the MX, and never with the words of a success."""
    with probes_dns.answering(NAMES, records=RECORDS, failures=99) as resolver:
        seen = told(questions(resolver))
        assert questions(resolver).mx_leads_here() is None
    assert {verdict for verdict, _ in seen} == {"could not test"}
    assert all("the DNS server cannot say (asked 3 times)" in words for _, words in seen), seen


def test_a_null_mx_is_said_as_such() -> None:
    records = {("example.test", "MX"): ("0 .",)}
    with probes_dns.answering(NAMES, records=records) as resolver:
        asked = questions(resolver)
        (row,) = asked.domain_has_mx()
        assert exchangers("example.test", resolver) == (None, None)
        chain = (make("mail", None, ("mail.example.test",)).certificate,)
        assert pins.ask(chain, (), "example.test", resolver, sts=False).unanswered == ()
        assert (asked.mx_leads_here(), asked.takes_no_mail) == (False, True)
    assert row.warns or "warning: null MX" in row.seen
    verdict, words = preparation.one_place("example.test", True, False, False, takes_no_mail=True)
    assert (verdict, words.startswith("warning: ")) == (Verdict.PASS, True)
    assert "takes no mail (null MX)" in words
    assert (
        "takes no mail" in preparation.one_place("example.test", False, False, False, takes_no_mail=True)[1]
    )
