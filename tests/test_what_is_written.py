"""What is written: files keep what they have beside their bytes, and smtpd was asked whether it takes them."""

import os
import re
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from applied_host import run_chapters, runbook
from decided import decided
from shaped_host import HOST, WITH_SASL, applied
from supported import postfix_chapter
from trees import AT_WORK, MAY_DIFFER, changed

from lab import Lab, Prepared
from lab.podman import podman
from runbook_lib.chapters import postfix
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.configuration.postconf import _SH
from runbook_lib.records import origin
from runbook_lib.remote.journal import FUNCTIONS

# What chapter 2 writes of what is there before it: Debian has no smtpd.conf until then, Enterprise Linux no settings of
# saslauthd, and its smtpd.conf says what is wanted already.
WRITTEN = {
    "debian12": ("/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/default/saslauthd"),
    "el9": ("/etc/postfix/main.cf", "/etc/postfix/master.cf"),
}
READ = "/etc/sasl2/smtpd.conf"
STATES: dict[str, str | Prepared] = {"debian12": WITH_SASL, "el9": "signed"}
# An administrator's own: files in a repository, a relay's password in main.cf, a note beside a file's bytes.
LINKED = """
postconf -e 'smtp_sasl_password_maps = inline:{{ relay.example.test=user:not-for-all }}'
mkdir -p /srv/etc
for file in {}; do mv $file /srv/etc; ln -s /srv/etc/${{file##*/}} $file; done
chown root:postfix /srv/etc/main.cf; chmod 0640 /srv/etc/main.cf; chmod 0600 /srv/etc/master.cf
"""
STATE = "stat -L -c '%n %F %a %U:%G' {0}; readlink {0}"
# A note of an administrator, and an ACL that lets one user more read the file (acl(5): user 4242 may read).
BESIDE = {
    "user.note": b"mine",
    "system.posix_acl_access": struct.pack("<I", 2)
    + b"".join(
        struct.pack("<HHI", *entry)
        for entry in (
            (1, 6, 2**32 - 1),
            (2, 4, 4242),
            (4, 4, 2**32 - 1),
            (16, 4, 2**32 - 1),
            (32, 0, 2**32 - 1),
        )
    ),
}
EDITED = "for f in main.cf master.cf; do echo '# note' >> /etc/postfix/$f; done"
# No rule of ours knows it.
REFUSED = {
    "a time without a unit": (
        "postconf -e smtpd_timeout=5x",
        "fatal: parameter smtpd_timeout: bad time value",
    ),
}
# These are known, and no decision of the inventory makes them good.
KNOWN = {
    "an empty list of ciphers": (
        "tls_medium_cipherlist=",
        "smtpd does not start with an empty list of ciphers",
    ),
    "a list that would make an open relay": (
        "smtpd_relay_restrictions=permit_mynetworks",
        "smtpd does not start with it",
    ),
}


def beside(lab: Lab, host: str, paths: Sequence[str]) -> bytes:
    """What the files are, but for their bytes."""
    return lab.exec(host, STATE.format(" ".join(paths)))


@contextmanager
def mounted(lab: Lab, host: str) -> Iterator[str]:
    """Where this machine sees the host's files."""
    try:
        yield podman("mount", lab.host(host).container).stdout.decode().strip()
    finally:
        podman("umount", lab.host(host).container)


