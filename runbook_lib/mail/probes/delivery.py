"""The claim that counts for a user: a message is sent with a login, arrives, and shows how it came in."""

import email.message
import email.parser
import email.policy
import email.utils
import re
import secrets
from dataclasses import dataclass

from runbook_lib.mail.probes import byhand
from runbook_lib.mail.probes.asker import Asker
from runbook_lib.mail.probes.attempts import NO_ACCOUNT, authenticate, first_trusted, login_ports
from runbook_lib.mail.probes.login import judge_login
from runbook_lib.mail.probes.obstacle import Kind, Obstacle, Stage, Stopped
from runbook_lib.mail.probes.row import Row, Verdict, warning
from runbook_lib.mail.probes.smtp import Conversation, Reply
from runbook_lib.mail.probes.survey import Judged, Survey, blocked
from runbook_lib.mail.probes.target import Account, Endpoint
from runbook_lib.mail.probes.view import TOKEN_HEADER, HostView
from runbook_lib.messages import message

MESSAGE_ARRIVES = message("A message sent with a login arrives, and says that it came over TLS from a user")

_NO_VIEW = message("no look into the mailbox from here: it needs SSH to the host, so no message is sent")


@dataclass(frozen=True)
class Sent:
    """A message that was handed over, or not.

    Args:
        token: value of its header `X-Runbook-Probe`.
        tls_version: of the connection, as OpenSSL and Postfix spell it.
        refusal: why the server did not take it; None: it did.
        queue_id: the server's own name for it, empty where its reply has none.
    """

    token: str
    tls_version: str = ""
    refusal: Judged | None = None
    queue_id: str = ""


def message_arrives(survey: Survey) -> list[Row]:
    """The account for checks sends itself a message through each submission port; it is found and removed.

    Received must say ESMTPSA (RFC 3848: TLS and login) and the version of the connection that was made. A
    250 alone proves nothing: a server that does not know its own domain takes the message and bounces it.
    """
    target, view = survey.target, survey.view
    account = target.account
    judged: Judged
    if account is None or view is None:
        judged = Verdict.UNTESTED, NO_ACCOUNT if account is None else _NO_VIEW
        return [survey.general(MESSAGE_ARRIVES, judged, survey.first_command)]
    if not survey.addresses:
        return survey.unasked(MESSAGE_ARRIVES, login_ports(survey))
    reason = view.cannot_look(account.mailbox)
    if reason is not None:
        judged = (
            Verdict.UNTESTED,
            message("no message is sent, since it could not be removed again: {reason}", reason=reason),
        )
        return [survey.general(MESSAGE_ARRIVES, judged, survey.first_command)]
    rows = []
    for port in login_ports(survey):
        endpoints = survey.endpoints((port,))
        endpoint = first_trusted(survey, endpoints)
        if endpoint is None:
            judged = blocked(survey.sight(endpoints[0]).obstacle)
            rows.append(survey.row(MESSAGE_ARRIVES, endpoints[0], judged, survey.first_command))
            continue
        sent = _send(survey.asker, endpoint, account)
        found = None if sent.refusal else view.find_message(account.mailbox, sent.token)
        judged = sent.refusal or _judge_found(view, account, sent, found)
        client = _client_in(found) or survey.client(endpoint)
        command = byhand.message(endpoint, target, account, survey.own(endpoint))
        rows.append(survey.placed(Row(MESSAGE_ARRIVES, port, endpoint.address, client, *judged, command)))
    return rows


def _send(asker: Asker, endpoint: Endpoint, account: Account) -> Sent:
    token = secrets.token_hex(12)
    address = account.address_in(asker.target.domain)
    try:
        with asker.connect(endpoint) as talk:
            version = asker.begin_tls(talk, asker.trusted_at(talk.endpoint)).version() or ""
            hello = asker.hello_after_tls(talk)
            reply = authenticate(talk, account.user, account.password.reveal().encode(), "PLAIN")
            if reply.code != 235:
                words = message("no login: {reason}", reason=judge_login(reply)[1])
                return Sent(token, refusal=(Verdict.UNTESTED, words))
            reply = _hand_over(talk, hello, address, token)
    except Stopped as stop:
        return Sent(token, refusal=blocked(stop.obstacle, Stage.SECURE))
    if reply.code != 250:
        words = message("refused after the login ({reply})", reply=reply.brief)
        return Sent(token, refusal=(Verdict.FAIL, words))
    queued = re.search(r"queued as (\w+)", " ".join(reply.lines))
    return Sent(token, version, queue_id=queued[1] if queued else "")


