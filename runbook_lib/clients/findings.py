"""Clients that this server's settings shut out, and what would let them in."""

from collections.abc import Sequence

from runbook_lib.clients.guide import Said
from runbook_lib.clients.settings import ClientSettings
from runbook_lib.display import Shown, Table, Text
from runbook_lib.messages import message


def findings_shown(settings: ClientSettings, clients: Sequence[str]) -> Shown:
    """A warning for each client that needs a change, to be shown with the plan.

    Args:
        settings: of the server, as planned.
        clients: names of the clients that users have, as the inventory writes them.
    Returns: a table of client and change, or one sentence that there is none.
    """
    rows: list[tuple[str, str]] = [
        ("windows-live-mail", finding)
        for finding in live_mail_findings(settings)
        if "windows-live-mail" in clients
    ]
    rows += [(message("devices and scripts"), found) for found in bare_newline_findings(settings)]
    if not rows:
        named = ", ".join(clients) or message("none named")
        return Text(
            message("No client of the inventory ({clients}) is shut out by these settings.", clients=named)
        )
    return Table((message("client"), message("what shuts it out, and what lets it in")), rows)


def bare_newline_findings(settings: ClientSettings) -> Sequence[Said]:
    """Whom the guard against smuggled messages shuts out on the submission ports, with what lets them in.

    Source: postconf(5), smtpd_forbid_bare_newline and smtpd_forbid_bare_newline_exclusions.
    """
    if settings.bare_newlines == "taken":
        return ()
    what, way = _BARE_NEWLINES[settings.bare_newlines]
    return (
        Said(
            "{what} {way} Clients in smtpd_forbid_bare_newline_exclusions (mynetworks, by default) are exempt.",
            "{what}{way}smtpd_forbid_bare_newline_exclusions（既定ではmynetworks）にある接続元は対象外です。",
            what=what,
            way=way,
        ),
    )


_BARE_NEWLINES = {
    "refused": (
        Said(
            "smtpd_forbid_bare_newline = reject: whoever ends a line with a newline alone is refused (550 5.5.2).",
            "smtpd_forbid_bare_newline = rejectのため、行末がLFだけの送信は拒否されます（550 5.5.2）。",
        ),
        Said(
            "To let them in: normalize, which is as safe.",
            "許可するにはnormalizeにします。安全性は同じです。",
        ),
    ),
    "cut off": (
        Said(
            "smtpd_forbid_bare_newline = yes, in the first form of it: whoever ends a line with a newline alone is cut "
            "off.",
            "smtpd_forbid_bare_newline = yes（この設定の最初の版）のため、行末がLFだけの接続は切断されます。",
        ),
        Said(
            "To let them in: a Postfix that knows normalize, from your distribution.",
            "許可するには、normalizeに対応したPostfixに更新します。",
        ),
    ),
    "normalized": (
        Said(
            "smtpd_forbid_bare_newline = normalize: lines that end with a newline alone are taken, but a message that "
            "also ends so is not at its end for this server, and its sender waits until it gives up.",
            "smtpd_forbid_bare_newline = normalizeでは、行末がLFだけの行も受け付けます。ただし、"
            "メールの終わりまでLFだけの場合は終わりとみなさないため、送信側は応答を待ち続けます。",
        ),
        Said(
            "Such a device has to be changed itself.",
            "そのような機器は、機器側の変更が必要です。",
        ),
    ),
}


def live_mail_findings(settings: ClientSettings) -> Sequence[Said]:
    """What in this server's settings keeps Live Mail out, with the change that lets it in."""
    found = []
    if not settings.lets_windows_8_1_in:
        found.append(
            Said(
                "This server's strict cipher list shuts out the TLS library of Windows 7 and 8.1: with "
                "an RSA certificate they have no suite on it. To let them in: submission.ciphers: base "
                "in the inventory.",
                "このサーバで使うstrictの暗号スイートには、RSA証明書の場合、"
                "Windows 7と8.1のTLSライブラリが対応しているものがなく、接続できません。許可するには、"
                "インベントリにsubmission.ciphers: baseと書きます。",
            )
        )
    if 465 not in settings.ports:
        found.append(
            Said(
                "This server has no port 465. On any other port than 25 Live Mail's family is said to "
                "begin with TLS at once, which 587 does not answer.",
                "このサーバには465番ポートがありません。"
                "Live Mailの系統は25番以外では最初からTLSで接続するとされており、"
                "587番では応答が得られません。",
            )
        )
    if "LOGIN" not in settings.mechanisms:
        found.append(
            Said(
                "This server does not offer AUTH LOGIN, the only password mechanism that Live Mail knows.",
                "このサーバは、Live Mailが使える唯一の認証方式AUTH LOGINを提示していません。",
            )
        )
    return found
