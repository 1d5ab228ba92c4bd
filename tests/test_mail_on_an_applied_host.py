"""What users, strangers and administrators meet on a host as the chapters leave it, on each family."""

import base64
import os
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from applied_host import applied, run_cells
from ruamel.yaml import YAML
from smuggling import answers, one_message_is_one
from supported import ONE_OF_EACH_FAMILY, family_of, postfix_chapter

from lab import Lab
from runbook_lib.chapters import postfix
from runbook_lib.remote.change import Plan

RENEWALS = 10 if "RUNBOOK_LONG" in os.environ else 3
BLIND = ssl.create_default_context()
BLIND.check_hostname, BLIND.verify_mode = False, ssl.CERT_NONE  # trust is what notebook 90 asks about


@pytest.fixture(params=ONE_OF_EACH_FAMILY)
def host(lab: Lab, request: pytest.FixtureRequest) -> str:
    """As the chapters leave it on a server with Postfix just installed."""
    name: str = request.param
    applied(lab, name, "fresh")
    return name


def log_in(address: str, user: str, password: str, port: int = 465) -> int:
    """The reply to AUTH PLAIN, UTF-8 as today's clients send it (RFC 4616)."""
    word = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    if port == 465:
        with smtplib.SMTP_SSL(address, port, timeout=60, context=BLIND) as client:
            client.ehlo("client.example")
            return client.docmd("AUTH", f"PLAIN {word}")[0]
    with smtplib.SMTP(address, port, timeout=60) as client:
        client.starttls(context=BLIND)
        client.ehlo("client.example")
        return client.docmd("AUTH", f"PLAIN {word}")[0]


def verified(host: str) -> str:
    return str(run_cells("90-verification", host=host, mode="apply")[-1].text())


def test_everything_is_proved_after_a_reload_a_restart_and_a_reboot(lab: Lab, host: str) -> None:
    """/run is empty after a reboot; on Debian the socket is in the chroot, for its group alone."""
    family = family_of(host)
    owner = b"root:sasl 710\n" if family.saslauthd_group else b"root:root 755\n"
    for change in ("postfix reload", "systemctl restart saslauthd postfix", "reboot"):
        if change == "reboot":
            lab.reboot(host)
        else:
            lab.exec(host, change)
        assert "outcome   passed" in verified(host), change
        assert lab.exec(host, f"stat -c '%U:%G %a' {family.saslauthd_socket_directory}") == owner
        parents = "ps -o ppid= -C saslauthd | sort -u | wc -l"
        assert lab.exec(host, parents) == b"2\n", "one daemon and its workers"


def test_a_password_with_every_hard_letter_logs_in_on_both_ports(lab: Lab, host: str) -> None:
    """Blanks, quotes and letters outside ASCII reach PAM as they were typed."""
    address = lab.host(host).address
    for port in (465, 587):
        assert log_in(address, "tarou", lab.secret("tarou"), port) == 235
        assert log_in(address, "tarou", lab.secret("tarou") + "x", port) == 535


def test_two_hundred_logins_at_once_are_all_answered_right(lab: Lab, host: str) -> None:
    """A burst in the morning, a wrong one among ten."""
    address, right = lab.host(host).address, lab.secret("hanako")
    asked = [right if number % 10 else "wrong" for number in range(200)]
    with ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda password: log_in(address, "hanako", password), asked))
    assert [reply == 235 for reply in replies] == [password == right for password in asked]
    assert set(replies) == {235, 535}


def test_root_a_locked_account_and_a_former_password_do_not_log_in(lab: Lab, host: str) -> None:
    """Nothing is cached."""
    address, old = lab.host(host).address, lab.secret("hanako")
    lab.exec(host, "echo 'root:known-to-all' | chpasswd")
    assert log_in(address, "root", "known-to-all") == 535
    assert log_in(address, "hanako", old) == 235
    lab.exec(host, "echo 'hanako:changed-just-now' | chpasswd")
    assert log_in(address, "hanako", old) == 535
    assert log_in(address, "hanako", "changed-just-now") == 235
    lab.exec(host, "usermod -L hanako")
    assert log_in(address, "hanako", "changed-just-now") == 535


