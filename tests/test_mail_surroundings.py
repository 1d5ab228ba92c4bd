"""Further instances of Postfix, and a proxy in front: named, with the reason, and apply is refused."""

import subprocess

import pytest

from lab import Lab
from lab.tree import compare
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.differences import surroundings

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
# A second master(8) that main.cf does not tell of, as scripts from before postmulti(1) make it.
SECOND = """cp -r /etc/postfix /etc/out; mkdir -p /var/spool/out /var/lib/out; chown postfix /var/lib/out
postconf -c /etc/out -e queue_directory=/var/spool/out data_directory=/var/lib/out master_service_disable=inet
postfix -c /etc/out start"""
SURROUNDED = {
    "an instance by postmulti": (
        "postmulti -e init; postmulti -I postfix-out -G mta -e create",
        "main.cf, multi_instance_directories",
        "several Postfix instances",
    ),
    "an instance by its directory": (
        "postconf -e alternate_config_directories=/etc/out",
        "main.cf, alternate_config_directories",
        "several Postfix instances",
    ),
    "an instance that only runs": (SECOND, "running", "several Postfix instances"),
    "PROXY for every smtpd": (
        "postconf -e smtpd_upstream_proxy_protocol=haproxy",
        "main.cf, smtpd_upstream_proxy_protocol",
        "expect it too",
    ),
    "PROXY for postscreen": (
        "postconf -e postscreen_upstream_proxy_protocol=haproxy",
        "main.cf, postscreen_upstream_proxy_protocol",
        "stand beside it",
    ),
    "PROXY for one service": (
        "postconf -M '10465/inet=10465 inet n - y - - smtpd -o smtpd_upstream_proxy_protocol=haproxy'",
        "master.cf, 10465/inet, smtpd_upstream_proxy_protocol",
        "stand beside it",
    ),
    "PROXY for one service, in braces": (
        "printf '10465 inet n - y - - smtpd\\n  -o { smtpd_upstream_proxy_protocol = haproxy }\\n' "
        ">> /etc/postfix/master.cf",
        "master.cf, 10465/inet, smtpd_upstream_proxy_protocol",
        "stand beside it",
    ),
}


@pytest.mark.parametrize(("made_by", "where", "why"), SURROUNDED.values(), ids=SURROUNDED)
def test_it_is_named_with_the_reason_and_apply_refused(lab: Lab, made_by: str, where: str, why: str) -> None:
    lab.reset(HOST, "signed")
    lab.exec(HOST, f"{{ {made_by}\n}} > /root/made.txt 2>&1")
    before = lab.tree(HOST, "/etc")
    chapter = postfix.open("lab", HOST)
    (row,) = [line for line in chapter.differences().text().splitlines() if line.startswith(f"{where}  ")]
    assert "you decide" in row
    assert why in row
    with pytest.raises(ApplyRefused, match="a person has to decide about it"):
        chapter.apply(chapter.plan_packages())
    assert list(compare(before, lab.tree(HOST, "/etc"))) == []


@pytest.mark.parametrize(
    ("users", "holder"),
    [
        ('(("smtpd",pid=31990,fd=6),("master",pid=120,fd=13))', "master\n"),
        ('(("master",pid=120,fd=13),("smtpd",pid=31990,fd=6))', "master\n"),
        ('(("exim4",pid=7,fd=3))', "exim4\n"),
    ],
)
def test_an_smtpd_that_talks_to_somebody_is_no_other_mail_server(users: str, holder: str) -> None:
    """Processes of master(8) hold its socket; once process numbers have wrapped, one of them stands first."""
    socket = f"LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:{users}"
    script = f"ss() {{ echo '{socket}'; }}\n{surroundings.FACTS['port_25_held_by']}"
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == holder
