"""Filters of an administrator: mail from 465 and 587 goes through those of main.cf, not those of port 25 alone."""

import time
from collections.abc import Iterator

from shaped_host import HOST, applied, session, with_packages

from lab import Lab

# opendkim signs what a user sends; its key is made here and leads nowhere. It starts when the state is given back,
# in the foreground: systemd refuses its PID file now and then, and waits.
OPENDKIM = """
openssl genrsa -out /etc/dkimkeys/s.private 2048 2>/dev/null
chown opendkim: /etc/dkimkeys/s.private; chmod 0600 /etc/dkimkeys/s.private
printf '%s\\n' 'Syslog yes' 'UserID opendkim' 'Mode sv' 'Domain example.test' 'Selector s' \\
  'KeyFile /etc/dkimkeys/s.private' 'Socket inet:8891@127.0.0.1' \\
  > /etc/opendkim.conf
mkdir /etc/systemd/system/opendkim.service.d
printf '%s\\n' '[Service]' 'Type=exec' 'PIDFile=' 'ExecStart=' 'ExecStart=/usr/sbin/opendkim -f' \\
  > /etc/systemd/system/opendkim.service.d/foreground.conf
systemctl enable -q opendkim
"""
# A stand-in for a content filter (FILTER_README, 'simple content filter'): it marks what went through it.
SCAN = """
printf '#!/bin/sh\\n(echo X-Scanned: yes; cat) | /usr/sbin/sendmail -G -i "$@"\\n' > /usr/local/bin/scan
chmod 0755 /usr/local/bin/scan
postconf -M 'scan/unix=scan unix - n n - 10 pipe flags=Rq user=kensa null_sender= argv=/usr/local/bin/scan -f ${sender} -- ${recipient}'
postconf -P pickup/unix/content_filter=
"""  # noqa: E501 - a service is one line
# A stand-in for a proxy filter: a second smtpd behind the first, which marks what it is given.
PROXY = """
postconf -M '127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd -o smtpd_proxy_filter= -o {smtpd_recipient_restrictions=check_recipient_access static:{PREPEND X-Proxied: yes}}'
postconf -e smtpd_proxy_filter=127.0.0.1:10026
"""  # noqa: E501 - a service is one line


# opendkim, which listens and which nobody asks yet; SASL's packages are there, so that chapter 2 is quick.
FILTERED = with_packages("filtered", "opendkim sasl2-bin libsasl2-modules", OPENDKIM)


def shaped(lab: Lab, script: str) -> list[str]:
    """The administrator's part, then ours; what was shown."""
    lab.reset(HOST, FILTERED)
    lab.exec(HOST, f"{script}\npostfix reload 2>/dev/null")
    _, shown = applied()
    assert "passed" in shown[-1]
    return shown


def delivered(lab: Lab, port: int, subject: str) -> str:
    """Send a mail from hanako to kensa; its text in kensa's mailbox, a second later or ten."""
    with session(lab, port) as smtp:
        mail = f"From: hanako@example.test\r\nTo: kensa@example.test\r\nSubject: {subject}\r\n\r\nhello\r\n"
        assert smtp.sendmail("hanako@example.test", ["kensa@example.test"], mail) == {}
    for text in _mailbox(lab):
        mails = text.split("\nFrom ")
        if found := [one for one in mails if f"Subject: {subject}" in one]:
            return found[-1]
    raise AssertionError(f"{subject} was not delivered")


def _mailbox(lab: Lab) -> Iterator[str]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        yield lab.exec(HOST, "cat /var/mail/kensa 2>/dev/null || :").decode()
        time.sleep(0.3)


def test_mail_of_users_goes_through_the_milter_and_the_content_filter_of_main_cf(
    lab: Lab,
) -> None:
    shown = shaped(lab, f"{SCAN}\npostconf -e smtpd_milters=inet:127.0.0.1:8891 content_filter=scan:dummy")
    through = "goes through milter inet:127.0.0.1:8891, content_filter scan:dummy: main.cf sets it"
    assert any(f"Mail from 465 and 587 {through}" in text for text in shown)
    for port in (465, 587):
        mail = delivered(lab, port, f"by {port}")
        assert "DKIM-Signature: v=1;" in mail
        assert "X-Scanned: yes" in mail
    assert "nothing to do" in applied()[1][-1]


def test_mail_of_users_goes_through_the_proxy_filter_of_main_cf(lab: Lab) -> None:
    shown = shaped(lab, PROXY)
    assert any("goes through smtpd_proxy_filter 127.0.0.1:10026" in text for text in shown)
    assert "X-Proxied: yes" in delivered(lab, 587, "by 587")


def test_a_filter_of_port_25_alone_stays_there_alone(lab: Lab) -> None:
    """It stands on that service, not in main.cf: what comes in is filtered, what users send is not."""
    shown = shaped(lab, f"{SCAN}\npostconf -P smtp/inet/content_filter=scan:dummy")
    assert any(
        "does not go through what master.cf sets for port 25 alone: content_filter=scan:dummy" in t
        for t in shown
    )
    assert any("a filter of port 25 alone; 465 and 587 do not inherit it" in text for text in shown)
    assert "X-Scanned: yes" in delivered(lab, 25, "by 25")
    assert "X-Scanned" not in delivered(lab, 587, "by 587")