@pytest.mark.parametrize(
    ("host", "since"),
    [("debian12", ""), ("debian12", EDITED), ("el9", "")],
    ids=["debian12", "edited", "el9"],
)
def test_owner_mode_attributes_and_links_stay_at_apply_and_come_back(lab: Lab, host: str, since: str) -> None:
    """Also where somebody edited main.cf and master.cf since, and a rollback goes by value."""
    lab.reset(host, STATES[host])
    linked = WRITTEN[host] if host == "debian12" else (*WRITTEN[host], READ)
    lab.exec(host, LINKED.format(" ".join(linked)))
    with mounted(lab, host) as root:
        main = f"{root}/srv/etc/main.cf"
        for name, value in BESIDE.items():
            os.setxattr(main, name, value)
        before, tree = beside(lab, host, linked), lab.tree(host)
        notebook = postfix_chapter(host)
        told = postfix.open("lab", host, "plan", notebook=notebook).differences().text()
        run, _ = run_chapters(host, chapters=(notebook,))
        assert beside(lab, host, linked) == before
        assert {name: os.getxattr(main, name) for name in BESIDE} == BESIDE
        assert lab.exec(host, "postconf -h smtpd_tls_mandatory_ciphers") == b"high\n"
        lab.exec(host, since or ":")
        assert runbook("rollback", run).returncode == 0
        assert beside(lab, host, linked) == before
        assert {name: os.getxattr(main, name) for name in BESIDE} == BESIDE
    for path in WRITTEN[host]:
        assert f"{path}  a link to /srv/etc/{PurePosixPath(path).name}" in re.sub(r" {2,}", "  ", told)
    edited = ("/srv/etc/main.cf", "/srv/etc/master.cf") if since else ()
    assert changed(tree, lab.tree(host), (*MAY_DIFFER, *AT_WORK, *edited)) == []


@contextmanager
def barred(lab: Lab, kind: str) -> Iterator[None]:
    """Keep main.cf from being replaced, from this machine: a host of the lab may not."""
    pid = str(podman("inspect", "-f", "{{.State.Pid}}", lab.host(HOST).container).stdout.decode().strip())
    path = "/etc/postfix/main.cf"

    def inside(*words: str) -> None:
        subprocess.run(["nsenter", "-t", pid, "-m", "-p", *words], check=True, timeout=20)

    ways = {
        "a mount point": (["mount", "--bind", path, path], ["umount", path]),
        "immutable": (["chattr", "+i", path], ["chattr", "-i", path]),
    }
    on, off = ways[kind]
    inside(*on)
    try:
        yield
    finally:
        inside(*off)


@pytest.mark.parametrize("kind", ["a mount point", "immutable"])
def test_what_cannot_be_replaced_is_said_by_plan_and_doctor_and_nothing_is_begun(lab: Lab, kind: str) -> None:
    lab.reset(HOST, WITH_SASL)
    tree = lab.tree(HOST)
    with barred(lab, kind):
        chapter = postfix.open("lab", HOST)
        assert f"/etc/postfix/main.cf  {kind}" in chapter.differences().text()
        with pytest.raises(ApplyRefused, match=f"/etc/postfix/main.cf: {kind}") as refusal:
            chapter.apply(chapter.plan_sasl())
        assert "Nothing was changed." in str(refusal.value)
        assert f"/etc/postfix/main.cf: {kind}" in runbook("doctor", HOST).stdout
    assert changed(tree, lab.tree(HOST), AT_WORK) == []


def test_a_slash_in_a_service_is_no_end_of_it(lab: Lab) -> None:
    """Put back by value: one line, and two of one name."""
    lab.reset(HOST, WITH_SASL)
    head = f"{FUNCTIONS}\n{_SH}\n_master=/etc/postfix/master.cf\n"
    one = "scan unix - n n - - pipe user=nobody argv=/bin/echo a / b"
    for lines in ([one], [one, f"{one} / c"]):
        text = "\v".join(lines).replace("\v", "$(printf '\\v')")
        lab.exec(HOST, f'{head}service_put scan/unix "{text}"')
        told = lab.exec(HOST, "postconf -M scan/unix").decode().splitlines()
        assert [" ".join(line.split()) for line in told] == lines
    lab.exec(HOST, f"{head}service_put scan/unix ''")
    assert lab.exec(HOST, "postconf -M scan/unix") == b""


def test_a_certificate_is_never_written_through_a_link(lab: Lab) -> None:
    """A link there leads into another program's store as a rule."""
    lab.reset(HOST, WITH_SASL)
    link = PurePosixPath("/etc/ssl/private/csr_mail-server.pem")
    lab.exec(HOST, f"mv {link} /root/other; ln -s /root/other {link}; echo x > /root/other")
    with pytest.raises(ApplyRefused, match=f"{link}: a link to /root/other"):
        applied(chapter="11-key-and-csr")
    assert lab.exec(HOST, "cat /root/other") == b"x\n"