def test_mail_flows_for_users_and_strangers_and_nobody_else_relays(lab: Lab, host: str) -> None:
    address = lab.host(host).address
    kensa = f"kensa@{lab.host(host).release.hostname}"
    letter = "From: {0}\nTo: kensa\nSubject: {0}\n\nhello\n"
    with lab.outsider() as outside:
        with smtplib.SMTP(address, 25, timeout=30, source_address=(outside.address4, 0)) as stranger:
            assert stranger.sendmail("s@example.org", [kensa], letter.format("stranger")) == {}
            stranger.ehlo()
            stranger.mail("s@example.org")
            assert stranger.rcpt("somebody@example.net")[0] in (454, 554)
        with smtplib.SMTP_SSL(address, 465, context=BLIND, source_address=(outside.address4, 0)) as user:
            user.ehlo("phone")
            user.mail("hanako@example.test")
            assert user.rcpt("somebody@example.net")[0] == 554
            user.rset()
            user.login("hanako", lab.secret("hanako"))
            assert user.sendmail("hanako@example.test", [kensa], letter.format("user")) == {}
    deadline = time.monotonic() + 20
    while (mail := lab.exec(host, "cat /var/mail/kensa 2>/dev/null || :").decode()).count("\nSubject: ") < 2:
        assert time.monotonic() < deadline, mail
        time.sleep(0.2)
    by_user = next(part for part in mail.split("\nFrom ") if "Subject: user" in part)
    assert "with ESMTPSA" in by_user
    assert "using TLSv1.3" in by_user


def test_a_newline_alone_ends_no_message_where_this_postfix_can_see_to_it(lab: Lab, host: str) -> None:
    """Postfix 3.10 has the guard on; 3.7 has it off until somebody decides, and can refuse such lines."""
    address, to = lab.host(host).address, f"kensa@{lab.host(host).release.hostname}"
    is_on = lab.exec(host, "postconf -h smtpd_forbid_bare_newline") != b"no\n"
    assert is_on == (host == "debian13")
    with lab.outsider() as outside:
        assert one_message_is_one(address, outside.address4, to) == is_on
        # Not by a reload: a waiting smtpd may take one connection more before it hears of that.
        lab.exec(
            host,
            "postconf -e smtpd_forbid_bare_newline=reject; systemctl restart postfix",
        )
        refused = answers(address, outside.address4, to, b"Subject: one\r\n\r\nhello\nagain\r\n.\r\n")
        assert refused[0] == 550
        assert refused[1].endswith(b"Error: bare <LF> received")
    assert lab.exec(host, "postconf 2>&1 > /dev/null") == b""


@pytest.fixture
def handshakes(lab: Lab, host: str) -> Iterator[list[str]]:
    """Some 200 handshakes a second with 465, all along; what failed, and 'ok' where the server greeted inside TLS."""
    seen: list[str] = []
    ended = threading.Event()
    address = lab.host(host).address
    clients, each_s = 32, 32 / 230  # a reload holds them up, so between two reloads they ask faster

    def knock() -> None:
        at = time.monotonic()
        while not ended.is_set():
            try:
                with (
                    socket.create_connection((address, 465), timeout=20) as plain,
                    BLIND.wrap_socket(plain) as inside,
                ):
                    greeting = inside.recv(512)
                    inside.sendall(b"QUIT\r\n")
                seen.append("ok" if greeting.startswith(b"220 ") else repr(greeting))
            except OSError as error:
                seen.append(repr(error))
            at = max(at + each_s, time.monotonic() - each_s)  # what was missed is not made up for in a burst
            ended.wait(max(0.0, at - time.monotonic()))

    threads = [threading.Thread(target=knock) for _ in range(clients)]
    for thread in threads:
        thread.start()
    yield seen
    ended.set()
    for thread in threads:
        thread.join()


