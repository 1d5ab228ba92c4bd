"""What a person decided in the inventory: apply goes on, proves the result, and gives back what was there."""

from pathlib import Path

import pytest
import shaped_host
from applied_host import runbook
from decided import decided
from shaped_host import HOST, replies, session
from smuggling import one_message_is_one
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab, Prepared
from lab.tree import compare
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused

OF_2013 = r"""
postconf -e smtpd_use_tls=yes smtpd_enforce_tls=no 'smtpd_tls_protocols = !SSLv2, !SSLv3' \
  'smtpd_tls_mandatory_protocols = !SSLv2' smtpd_tls_mandatory_ciphers=medium 'smtpd_tls_exclude_ciphers = RC4, aNULL' \
  'smtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache' smtpd_tls_security_level=encrypt \
  'mynetworks = 127.0.0.0/8, 10.0.0.0/8'
cat >> /etc/postfix/master.cf <<'END'
587       inet  n       -       n       -       -       smtpd -v
submission inet n       -       n       -       50      smtpd
	-o smtpd_tls_security_level=may -o smtpd_client_connection_count_limit=7
  -o { smtpd_client_event_limit_exceptions = 127.0.0.0/8, 192.0.2.0/24 }
smtps     inet  n       -       y       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o syslog_name=postfix/own
END
sed -i '/^#submission inet/,/^#submissions/ s/^#\(  -o smtpd_\(tls_security\|sasl_auth\)_\)/\1/' /etc/postfix/master.cf
postfix reload 2> /dev/null
"""
PLACES = {
    "main.cf, smtpd_use_tls": "replace",
    "main.cf, smtpd_enforce_tls": "keep",
    "main.cf, smtpd_tls_protocols": "keep",
    "main.cf, smtpd_tls_mandatory_protocols": "replace",
    "main.cf, smtpd_tls_mandatory_ciphers": "replace",
    "main.cf, smtpd_tls_exclude_ciphers": "keep",
    "main.cf, smtpd_tls_session_cache_database": "replace",
    "main.cf, smtpd_tls_security_level": "replace",
    "main.cf, mynetworks": "replace",
    "main.cf, smtpd_forbid_bare_newline": "replace",
    "master.cf, smtp/inet": "replace",
    "master.cf, port 587": "replace",
    "master.cf, smtps/inet": "keep",
}


# A signed host with settings and services of 2013.
STATE_OF_2013 = Prepared("of-2013", "signed", script=OF_2013)


def test_a_host_of_2013_is_done_with_decisions_and_given_back(lab: Lab, tmp_path: Path) -> None:
    """What fell to 25 is put right, one service is left on a port and the other options stay.

    Nobody relays from a private network any more, and a newline alone ends no message.
    """
    lab.reset(HOST, STATE_OF_2013)
    before = lab.tree(HOST)
    with pytest.raises(ApplyRefused) as refusal:
        shaped_host.applied()
    asked = str(refusal.value)
    # What stays by itself and may be replaced all the same is not asked about.
    stays = {
        "main.cf, smtpd_tls_session_cache_database",
        "main.cf, mynetworks",
        "main.cf, smtpd_forbid_bare_newline",
    }
    assert {about for about in PLACES if f"- about: {about}\n" in asked} == PLACES.keys() - stays
    assert "the line of submission inet is commented out and its options are not" in asked
    assert "these options stay: smtpd_client_connection_count_limit=7, {smtpd_client_event_limit" in asked
    assert "these give way to chapter 2's: smtpd_tls_security_level=may" in asked
    assert list(compare(before, lab.tree(HOST))) == []
    inventory = decided(lab, tmp_path, PLACES)
    run, shown = shaped_host.applied(inventory=inventory)
    assert "passed" in shown[-1]
    assert all(f"as decided: tested: {about}" in shown[2] for about in PLACES)
    assert service(lab, "smtp/inet") == ["smtp inet n - y - - smtpd"]
    assert [line.split()[0] for line in service(lab, "submission/inet", "587/inet")] == ["submission"]
    assert service(lab, "submission/inet")[0].startswith("submission inet n - y - 50 smtpd -o syslog_name=")
    assert service(lab, "submission/inet")[0].endswith(
        "-o smtpd_client_connection_count_limit=7 -o {smtpd_client_event_limit_exceptions=127.0.0.0/8, 192.0.2.0/24}"
    )
    assert (
        lab.exec(HOST, "postconf -n smtpd_enforce_tls; postconf -n smtpd_use_tls")
        == b"smtpd_enforce_tls = no\n"
    )
    with lab.outsider() as outside:
        for port in (465, 587):
            with session(lab, port, outside.address4) as user:
                assert replies(user, "hanako@example.test", ["kensa@example.test"]) == [250, 250]
        with session(lab, 25, outside.address4) as stranger:
            assert replies(stranger, "s@example.org", ["kensa@example.test"]) == [250, 250]
    with session(lab, 25) as stranger:
        assert replies(stranger, "s@example.org", ["somebody@example.net"]) == [250, 454]
    with lab.outsider() as outside:
        assert one_message_is_one(lab.host(HOST).address, outside.address4, "kensa@example.test")
    assert lab.exec(HOST, "postconf 2>&1 > /dev/null") == b""
    assert "nothing to do" in shaped_host.applied(inventory=inventory)[1][-1]
    assert runbook("rollback", run).returncode == 0
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK)) == []


def test_what_cannot_be_decided_so_is_refused_and_what_is_done_is_said(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, STATE_OF_2013)
    wrong = decided(
        lab, tmp_path, {"main.cf, smtpd_tls_security_level": "keep", "main.cf, smtpd_use_tsl": "keep"}
    )
    chapter = postfix.open(wrong, HOST)
    rows = [
        line for line in chapter.differences().text().splitlines() if "a decision of the inventory" in line
    ]
    assert "there is nothing to decide (any more)" in rows[1]
    with pytest.raises(ApplyRefused, match="decides what this chapter cannot do") as refusal:
        chapter.apply(chapter.plan_packages())
    assert (
        "main.cf, smtpd_tls_security_level: 'keep' cannot be had here: it can be decided as: replace"
        in str(refusal.value)
    )


def service(lab: Lab, *names: str) -> list[str]:
    """Lines of master.cf, white space folded."""
    shown = lab.exec(HOST, f"for s in {' '.join(names)}; do postconf -M $s; done").decode()
    return [" ".join(line.split()) for line in shown.splitlines()]
