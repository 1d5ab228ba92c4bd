"""What speaks to what on which port, and where TLS begins."""

from runbook_lib.messages import joined, message
from runbook_lib.pictures.drawing import CLEAR, PART, SECRET, Picture, arrow, box, words

_LEFT, _RIGHT, _TURN, _INSIDE = 190, 800, 320, 450


def ports(auth_on_25: bool = False) -> Picture:
    """The three ports as conversations in time: what is clear text, where TLS begins, where passwords go.

    Args:
        auth_on_25: whether port 25 takes logins after STARTTLS, as in 2013.
    """
    auth_25 = "AUTH" if auth_on_25 else message("no AUTH")
    body = [
        words(_LEFT, 22, message("time"), size=12),
        arrow(_LEFT + 34, 18, _RIGHT, 18),
        *_conversation(
            40,
            message("port 25"),
            message("other mail servers"),
            joined("   ", ("EHLO", auth_25, "MAIL")),
            message("if offered and taken"),
        ),
        *_conversation(
            112,
            message("port 587"),
            message("users, STARTTLS"),
            message("EHLO   AUTH password   MAIL"),
            message("always"),
        ),
        box(_LEFT, 184, _RIGHT - _LEFT, 46, SECRET, (message("220   EHLO   AUTH password   MAIL"),)),
        words(10, 203, message("port 465"), weight=600),
        words(10, 222, message("users, TLS at once"), size=12),
        box(_LEFT, 252, 18, 14, CLEAR),
        words(_LEFT + 26, 264, message("clear text: anybody on the way reads it"), size=12),
        box(_LEFT + 300, 252, 18, 14, SECRET),
        words(_LEFT + 326, 264, message("inside TLS"), size=12),
    ]
    return Picture(
        message("Where TLS begins on each port"),
        message(
            "Three conversations in time. On port 25, between mail servers, greeting and EHLO are clear text; TLS "
            "begins after STARTTLS, if it is offered and taken; {logins}. On port 587 the same happens, always, and "
            "the password is sent after TLS has begun. On port 465 TLS begins with the first byte, and nothing is "
            "clear text.",
            logins=_SAID_25[auth_on_25],
        ),
        820,
        280,
        "".join(body),
        message(
            """\
          time -->
port 25   |..220 EHLO..|STARTTLS|==EHLO {auth:<9} MAIL======|  other servers; TLS if offered, taken
port 587  |..220 EHLO..|STARTTLS|==EHLO AUTH password MAIL==|  users; always
port 465  |==220 EHLO AUTH password MAIL====================|  users; TLS from the first byte
          .. clear text   == inside TLS""",
            auth=auth_25,
        ),
    )


_SAID_25 = {True: message("logins are taken after that"), False: message("no login is taken")}


def _conversation(y: float, port: str, who: str, inside: str, when: str) -> tuple[str, ...]:
    return (
        words(10, y + 19, port, weight=600),
        words(10, y + 38, who, size=12),
        box(_LEFT, y, _TURN - _LEFT, 46, CLEAR, ("220   EHLO",)),
        box(_TURN, y, _INSIDE - _TURN, 46, PART, ("STARTTLS", when), size=11),
        box(_INSIDE, y, _RIGHT - _INSIDE, 46, SECRET, (inside,)),
    )
