"""The choice of a mail server, firewalld, crypto policies, SELinux, releases past their end: Enterprise Linux alone."""

import json
import re
import socket
import ssl
from typing import Any

import pytest
from applied_host import run_cells, run_chapters, runbook
from supported import postfix_chapter
from test_mail_on_an_applied_host import log_in
from test_promises_failed_verification import FORWARD
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab, Prepared
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused, VerificationFailed
from runbook_lib.records import origin, root

HOST = "el9"
CHAPTER = postfix_chapter(HOST)
FLOOR = "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"


# A fresh host with key and certificate, and the stand-in of another mail server, which takes what it can get.
WITH_SENDMAIL = Prepared("with-sendmail", "signed", script="dnf -q -y install sendmail")


def record(chapter: str = CHAPTER) -> dict[str, object]:
    """The record of the chapter that ran last in this process."""
    found: dict[str, object] = json.loads(
        (root() / origin.current_run() / HOST / f"{chapter}.json").read_bytes()
    )
    return found


def test_another_mail_server_has_the_names_and_pams_service_and_gets_them_back(lab: Lab) -> None:
    """Where sendmail was installed beside Postfix every login is denied, and nothing in Postfix's settings says why."""
    lab.reset(HOST, WITH_SENDMAIL)
    links = "readlink -f /usr/sbin/sendmail /usr/bin/mailq /etc/pam.d/smtp; alternatives --display mta | head -n 2"
    before, tree = lab.exec(HOST, links), lab.tree(HOST)
    assert b"/etc/pam.d/smtp.sendmail" in before
    run, (summary,) = run_chapters(HOST, chapters=(CHAPTER,))
    assert "outcome   passed" in summary
    after = lab.exec(HOST, links)
    assert b"/etc/pam.d/smtp.postfix" in after
    assert b"status is manual" in after
    assert log_in(lab.host(HOST).address, "hanako", lab.secret("hanako")) == 235
    assert runbook("rollback", run, "--host", HOST).returncode == 0
    assert lab.exec(HOST, links) == before
    # Postfix had not run there before, so its sockets are new; the choice is the same in a file written anew.
    allowed = (*MAY_DIFFER, *AT_WORK, "/var/lib/alternatives/mta")
    assert changed(tree, lab.tree(HOST), allowed) == []


def test_an_apply_that_is_proved_wrong_puts_choice_and_firewall_back(lab: Lab) -> None:
    lab.reset(HOST, WITH_SENDMAIL)
    lab.exec(HOST, FORWARD)
    links = "readlink -f /usr/sbin/sendmail /etc/pam.d/smtp; alternatives --display mta | head -n 2"
    before = lab.exec(HOST, links), zone(lab)
    with pytest.raises(VerificationFailed, match="the host is as it was before the chapter"):
        run_cells(CHAPTER, host=HOST)
    assert (lab.exec(HOST, links), zone(lab)) == before
    assert lab.exec(HOST, "rpm -q cyrus-sasl-plain || :").endswith(b"is not installed\n")


def test_a_mail_server_that_takes_mail_is_not_pushed_aside(lab: Lab) -> None:
    """Whether another one goes is a person's decision; apply is refused, and it goes on."""
    lab.reset(HOST, "signed")
    other = 'import socket, time; s = socket.create_server(("", 25)); time.sleep(600)'
    lab.exec(HOST, "systemctl disable -q --now postfix")
    lab.exec(HOST, f"systemd-run -q --unit other /usr/bin/python3 -c '{other}'")
    lab.exec(HOST, "timeout 20 sh -c 'until ss -Htln sport = :25 | grep -q .; do sleep 0.05; done'")
    with pytest.raises(ApplyRefused, match="another mail server takes the mail here") as refused:
        run_cells(CHAPTER, host=HOST)
    assert "running on port 25: python3" in str(refused.value)
    assert lab.exec(HOST, "ls /var/lib/runbook | wc -l") == b"1\n"  # of the chapters before
    assert lab.exec(HOST, "ss -Hltn 'sport = :25' | wc -l") == b"1\n"


def zone(lab: Lab) -> tuple[bytes, bytes]:
    """The zone as it is now, and as it will be after a restart."""
    return lab.exec(HOST, "firewall-cmd --list-all"), lab.exec(HOST, "firewall-cmd --permanent --list-all")


