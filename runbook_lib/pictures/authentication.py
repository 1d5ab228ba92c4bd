"""Who checks a password: smtpd, in its chroot where there is one, saslauthd outside, PAM behind it."""

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
    right = f"root:{group} 0710" if group else "open to every user"
    who = f"postfix is in the group {group}" if group else "no chroot: smtpd finds it where it is"
    border = [box(250, 30, 330, 190, JAIL, dashed=True)] if chroot else []
    head = [words(262, 50, f"chroot: smtpd sees {chroot} as /", JAIL, size=12)] if chroot else []
    body = [
        *border,
        *head,
        box(10, 80, 120, 70, PART, ("client", "AUTH PLAIN")),
        arrow(130, 115, 270, 115, SECRET),
        words(192, 105, "TLS", SECRET, anchor="middle", size=12, weight=600),
        box(270, 80, 100, 70, PART, ("smtpd", "user postfix")),
        arrow(370, 115, 440, 115, both=True),
        box(440, 80, 125, 70, MARKED, ("socket", right), size=13),
        words(415, 186, path, JAIL, anchor="middle", size=11, mono=True),
        words(415, 206, who, JAIL, anchor="middle", size=12),
        arrow(565, 115, 640, 115, both=True),
        box(640, 80, 110, 70, PART, ("saslauthd", "-m …  no -c")),
        arrow(695, 150, 695, 200),
        box(620, 200, 150, 60, PART, ("PAM", "/etc/pam.d/smtp")),
        words(770, 284, "accounts of the system; never root", size=12, anchor="end"),
        words(10, 244, "wrong password: 535", size=12),
        words(10, 264, "socket not reached: 454, whatever the password", size=12),
    ]
    where = (
        f"which runs in a chroot and sees {chroot} as the root directory"
        if chroot
        else "which runs in no chroot"
    )
    directory = (
        f"whose directory belongs to root and the group {group} with mode 0710; the user postfix is in that group"
        if group
        else "which every user of the host may open"
    )
    top = f"+- chroot {chroot + ' ':-<34}+" if chroot else ""
    side = "|" if chroot else " "
    bottom = f"+{'-' * 43}+" if chroot else " " * 45
    return Picture(
        "How a password is checked",
        f"The client sends the password inside TLS to smtpd, {where}. smtpd asks saslauthd through a socket at "
        f"{path}, {'inside the chroot, ' if chroot else ''}{directory}. saslauthd{', outside,' if chroot else ''} asks "
        "PAM by /etc/pam.d/smtp, which refuses root. A wrong password is answered with 535, a socket that cannot be "
        "reached with 454.",
        780,
        300,
        "".join(body),
        "\n".join(
            line.rstrip()
            for line in (
                f"            TLS    {top}",
                f"client ----------> {side} smtpd <--> socket ({right + ')':<23}{side} <--> saslauthd",
                f"AUTH PLAIN         {bottom}          |",
                "wrong password: 535                                                       v",
                "socket not reached: 454, whatever the password           PAM /etc/pam.d/smtp",
                f"{who:<57}accounts of the system; never root",
                f"socket: {path}",
            )
        ),
    )
