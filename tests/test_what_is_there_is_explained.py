"""Chapter 0 reads what an administrator made, line by line; what Postfix cannot read, or use, is refused early."""

import socket
from pathlib import Path

import pytest
import shaped_host
from applied_host import applied, runbook
from decided import decided
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib.chapters import postfix, preparation
from runbook_lib.errors import ApplyRefused

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
MESS = r"""
cat >> /etc/postfix/main.cf <<'END'
smtpd_use_tls = yes
smtpd_tls_cert_file = ./fullchain.pem
smtpd_recipient_restrictons = reject
virtual_alias_maps = hash:/etc/postfix/virtual,
  lmdb:/etc/postfix/other
# これは EUC-JP
mynetworks = 127.0.0.0/8 192.168.0.0/16
smtp_tls_protocols = TLSv1.2x
END
iconv -f UTF-8 -t EUC-JP /etc/postfix/main.cf > /root/main.cf && cat /root/main.cf > /etc/postfix/main.cf
sed -i 's/$/\r/' /etc/postfix/main.cf
cat >> /etc/postfix/master.cf <<'END'
#submission inet n       -       y       -       -       smtpd
  -o smtpd_sasl_auth_enable=yes
END
"""
# Where it stands (lines from the end of Debian's main.cf and master.cf on), what is said of it, and what happens.
SAID = {
    "main.cf, line 1 ": ("CR LF in 5", "stays"),
    "smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem": ("it is set again in line 49", "you decide"),
    "main.cf, line 48": ("obsolete since Postfix 2.3", "you decide: keep or replace"),
    "main.cf, line 49": ("/var/spool/postfix/./fullchain.pem", "you decide"),
    "main.cf, line 50": ("was smtpd_recipient_restrictions meant?", "by hand"),
    "main.cf, line 51": (
        "virtual.db is not there: mail that needs the table is put off; tables of type lmdb",
        "stays",
    ),
    "main.cf, line 54": ("private: 192.168.0.0/16: behind NAT", "unless you decide: replace"),
    "main.cf, line 55": ("turns TLS off for what it governs", "stays"),
    "-o smtpd_sasl_auth_enable=yes": (
        "the line of submission inet above it is commented out",
        "you decide: replace",
    ),
}


def test_each_line_is_explained_and_nothing_is_touched(lab: Lab) -> None:
    """Relative paths, files that are gone, CR, a misspelt name, options that fell, a network."""
    lab.reset(HOST, "fresh")
    lab.exec(HOST, MESS)
    before = lab.tree(HOST)
    shown = preparation.open("lab", HOST).show_findings()
    rows = shown.text().splitlines()
    for start, (meaning, fate) in SAID.items():
        row = next(row for row in rows if start in row and meaning in row)
        assert fate in row.rpartition("  ")[2], row
    assert "- about: main.cf, smtpd_use_tls" in shown.html()
    assert changed(before, lab.tree(HOST), AT_WORK) == []


# Enterprise Linux 10 has no Berkeley DB: what a line begins with, in which file, and what is said of it.
ON_EL10 = {
    "mynetworks = 127": ("main.cf", "private: 10.0.0.0/8, 192.168.0.0/16"),
    "smtpd_use_tls": ("main.cf", "obsolete since Postfix 2.3"),
    "smtpd_tls_cert_file=": ("main.cf", "smtpd_tls_chain_files takes its place"),
    "smtpd_tls_key_file": ("main.cf", "smtpd_tls_chain_files takes its place"),
    "smtpd_tls_session_cache_database": ("main.cf", "obsolete since Postfix 2.11"),
    "smtpd_tls_protocols": ("main.cf", "it lets in SSLv3, TLSv1, TLSv1.1 on port 25"),
    "smtpd_tls_mandatory_protocols": ("main.cf", "it lets in TLSv1, TLSv1.1 on ports that demand TLS"),
    "smtpd_tls_exclude_ciphers": ("main.cf", "it counts on every port"),
    "smtp_use_tls": ("main.cf", "obsolete since Postfix 2.3"),
    "smtpd_helo_required": ("main.cf", "465 and 587 inherit it"),
    "smtpd_helo_restrictions": ("main.cf", "kept for port 25"),
    "smtpd_milters": ("main.cf", "mail from 465 and 587 goes through it too"),
    "milter_default_action": ("main.cf", "465 and 587 inherit it"),
    "relay_domains": (
        "main.cf",
        "tables of type hash are not built into this Postfix: mail that needs this one",
    ),
    "relocated_maps": (
        "main.cf",
        "tables of type btree are not built into this Postfix: mail that needs this one",
    ),
    "smtp ": ("master.cf", "verification of port 25 depends on it"),
    "smtps ": ("master.cf", "chapter 2 writes it"),
    "submission ": ("master.cf", "chapter 2 writes it"),
}