def test_firewalld_gets_three_services_in_both_configurations_and_keeps_what_is_its_own(lab: Lab) -> None:
    """What somebody opened for the time being is lost by a reload of firewalld, so there is none."""
    lab.reset(HOST, "signed")
    lab.exec(
        HOST,
        "firewall-cmd -q --add-port=8025/tcp; firewall-cmd -q --permanent --add-rich-rule="
        "'rule family=ipv4 source address=192.0.2.9 reject'; firewall-cmd -q --add-service=smtp",
    )
    before = zone(lab)
    run, _ = run_chapters(HOST, chapters=(CHAPTER,))
    running, permanent = zone(lab)
    for listed in (running, permanent):
        services = re.search(rb"services: (.*)", listed)
        assert services
        assert set(services[1].split()) >= {b"ssh", b"smtp", b"smtps", b"smtp-submission"}
    assert b"8025/tcp" in running
    assert b"8025/tcp" not in permanent
    assert b"192.0.2.9" in permanent
    for port in (25, 465, 587):
        socket.create_connection((lab.host(HOST).address, port), timeout=10).close()
    assert runbook("rollback", run, "--host", HOST).returncode == 0
    assert zone(lab) == before


def test_where_firewalld_does_not_run_nothing_of_it_is_touched(lab: Lab) -> None:
    lab.reset(HOST, "signed")
    lab.exec(HOST, "systemctl disable -q --now firewalld")
    before = lab.tree(HOST, "/etc/firewalld")
    shown = [repr(one) for one in run_cells(CHAPTER, host=HOST)]
    assert any("firewalld does not run here" in one for one in shown)
    assert lab.tree(HOST, "/etc/firewalld") == before


def test_addresses_that_an_administrator_chose_are_his_to_decide(lab: Lab) -> None:
    lab.reset(HOST, "signed")
    lab.exec(
        HOST,
        f"postconf -e 'inet_interfaces = 127.0.0.1, {lab.host(HOST).address}'; systemctl restart postfix",
    )
    with pytest.raises(ApplyRefused, match=r"main\.cf, inet_interfaces"):
        run_cells(CHAPTER, host=HOST)


def test_the_record_says_what_was_tried_on_what(lab: Lab) -> None:
    """A host with the layout must not pass for CentOS, nor an absent SELinux for one that was asked.

    Cyrus SASL is there without its PLAIN, as minimal installs have it: the plan has the package.
    """
    lab.reset(HOST, "signed")
    lab.exec(HOST, "dnf -q -y install cyrus-sasl; ! rpm -q cyrus-sasl-plain")
    shown = [repr(one) for one in run_cells(CHAPTER, host=HOST)]
    assert any("packages cyrus-sasl-plain are installed" in one for one in shown)
    lab.exec(HOST, "rpm -q cyrus-sasl-plain")
    assert log_in(lab.host(HOST).address, "hanako", lab.secret("hanako"), 587) == 235
    assert any("Lab host with the layout of Enterprise Linux 9, not CentOS" in one for one in shown)
    assert any("DEFAULT; it does not reach smtpd" in one for one in shown)
    facts = record()["facts"]
    assert isinstance(facts, dict)
    assert facts["variant"] == "el-layout-lab"
    assert "not CentOS" in facts["system"]
    assert facts["selinux"] == "Disabled"
    assert facts["crypto_policy"] == "DEFAULT"
    steps: list[dict[str, Any]] = record()["steps"]  # type: ignore[assignment]
    verdicts = {step["claim"]: step["verdict"] for step in steps if step["kind"] == "verify"}
    assert verdicts["Each file has the label that SELinux's policy gives its place"] == "not tested"
    # Each file that is written gets its label behind it, and SELinux stays as it is.
    commands = [change["commands"] for step in steps if step["kind"] == "plan" for change in step["changes"]]
    for path in (
        "/etc/pam.d/smtp.postfix",
        "/etc/pki/tls/private/postfix_mail-server.pem",
        "/etc/postfix/main.cf",
    ):
        assert any(re.search(rf"\nrestorecon -i .*{re.escape(path)}", text) for text in commands), path
    assert not any("setenforce" in text or "permissive" in text.lower() for text in commands)
    assert lab.exec(HOST, "getenforce") == b"Disabled\n"


