"""Who checks a password: smtpd, in its chroot where there is one, saslauthd outside, PAM behind it."""

from runbook_lib.messages import joined, message
from runbook_lib.pictures.drawing import JAIL, MARKED, PART, SECRET, Picture, arrow, box, words


def authentication(
    chroot: str = "/var/spool/postfix", socket: str = "/var/run/saslauthd/mux", group: str = "sasl"
) -> Picture:
    """The way of a password from the client to PAM; where there is a chroot, one socket crosses its border.

    Args:
        chroot: the directory that is `/` for smtpd; '' where smtpd runs in none.
        socket: path of saslauthd's socket as smtpd sees it.
        group: who may open it, '' for every user of the host.
    """
    path = f"{chroot}{socket}"
    right = f"root:{group} 0710" if group else message("open to every user")
    who = (
        message("postfix is in the group {group}", group=group)
        if group
        else message("no chroot: smtpd finds it where it is")
    )
    border = [box(250, 30, 330, 190, JAIL, dashed=True)] if chroot else []
    seen = message("chroot: smtpd sees {chroot} as /", chroot=chroot)
    head = [words(262, 50, seen, JAIL, size=12)] if chroot else []
    body = [
        *border,
        *head,
        box(10, 80, 120, 70, PART, (message("client"), "AUTH PLAIN")),
        arrow(130, 115, 270, 115, SECRET),
        words(192, 105, "TLS", SECRET, anchor="middle", size=12, weight=600),
        box(270, 80, 100, 70, PART, ("smtpd", message("user postfix"))),
        arrow(370, 115, 440, 115, both=True),
        box(440, 80, 125, 70, MARKED, (message("socket"), right), size=13),
        words(415, 186, path, JAIL, anchor="middle", size=11, mono=True),
        words(415, 206, who, JAIL, anchor="middle", size=12),
        arrow(565, 115, 640, 115, both=True),
        box(640, 80, 110, 70, PART, ("saslauthd", "-m …  no -c")),
        arrow(695, 150, 695, 200),
        box(620, 200, 150, 60, PART, ("PAM", "/etc/pam.d/smtp")),
        words(770, 284, message("accounts of the system; never root"), size=12, anchor="end"),
        words(10, 244, message("wrong password: 535"), size=12),
        words(10, 264, message("socket not reached: 454, whatever the password"), size=12),
    ]
    top = f"+- chroot {chroot + ' ':-<34}+"
    return Picture(
        message("How a password is checked"),
        joined(" ", _told(chroot, path, group)),
        780,
        300,
        "".join(body),
        message(
            """\
            TLS    {border}
client ----------> | smtpd <--> socket ({right:<23}| <--> saslauthd
AUTH PLAIN         +-------------------------------------------+          |
wrong password: 535                                                       v
socket not reached: 454, whatever the password           PAM /etc/pam.d/smtp
{who:<57}accounts of the system; never root
socket: {path}""",
            border=top,
            right=joined("", (right, ")")),
            who=who,
            path=path,
        )
        if chroot
        else message(
            """\
            TLS
client ---------->   smtpd <--> socket ({right:<23}  <--> saslauthd
AUTH PLAIN                                                                |
wrong password: 535                                                       v
socket not reached: 454, whatever the password           PAM /etc/pam.d/smtp
{who:<57}accounts of the system; never root
socket: {path}""",
            right=joined("", (right, ")")),
            who=who,
            path=path,
        ),
    )


def _told(chroot: str, path: str, group: str) -> tuple[str, ...]:
    """The picture in sentences."""
    smtpd = (
        message(
            "The client sends the password inside TLS to smtpd, which runs in a chroot and sees {chroot} as the root "
            "directory.",
            chroot=chroot,
        )
        if chroot
        else message("The client sends the password inside TLS to smtpd, which runs in no chroot.")
    )
    inside = message("{path}, inside the chroot", path=path) if chroot else path
    socket = (
        message(
            "smtpd asks saslauthd through a socket at {path}, whose directory belongs to root and the group {group} "
            "with mode 0710; the user postfix is in that group.",
            path=inside,
            group=group,
        )
        if group
        else message(
            "smtpd asks saslauthd through a socket at {path}, which every user of the host may open.",
            path=inside,
        )
    )
    pam = (
        message("saslauthd, outside, asks PAM by /etc/pam.d/smtp, which refuses root.")
        if chroot
        else message("saslauthd asks PAM by /etc/pam.d/smtp, which refuses root.")
    )
    answers = message("A wrong password is answered with 535, a socket that cannot be reached with 454.")
    return smtpd, socket, pam, answers