def _hand_over(talk: Conversation, hello: Reply, address: str, token: str) -> Reply:
    """MAIL, RCPT and DATA; returns the first refusal, or the reply to the message."""
    parameter = ""
    if not address.isascii():
        if hello.extension("SMTPUTF8") is None:
            words = message("the account's address is outside ASCII, and SMTPUTF8 is not offered")
            raise Stopped(Obstacle(Stage.SECURE, Kind.NOT_ASKED, words))
        parameter = " SMTPUTF8"
    for line in (f"MAIL FROM:<{address}>{parameter}", f"RCPT TO:<{address}>"):
        reply = talk.command(line)
        if reply.code not in (250, 251):
            return reply
    return talk.data(_letter(address, token))


def _letter(address: str, token: str) -> bytes:
    letter = email.message.EmailMessage(email.policy.SMTPUTF8 if not address.isascii() else email.policy.SMTP)
    letter["From"] = letter["To"] = address
    letter["Subject"] = "Verification of mail submission (removed again by itself)"
    letter["Date"] = email.utils.localtime()
    letter["Message-ID"] = f"<{token}@{address.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation replies
    letter[TOKEN_HEADER] = token
    letter.set_content(
        "Sent to prove that submission works. The verification was interrupted if you read this: delete it.\n"
    )
    return letter.as_bytes()


def _judge_found(view: HostView, account: Account, sent: Sent, found: bytes | None) -> Judged:
    if found is None:
        reason = view.withdraw(sent.queue_id) if sent.queue_id else None
        if reason is not None:
            return Verdict.FAIL, message(
                "taken (250), and not delivered: {reason} (taken out of the queue again)", reason=reason
            )
        return Verdict.FAIL, message(
            "taken (250), and neither in the mailbox nor in the queue: bounced, or delivered elsewhere; "
            "the host's mail log says which, behind `status=`"
        )
    verdict, words = _judge_received(found, sent.tls_version)
    if view.remove_message(account.mailbox, sent.token):
        return verdict, message("{delivered}; removed", delivered=words)
    left = message("{delivered}; NOT removed: delete it by hand", delivered=words)
    return verdict, left if verdict is Verdict.FAIL else warning(left)


def _judge_received(found: bytes, tls_version: str) -> Judged:
    received = _received(found)
    protocol = re.search(r"\bwith (\w*SMTP\w*)", received)
    if protocol is None or not received.startswith("from "):
        return Verdict.UNTESTED, message("delivered, but the host keeps the session out of Received")
    if protocol[1] not in ("ESMTPSA", "UTF8SMTPSA"):
        return Verdict.FAIL, message(
            "delivered, but Received says {protocol}, not ESMTPSA", protocol=protocol[1]
        )
    version = re.search(r"\busing (TLSv[0-9.]+)", received)
    if version is None:
        return Verdict.FAIL, message("delivered, but Received has no TLS version (smtpd_tls_received_header)")
    if version[1] != tls_version:
        return Verdict.FAIL, message(
            "delivered, but Received says {version}, and {spoken} was spoken",
            version=version[1],
            spoken=tls_version,
        )
    return Verdict.PASS, message(
        "delivered; Received says {protocol} and {version}", protocol=protocol[1], version=version[1]
    )


def _received(found: bytes) -> str:
    """The Received line of the first server: the last one in the header, unfolded."""
    header = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(found)
    lines = [str(line) for line in header.get_all("Received", [])]
    return " ".join(lines[-1].split()) if lines else ""


def _client_in(found: bytes | None) -> str:
    """The client's address in that Received line, in Postfix's form `(name [address])`."""
    seen = re.search(r"\(\S+ \[(?:IPv6:)?([^\]]+)\]\)", _received(found)) if found else None
    return seen[1] if seen else ""
