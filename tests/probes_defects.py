"""A way to break a mail server, and what must find it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from probes_postfix import MailHost

from runbook_lib.mail import probes
from runbook_lib.mail.probes import Row, Survey


@dataclass(frozen=True)
class Defect:
    """How to break the server, and which claims must fail at which ports, with these words among the rows'."""

    name: str
    break_it: Callable[[MailHost], AbstractContextManager[None]]
    found_by: dict[str, tuple[int | None, ...]]
    words: str

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
