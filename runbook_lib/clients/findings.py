"""Clients that this server's settings shut out, and what would let them in (F6, S9)."""

from collections.abc import Sequence

from runbook_lib.clients.guide import Said
from runbook_lib.clients.settings import ClientSettings
from runbook_lib.display import Shown, Table, Text


def findings_shown(settings: ClientSettings, clients: Sequence[str]) -> Shown:
    """A warning for each client that needs a change, to be shown with the plan.

    Args:
        settings: of the server, as planned.
        clients: names of the clients that users have, as the inventory writes them.
    Returns: a table of client and change, or one sentence that there is none.
    """
    rows = [
        ("windows-live-mail", finding.en)
        for finding in live_mail_findings(settings)
        if "windows-live-mail" in clients
    ]
    if not rows:
        return Text(
            f"No client of the inventory ({', '.join(clients) or 'none named'}) is shut out by these "
            "settings."
        )
    return Table(("client", "what shuts it out, and what lets it in"), rows)


def live_mail_findings(settings: ClientSettings) -> Sequence[Said]:
    """What in this server's settings keeps Live Mail out, with the change that lets it in (F6, S9)."""
    found = []
    if not settings.lets_windows_8_1_in:
        found.append(
            Said(
                "This server's strict cipher list shuts out the TLS library of Windows 7 and 8.1: with "
                "an RSA certificate they have no suite on it. To let them in: submission.ciphers: base "
                "in the inventory.",
                "このサーバーの strict の暗号一覧では、RSA証明書の場合 Windows 7 / 8.1 は接続できません。"
                "許可するにはインベントリに submission.ciphers: base と書きます。",
            )
        )
    if 465 not in settings.ports:
        found.append(
            Said(
                "This server has no port 465. On any other port than 25 Live Mail's family is said to "
                "begin with TLS at once, which 587 does not answer.",
                "このサーバーには465番がありません。Live Mail "
                "の系統は25番以外では最初からTLSで接続するとされ、587番では応答が得られません。",
            )
        )
    if "LOGIN" not in settings.mechanisms:
        found.append(
            Said(
                "This server does not offer AUTH LOGIN, the only password mechanism that Live Mail knows.",
                "このサーバーは、Live Mail が使える唯一の方式 AUTH LOGIN を提供していません。",
            )
        )
    return found