@pytest.mark.parametrize(("shape", "words"), REFUSED.values(), ids=REFUSED)
def test_what_smtpd_refuses_is_refused_before_the_first_change(lab: Lab, shape: str, words: str) -> None:
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, shape)
    before = lab.tree(HOST)
    chapter = postfix.open("lab", HOST)
    with pytest.raises(ApplyRefused, match="smtpd refuses the configuration as it would be") as refusal:
        chapter.apply(chapter.plan_sasl())
    assert words in str(refusal.value)
    assert "Nothing was changed." in str(refusal.value)
    assert changed(before, lab.tree(HOST), AT_WORK) == []
    assert lab.exec(HOST, "ls -d /run/tmp.* 2>/dev/null || :; pgrep -fc 'master -c /run' || :") == b"0\n"
    assert b"10025" not in lab.exec(HOST, "journalctl -b -o cat")


@pytest.mark.parametrize(("setting", "words"), KNOWN.values(), ids=KNOWN)
def test_what_is_known_to_stop_smtpd_is_no_setting_that_stays(lab: Lab, setting: str, words: str) -> None:
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, f"postconf -e {setting}")
    chapter = postfix.open("lab", HOST)
    row = next(line for line in chapter.differences().text().splitlines() if setting.split("=")[0] in line)
    assert "you decide" in row
    with pytest.raises(ApplyRefused, match=words):
        chapter.apply(chapter.plan_sasl())


def test_what_smtpd_takes_is_written_and_the_record_says_that_it_was_tried(lab: Lab) -> None:
    """Also said in the plan."""
    lab.reset(HOST, WITH_SASL)
    _, planned = applied("plan")
    assert any("Tried at apply, before the first change" in text for text in planned)
    run, shown = applied()
    assert "passed" in shown[-1]
    record = (origin.root() / run / HOST / "20-postfix-debian.json").read_text()
    assert "Tried by a second Postfix on loopback before it was written: smtpd takes it." in record
    assert lab.exec(HOST, "postconf -h queue_directory") == b"/var/spool/postfix\n"


def test_an_empty_list_of_ciphers_is_taken_out_where_a_person_decides_it(lab: Lab, tmp_path: Path) -> None:
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, "postconf -e tls_medium_cipherlist=; touch -d '9 seconds ago' /etc/postfix/main.cf")
    before = lab.tree(HOST)
    book = decided(lab, tmp_path, {"main.cf, tls_medium_cipherlist": "replace"})
    run, shown = applied(inventory=book)
    assert "passed" in shown[-1]
    assert lab.exec(HOST, "postconf -n tls_medium_cipherlist") == b""
    assert runbook("rollback", run).returncode == 0
    assert lab.exec(HOST, "postconf -n tls_medium_cipherlist") == b"tls_medium_cipherlist =\n"
    assert changed(before, lab.tree(HOST), (*MAY_DIFFER, *AT_WORK)) == []


SOCKET = "/var/spool/postfix/var/run/saslauthd"
WIDE = {
    "root root 755": "everybody on the host may try passwords there",
    "root sasl 755": "everybody on the host may try passwords there",
    "root mail 710": "group mail may open it, and Postfix may not",
}


def test_a_socket_that_others_may_open_is_a_persons_decision(lab: Lab) -> None:
    """Debian 12's start script makes the socket's directory as dpkg-statoverride(1) says, where it is missing."""
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, f"systemctl stop saslauthd; rm -rf {SOCKET}")
    for override, words in WIDE.items():
        lab.exec(HOST, f"dpkg-statoverride --add {override} {SOCKET}")
        tree = lab.tree(HOST)
        chapter = postfix.open("lab", HOST)
        with pytest.raises(ApplyRefused, match=words):
            chapter.apply(chapter.plan_sasl())
        assert changed(tree, lab.tree(HOST), AT_WORK) == []
        lab.exec(HOST, f"dpkg-statoverride --remove {SOCKET}")
    applied()
    lab.exec(HOST, f"chmod 755 {SOCKET}")
    assert "1 change made" in applied()[1][-1]
    assert lab.exec(HOST, f"stat -c '%a %U:%G' {SOCKET}") == b"710 root:sasl\n"
