"""What a server calls itself, beside what its certificate has: greeting, EHLO and names side by side."""

import re
from collections.abc import Sequence

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.sight import Sight
from runbook_lib.mail.probes.smtp import Reply
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import SUBMISSION_PORTS
from runbook_lib.messages import Message, joined, message
from runbook_lib.x509 import dns_id

SAYS_WHO_IT_IS = message("Each port says a full name of its own, in its greeting and to EHLO")

_NAMES_SHOWN = 6
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_FULL_NAME = re.compile(rf"({_LABEL}\.)+{_LABEL}|\[[0-9a-f:.]+\]|\[ipv6:[0-9a-f:.]+\]", re.IGNORECASE)


def says_who_it_is(survey: Survey) -> list[Row]:
    """Greeting and reply to EHLO begin with the server's full name; the certificate's names stand beside.

    The three need not be the same: a client compares the certificate with the name that its user typed, and
    never with what the server says (RFC 9525, 6). Where the first word is no full name, that is a warning.

    Source: RFC 5321, 4.3.1 (the official name is the first word), 4.1.1.1 and 2.3.5 (domain names are full ones).
    """

    def judge(sight: Sight) -> Judged:
        hello = sight.secure_hello or sight.clear_hello
        if sight.greeting is None or hello is None:
            return blocked(sight.obstacle)
        greeting, answer = _first_word(sight.greeting), _first_word(hello)
        names = dns_id.of(sight.tls.leaf) if sight.tls else ()
        told = message(
            "greeting: {greeting}; EHLO: {answer}; {certificate}",
            greeting=greeting,
            answer=answer,
            certificate=_told_of(names) if sight.tls else message("no certificate was shown"),
        )
        short = next((word for word in (greeting, answer) if not _FULL_NAME.fullmatch(word)), None)
        if short is not None:
            short_name = message(
                "'{word}' is no full name, which RFC 5321 (4.3.1, 2.3.5) asks for", word=short
            )
            return Verdict.PASS, warning(joined("; ", [told, short_name]))
        if (
            names
            and sight.endpoint.port in SUBMISSION_PORTS
            and not {greeting.lower(), answer.lower()} & set(names)
        ):
            differ = message(
                "they differ, and need not be the same: programs compare the name that users type (RFC 9525, 6)"
            )
            return Verdict.PASS, joined("; ", [told, differ])
        return Verdict.PASS, told

    return survey.judge_each(
        SAYS_WHO_IT_IS, survey.target.ports, judge, lambda at: byhand.hello(at, survey.target, survey.own(at))
    )


def _first_word(reply: Reply) -> str:
    words = reply.lines[0].split()
    return words[0][:100] if words else message("nothing")


def _told_of(names: Sequence[str]) -> Message:
    """Which names a certificate has."""
    if not names:
        return message("the certificate has no name")
    shown = ", ".join(names[:_NAMES_SHOWN])
    if len(names) > _NAMES_SHOWN:
        more = len(names) - _NAMES_SHOWN
        return message("the certificate has {names} and {number} more", names=shown, number=more)
    return message("the certificate has {names}", names=shown)