def test_the_floor_is_smtpds_own_and_not_the_crypto_policys(lab: Lab) -> None:
    """The policy forbids TLS 1.1 to programs; smtpd takes it until main.cf says no."""
    lab.reset(HOST, "signed")
    lab.exec(
        HOST, "firewall-cmd -q --add-service=smtp; postconf -e inet_interfaces=all; systemctl restart postfix"
    )
    assert lab.exec(HOST, "update-crypto-policies --show") == b"DEFAULT\n"
    assert handshake(lab, 25, ssl.TLSVersion.TLSv1_1) == "TLSv1.1"
    lab.reset(HOST, "signed")
    run_cells(CHAPTER, host=HOST)
    assert handshake(lab, 587, ssl.TLSVersion.TLSv1_1) == "refused"
    assert handshake(lab, 587, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


def handshake(lab: Lab, port: int, version: ssl.TLSVersion) -> str:
    """STARTTLS in this version and no other: the version, or 'refused'."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection((lab.host(HOST).address, port), timeout=20) as plain:
        for line in (b"", b"EHLO client.example\r\n", b"STARTTLS\r\n"):
            plain.sendall(line)
            answer = b""
            while not re.search(rb"^\d{3} .*\r\n", answer, flags=re.MULTILINE):
                answer += plain.recv(4096)
        try:
            with context.wrap_socket(plain) as secure:
                return str(secure.version())
        except ssl.SSLError:
            return "refused"


@pytest.mark.parametrize(
    ("version", "service", "pair"),
    [
        ("2.10", "smtps", "smtpd_tls_cert_file"),
        ("3.5", "smtps", "smtpd_tls_chain_files"),
        ("3.8", "submissions", "smtpd_tls_chain_files"),
    ],
)
def test_what_is_chosen_for_a_version_that_cannot_be_had_works_on_the_one_that_can(
    lab: Lab, version: str, service: str, pair: str
) -> None:
    """Before 2.11 master.cf is edited as text. Asked from outside: handshakes, logins, a refused relay."""
    lab.reset(HOST, "signed")
    own = "# ours\n127.0.0.1:10025 inet n - n - - smtpd\n  # inside\n  -o content_filter=\n"
    lab.exec(HOST, f"printf '%s' '{own}' >> /etc/postfix/master.cf; postfix reload")
    tree = lab.tree(HOST)
    chapter = postfix.open("lab", HOST, notebook=CHAPTER, chosen_for=version)
    assert f"chosen for {version}, run on 3.7" in chapter.text()
    shells = []
    for plan in (
        chapter.plan_packages,
        chapter.plan_sasl,
        chapter.plan_joined_file,
        chapter.plan_settings,
        chapter.plan_services,
        chapter.plan_firewall,
        chapter.plan_taking_up,
    ):
        made = plan()
        shells.append(made.as_shell())
        chapter.apply(made)
    assert bool(re.search(r"postconf -c \S+ -M ", "\n".join(shells))) == (version != "2.10")
    assert lab.exec(HOST, f"postconf -n {pair}").startswith(pair.encode())
    assert lab.exec(HOST, "postconf -h smtpd_tls_mandatory_protocols").decode().strip() == FLOOR
    assert lab.exec(HOST, "postconf -hx mynetworks_style") == b"host\n"
    listed = lab.exec(HOST, "postconf -M").decode()
    assert re.search(rf"^{service} +inet", listed, flags=re.MULTILINE)
    assert own in lab.exec(HOST, "cat /etc/postfix/master.cf").decode()
    assert "10025" in listed
    for port in (465, 587):
        assert log_in(lab.host(HOST).address, "hanako", lab.secret("hanako"), port) == 235
        assert log_in(lab.host(HOST).address, "hanako", "wrong", port) == 535
    assert "outcome   passed" in run_cells("90-verification", host=HOST, mode="apply")[-1].text()
    assert record()["facts"]["postfix"] == f"chosen for {version}, run on 3.7.11"  # type: ignore[index]
    assert chapter.plan_services().is_empty  # the second time there is nothing to do
    chapter.put_back()
    assert changed(tree, lab.tree(HOST), tuple(MAY_DIFFER)) == []
