"""A way to break a mail server, and what must find it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from probes_postfix import MailHost, failures, seen_by

from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, Survey, Verdict


@dataclass(frozen=True)
class Defect:
    """How to break the server, and which claims must fail at which ports, with these words among the rows'.

    Args:
        shows: for each claim that fails, a pattern for what the line beside each failing row shows, typed meanwhile:
            its output, and its status as the last line.
    """

    name: str
    break_it: Callable[[MailHost], AbstractContextManager[None]]
    found_by: dict[str, tuple[int | None, ...]]
    words: str
    shows: dict[str, str]

    def __str__(self) -> str:
        return self.name


def main_cf(*settings: str) -> Callable[[MailHost], AbstractContextManager[None]]:
    return lambda host: host.main_cf(*settings)


def service(*settings: str) -> Callable[[MailHost], AbstractContextManager[None]]:
    return lambda host: host.service(*settings)


def shell(script: str, mend: str = "postfix reload") -> Callable[[MailHost], AbstractContextManager[None]]:
    return lambda host: host.broken(script, mend)


def everything(survey: Survey) -> list[Row]:
    """The rows of all claims."""
    return [row for claim in probes.CLAIMS for row in claim(survey)]


def find(host: MailHost, defect: Defect, survey: Callable[[], Survey]) -> None:
    """Break the server, ask everything, type the line beside each row that fails, and compare."""
    with defect.break_it(host):
        rows = everything(survey())
        failed = [row for row in rows if row.verdict is Verdict.FAIL]
        typed = host.typed(row.command for row in failed)
    assert failures(rows) == {claim: set(ports) for claim, ports in defect.found_by.items()}
    assert any(defect.words in words for words in seen_by(rows))
    for row in failed:
        pattern = defect.shows[row.claim].replace("SIGNED", host.target.expected_serial or "")
        shown = typed[row.command][1]
        assert re.search(pattern, shown, re.MULTILINE | re.DOTALL), (pattern, row.command, shown)
