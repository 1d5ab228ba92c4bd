"""An apply that is proved wrong from outside leaves the host as it was, and says so.

What makes it wrong is real: somebody forwarded port 587 to port 25 long ago, so what answers there offers no login.
"""

import smtplib
import socket

import pytest
from applied_host import run_cells, run_chapters
from supported import family_of, postfix_chapter
from trees import MAY_DIFFER, changed

from lab import Lab
from runbook_lib.errors import VerificationFailed

FORWARD = (
    "nft add table inet old; nft 'add chain inet old pre { type nat hook prerouting priority -100; }';"
    "nft add rule inet old pre tcp dport 587 redirect to :25"
)


@pytest.mark.always
@pytest.mark.parametrize(
    ("host_name", "state"), [("debian12", "bare"), ("debian13", "fresh"), ("el9", "bare"), ("el9", "fresh")]
)
def test_everything_is_put_back(lab: Lab, host_name: str, state: str) -> None:
    lab.reset(host_name, state)
    lab.exec(host_name, FORWARD)
    run_chapters(host_name, chapters=("11-key-and-csr", "12-signing"))
    before = lab.tree(host_name)
    with pytest.raises(VerificationFailed) as failure:
        run_cells(postfix_chapter(host_name), host=host_name)
    told = str(failure.value)
    assert "reached and found wrong: After TLS began, AUTH is offered where users submit mail" in told
    assert "port 587 at" in told
    assert "repeat it by hand: swaks" in told
    assert "What this chapter had changed was put back: the host is as it was before the chapter." in told
    assert changed(before, lab.tree(host_name), tuple(MAY_DIFFER)) == []
    address = lab.host(host_name).address
    if state == "bare":
        with pytest.raises(
            OSError, match=r"Connection refused|No route to host"
        ):  # the latter is firewalld's word
            socket.create_connection((address, 25), timeout=5)
        installed = family_of(host_name).package_manager.installed.format(names="postfix")
        assert lab.exec(host_name, f"{installed} || :") == b""
    elif family_of(host_name).firewall_services:  # as its package leaves it: for the host alone
        listening = lab.exec(host_name, "ss -Hltn 'sport = :25' | awk '{ print $4 }' | sort").split()
        assert listening == [b"127.0.0.1:25", b"[::1]:25"]
        lab.exec(host_name, "postfix status && ! firewall-cmd --query-service=smtp")
    else:
        with smtplib.SMTP(address, 25, timeout=20) as client:
            refused = client.sendmail(
                "stranger@example.org", ["kensa@example.test"], "Subject: still here\n\nx\n"
            )
        assert refused == {}


def test_what_could_not_be_reached_stays_and_is_not_called_proved(lab: Lab) -> None:
    """A firewall in front of a port says nothing about the server behind it."""
    lab.reset("debian12", "fresh")
    lab.exec(
        "debian12",
        "nft add table inet wall; nft 'add chain inet wall in { type filter hook input priority 0; }';"
        "nft add rule inet wall in iifname != lo tcp dport 465 reject with tcp reset",
    )
    _, summaries = run_chapters("debian12")
    assert "applied, not proven" in summaries[-1]
    assert "could not test" in summaries[-1]
    assert b"submissions inet" in lab.exec("debian12", "postconf -M submissions/inet | tr -s ' '")
