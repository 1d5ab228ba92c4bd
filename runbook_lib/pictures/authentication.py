"""Who checks a password: smtpd in its chroot, saslauthd outside, PAM behind it."""

from runbook_lib.pictures.drawing import JAIL, MARKED, PART, SECRET, Picture, arrow, box, words


def authentication(chroot: str = "/var/spool/postfix", socket: str = "var/run/saslauthd/mux") -> Picture:
    """The way of a password from the client to PAM; one socket crosses the chroot's border.

    Args:
        chroot: the directory that is `/` for smtpd.
        socket: path of saslauthd's socket below it.
    """
    body = [
        box(250, 30, 330, 190, JAIL, dashed=True),
        words(262, 50, f"chroot: smtpd sees {chroot} as /", JAIL, size=12),
        box(10, 80, 120, 70, PART, ("client", "AUTH PLAIN")),
        arrow(130, 115, 270, 115, SECRET),
        words(192, 105, "TLS", SECRET, anchor="middle", size=12, weight=600),
        box(270, 80, 100, 70, PART, ("smtpd", "user postfix")),
        arrow(370, 115, 440, 115, both=True),
        box(440, 80, 125, 70, MARKED, ("socket", "root:sasl 0710"), size=13),
        words(415, 186, f"{chroot}/{socket}", JAIL, anchor="middle", size=11, mono=True),
        words(415, 206, "postfix is in the group sasl", JAIL, anchor="middle", size=12),
        arrow(565, 115, 640, 115, both=True),
        box(640, 80, 110, 70, PART, ("saslauthd", "-m …  no -c")),
        arrow(695, 150, 695, 200),
        box(620, 200, 150, 60, PART, ("PAM", "/etc/pam.d/smtp")),
        words(770, 284, "accounts of the system; never root", size=12, anchor="end"),
        words(10, 244, "wrong password: 535", size=12),
        words(10, 264, "socket not reached: 454, whatever the password", size=12),
    ]
    return Picture(
        "How a password is checked",
        f"The client sends the password inside TLS to smtpd, which runs in a chroot and sees {chroot} as "
        f"the root directory. smtpd asks saslauthd through a socket at {chroot}/{socket}, inside the "
        "chroot, whose directory belongs to root and the group sasl with mode 0710; the user postfix is "
        "in that group. saslauthd, outside, asks PAM by /etc/pam.d/smtp, which refuses root. A wrong "
        "password is answered with 535, a socket that cannot be reached with 454.",
        780,
        300,
        "".join(body),
        f"""\
            TLS    +- chroot {chroot + " ":-<34}+
client ----------> | smtpd <--> socket (root:sasl 0710)        | <--> saslauthd
AUTH PLAIN         +-------------------------------------------+          |
wrong password: 535                                                       v
socket not reached: 454, whatever the password           PAM /etc/pam.d/smtp
postfix is in the group sasl                             accounts of the system; never root
socket: {chroot}/{socket}""",
    )
