"""A place that a person looks at and may decide about: written, and read back, here alone."""

import re
from dataclasses import dataclass, replace
from typing import Self

from runbook_lib.messages import message

MAIN_CF, MASTER_CF, DNS = "main.cf", "master.cf", "DNS"
_DECIDABLE = re.compile(
    r"(?P<file>main\.cf), (?P<parameter>[A-Za-z0-9_]+)"
    r"|(?P<services>master\.cf), (?P<service>\S+/(inet|unix|fifo|pass|unix-dgram)|port (465|587))"
    r"|(?P<dns>DNS), (?P<host>[a-z0-9.-]+)"
)


@dataclass(frozen=True)
class Place:
    """Where something is.

    Args:
        file: what has it: 'main.cf', 'master.cf', a path, or what is no file, as 'DNS'.
        name: what it is called there: a parameter, 'submission/inet', 'port 587', a host name; "": all of it.
        line: of the file, from 1; 0: none is meant, or none has it.
    """

    file: str
    name: str = ""
    line: int = 0

    @classmethod
    def main(cls, name: str, line: int = 0) -> Self:
        """An entry of main.cf."""
        return cls(MAIN_CF, name, line)

    @classmethod
    def master(cls, service: str, line: int = 0) -> Self:
        """A service of master.cf, 'NAME/TYPE' or 'port NUMBER'."""
        return cls(MASTER_CF, service, line)

    @classmethod
    def dns(cls, name: str) -> Self:
        """A name in the DNS."""
        return cls(DNS, name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The place that a decision is about.

        Raises:
            ValueError: a decision cannot be about it.
        """
        found = _DECIDABLE.fullmatch(text)
        if found is None:
            raise ValueError(
                message(
                    "is no place that a decision can be about; expected it as `runbook plan` prints it, such "
                    "as 'main.cf, smtpd_use_tls', 'master.cf, submission/inet', 'master.cf, port 587' or "
                    "'DNS, mail.example.jp'"
                )
            )
        return cls(
            found["file"] or found["services"] or found["dns"],
            found["parameter"] or found["service"] or found["host"],
        )

    @property
    def thing(self) -> Self:
        """The same, wherever in the file it stands: what a decision is about."""
        return replace(self, line=0)

    def __str__(self) -> str:
        """As it is printed, and written into an inventory: 'main.cf, NAME'. The line is said where it has no name."""
        if self.name:
            return f"{self.file}, {self.name}"
        return f"{self.file}, line {self.line}" if self.line else self.file