def test_a_server_of_2013_that_came_to_enterprise_linux_10_is_explained(lab: Lab) -> None:
    """Two tables of the administrator's own can no longer be opened; what is of the host's type is fine."""
    lab.reset("el10", "lived-in-postscreen")
    own = r"relay_domains = hash:/etc/postfix/relay\nrelocated_maps = btree:/etc/postfix/relocated\n"
    lab.exec("el10", f"printf '{own}' >> /etc/postfix/main.cf")
    rows = preparation.open("lab", "el10").show_findings().text().splitlines()
    found = {row.split("  ")[0]: row for row in rows[2:] if ", line " in row.split("  ")[0]}
    lines = {
        file: lab.exec("el10", f"cat /etc/postfix/{file}").splitlines() for file in ("main.cf", "master.cf")
    }
    expected = {}
    for start, (file, words) in ON_EL10.items():
        number = next(n for n, line in enumerate(lines[file], 1) if line.startswith(start.encode()))
        expected[f"{file}, line {number}"] = words
    assert found.keys() == expected.keys()
    assert [where for where, words in expected.items() if words not in found[where]] == []
    assert "convert it with postmap to lmdb" in next(row for row in rows if "relay_domains = hash:" in row)


def test_nothing_is_remarked_on_where_the_package_was_only_installed(lab: Lab, host_name: str) -> None:
    lab.reset(host_name, "fresh")
    rows = preparation.open("lab", host_name).show_findings().text().splitlines()
    found = [row for row in rows[2:] if row and not row.startswith(("[", "main.cf, not in it"))]
    assert found == []


def test_a_configuration_that_cannot_be_read_fails_its_host_alone(lab: Lab) -> None:
    """Two hosts, one with a line of three columns."""
    for host in ("debian12", "debian13"):
        lab.reset(host, "fresh")
    lab.exec("debian12", "sed -i '16s/.*/smtp inet n/' /etc/postfix/master.cf")
    before = lab.tree("debian12")
    assert "master.cf, line 16" in preparation.open("lab", "debian12").show_findings().text()
    done = runbook("apply", "--host", "debian12", "--host", "debian13", "--only", "11-key-and-csr")
    assert done.returncode == 1
    assert "debian12: master.cf line 16 cannot be parsed" in done.stdout + done.stderr
    assert "debian13: changed 2 things" in done.stdout
    with pytest.raises(ApplyRefused, match=r"master\.cf line 16 cannot be parsed"):
        postfix.open("lab", "debian12", mode="plan")
    assert changed(before, lab.tree("debian12"), AT_WORK) == []


def test_a_key_that_does_not_fit_its_certificate_is_refused_before_anything(lab: Lab) -> None:
    """A new key in place, which the certificate is not for; TLS goes on with the old pair."""
    applied(lab, HOST)
    old = served(lab)
    new = "openssl genrsa -out /root/new.key 2048 2>/dev/null; install -m 600 /root/new.key"
    lab.exec(HOST, f"{new} /etc/ssl/private/nopass_mail-server.key")
    before = lab.tree(HOST)
    done = runbook("apply", "--host", HOST, "--only", "20-postfix-debian")
    assert done.returncode == 1
    public = lab.exec(
        HOST, "openssl pkey -in /root/new.key -pubout -outform DER | sha256sum | cut -c1-64"
    ).decode()
    told = " ".join((done.stdout + done.stderr).split())
    assert (
        f"/etc/ssl/private/nopass_mail-server.key (SHA-256 of its public half {public.strip()}) does not fit"
        in told
    )
    assert "/etc/ssl/certs/mail-server.pem (" in told
    assert served(lab) == old
    assert changed(before, lab.tree(HOST), AT_WORK) == []


def test_a_pair_of_the_administrators_that_does_not_fit_is_refused(lab: Lab, tmp_path: Path) -> None:
    """smtpd_tls_chain_files overrides the other entries, and the file that it names has a newer key."""
    lab.reset(HOST, "signed")
    lab.exec(
        HOST,
        "cat /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/mail-server.pem > /etc/ssl/private/combined.pem\n"
        "postconf -e smtpd_tls_chain_files=/etc/ssl/private/combined.pem",
    )
    before = lab.tree(HOST)
    kept = decided(lab, tmp_path, {"main.cf, smtpd_tls_chain_files": "keep"})
    with pytest.raises(ApplyRefused, match="do not fit each other") as refusal:
        shaped_host.applied(inventory=kept)
    assert str(refusal.value).count("/etc/ssl/private/combined.pem (") == 2
    assert changed(before, lab.tree(HOST), AT_WORK) == []


def served(lab: Lab) -> bytes:
    """The certificate that 465 shows, DER."""
    address = lab.host(HOST).address, 465
    with socket.create_connection(address, timeout=20) as plain, shaped_host.BLIND.wrap_socket(plain) as tls:
        return tls.getpeercert(binary_form=True) or b""