def test_no_handshake_fails_while_key_and_certificate_are_renewed(
    lab: Lab, host: str, handshakes: list[str], record_property: Callable[[str, object], None]
) -> None:
    """New keys, each with its certificate, one file renamed into place each time; ten of them by `make faults`.

    The pairs are openssl's, in place of those of chapters 1-1 and 1-2: what smtpd reads is chapter 2's file.
    """
    # Else journald drops lines at such a rate, and the one that matters may be among them.
    unlimited = "printf '[Journal]\\nRateLimitBurst=0\\n' > /etc/systemd/journald.conf.d/all.conf"
    lab.exec(host, f"mkdir -p /etc/systemd/journald.conf.d; {unlimited}; systemctl restart systemd-journald")
    new_pair = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=again -days 9"
        f" -keyout {family_of(host).key_directory}/nopass_mail-server.key"
        f" -out {family_of(host).certificate_directory}/mail-server.pem 2>/dev/null"
    )
    taken_up: list[str] = []
    before, begun = len(handshakes), time.monotonic()
    for _ in range(RENEWALS):
        lab.exec(host, new_pair)
        chapter = postfix.open("lab", host, notebook=postfix_chapter(host))
        plan = chapter.plan_joined_file()
        assert not plan.is_empty
        chapter.apply(plan)
        chapter.apply(chapter.plan_taking_up())
        taken_up.append(shown_anew(lab.host(host).address, taken_up))
    made, seconds = len(handshakes) - before, time.monotonic() - begun
    told = f"{host}: {RENEWALS} new keys during {made} handshakes, {made / seconds:.0f} a second, none failed"
    record_property("figure", told)
    assert set(handshakes) == {"ok"}
    assert len(set(taken_up)) == RENEWALS
    assert made > 60 * RENEWALS  # 200 a second on a machine with nothing else to do
    log = lab.exec(host, "journalctl --no-pager -q -o cat SYSLOG_FACILITY=2")
    assert log.count(b"TLS connection established") > made
    assert b"mismatch" not in log


def shown_anew(address: str, before: Collection[str]) -> str:
    """A certificate that 465 did not show before: a waiting smtpd takes one connection more after a reload."""
    deadline = time.monotonic() + 20
    while (shown := ssl.get_server_certificate((address, 465), timeout=20)) in before:
        assert time.monotonic() < deadline, "the old certificate is still shown"
    return shown


def inventory(lab: Lab, folder: Path, host: str, **blocks: object) -> str:
    yaml = YAML()
    book = yaml.load(lab.inventory)
    for name, values in blocks.items():
        book["hosts"][host].setdefault(name, {}).update(values)
    path = folder / "changed.yaml"
    yaml.dump(book, path)
    return str(path)


def test_what_the_inventory_asks_for_on_25_comes_and_goes(lab: Lab, host: str, tmp_path: Path) -> None:
    """AUTH on 25 as the document has it, and a floor there; without the wish 25 is again as it was found."""
    look = "postconf -n smtpd_tls_protocols; postconf -n smtpd_sasl_auth_enable"
    found = lab.exec(host, look)
    asked = inventory(lab, tmp_path, host, submission={"floor_on_25": "TLSv1.2", "auth_on_25": True})
    run_cells(postfix_chapter(host), host=host, inventory=asked)
    set_now = lab.exec(host, look)
    assert b"smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1" in set_now
    assert b"smtpd_sasl_auth_enable = yes" in set_now
    assert "passed" in run_cells("90-verification", host=host, inventory=asked)[-1].text()
    assert log_in(lab.host(host).address, "hanako", lab.secret("hanako"), 25) == 235
    shown = [repr(one) for one in run_cells(postfix_chapter(host), host=host)]
    assert any("the inventory no longer asks for it: as it was found" in one for one in shown)
    assert lab.exec(host, look) == found
    assert "passed" in verified(host)


def test_a_floor_of_user_ids_says_how_many_it_keeps_out(lab: Lab, host: str, tmp_path: Path) -> None:
    asked = inventory(lab, tmp_path, host, sasl={"minimum_uid": 60000})
    chapter = postfix.open(asked, host, mode="plan", notebook=postfix_chapter(host))
    plan = chapter.plan_sasl()
    assert isinstance(plan, Plan)
    assert "sasl.minimum_uid 60000 keeps " in plan.text()
    assert "accounts with a password from logging in" in plan.text()
    assert "uid >= 60000" in plan.text()
