"""Chapter 3-1: Windows Live Mail, and what took its place."""

import smtplib
from dataclasses import dataclass

from runbook_lib import display
from runbook_lib.chapters.client import ClientChapter, open_client
from runbook_lib.clients import SECURITY, ClientSettings
from runbook_lib.clients.old_windows import SUITES, offer_suites
from runbook_lib.mail.probes import Row, Survey, Verdict
from runbook_lib.mail.probes.byhand import s_client
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.messages import message

NOTEBOOK = "31-windows-live-mail"
TITLE = "3-1 Windows Live Mail"


@dataclass(repr=False)
class WindowsLiveMail(ClientChapter):
    """Beside what every client's chapter asks: whether the TLS library of its day finds a suite."""

    def ask_old_windows(self) -> display.Shown:
        """Offer each port what Windows 8.1 offers; the inventory says whether it is to be accepted."""
        settings = self.settings
        if settings is None:
            return display.Text(message("Not asked: there is no CA yet, so there is nothing to connect to."))

        def windows_8_1_is_let_in_where_the_inventory_says_so(survey: Survey) -> list[Row]:
            claim = message("the TLS library of Windows 8.1 is let in where the inventory says so")
            rows = []
            for endpoint in survey.endpoints(self.host.submission.ports):
                command = s_client(endpoint, survey.target, "-tls1_2", "-cipher", SUITES)
                rows.append(survey.row(claim, endpoint, _judge(endpoint, settings), command))
            return rows

        return self.ask(windows_8_1_is_let_in_where_the_inventory_says_so)


def _judge(endpoint: Endpoint, settings: ClientSettings) -> tuple[Verdict, str]:
    try:
        suite = offer_suites(endpoint.address, endpoint.port, SECURITY[endpoint.port])
    except (OSError, smtplib.SMTPException) as error:
        return Verdict.UNTESTED, message("no conversation: {error}", error=type(error).__name__)
    seen = message("agreed on {suite}", suite=suite) if suite else message("no suite in common")
    verdict = Verdict.PASS if (suite is not None) == settings.lets_windows_8_1_in else Verdict.FAIL
    if settings.lets_windows_8_1_in:
        return verdict, message("{seen}; to be let in", seen=seen)
    return verdict, message("{seen}; to be shut out, by submission.ciphers: strict", seen=seen)


def open(inventory: str, host: str, mode: str = "", reason: str = "") -> WindowsLiveMail:  # noqa: A001 - a cell reads `windows_live_mail.open(…)`
    """Open the chapter on a host: connect and begin the record. Nothing is changed, in any mode."""
    return open_client(WindowsLiveMail, NOTEBOOK, TITLE, "windows-live-mail", inventory, host, mode, reason)
