"""A run as the chapters write it: two hosts, a plan with diffs, claims of every verdict, a failure."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from runbook_lib.records import Record

RUN = "20261125T043000Z-3f9a"
COMMON = {
    "mode": "apply", "reason": "MAIL-1184: TLS for submission", "operator": "kanri", "lab": True,
    "inventory_sha256": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
}  # fmt: skip
MAIN_CF = """\
--- /etc/postfix/main.cf
+++ /etc/postfix/main.cf
@@ -24,10 +24,12 @@
 # TLS parameters
-smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
-smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
+smtpd_tls_chain_files = /etc/ssl/private/postfix_mail-server.pem
 smtpd_tls_security_level=may
+smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1
+smtpd_tls_auth_only = yes
+smtpd_relay_restrictions=permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination
 smtp_tls_CApath=/etc/ssl/certs
 smtp_tls_security_level=may
"""
SERVICES = """\
--- /etc/postfix/master.cf
+++ /etc/postfix/master.cf
@@ -17,3 +17,11 @@
 smtp      inet  n       -       y       -       -       smtpd
+submission inet n       -       y       -       -       smtpd
+  -o syslog_name=postfix/submission
+  -o smtpd_tls_security_level=encrypt
+  -o smtpd_sasl_auth_enable=yes
+submissions inet n      -       y       -       -       smtpd
+  -o syslog_name=postfix/submissions
+  -o smtpd_tls_wrappermode=yes
+  -o smtpd_sasl_auth_enable=yes
"""
COMMANDS = """\
postconf -e 'smtpd_tls_chain_files = /etc/ssl/private/postfix_mail-server.pem'
postconf -X smtpd_tls_cert_file smtpd_tls_key_file
postconf -e 'smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1'
postconf -e 'smtpd_tls_auth_only = yes'
postfix check && systemctl reload postfix"""
FACTS = {
    "family": "Debian", "release": "Debian GNU/Linux 12 (bookworm)", "postfix": "3.7.11",
    "hostname": "ms12.example.test", "queue": "empty", "firewall": "none",
}  # fmt: skip


FLOW: Mapping[str, object] = {
    "port": 25,
    "level": "RCPT",
    "asked": 41,
    "refused": 1,
    "unanswered": 0,
    "longest_gap_s": 1.4,
    "wrong": ["RCPT: 451 <b>later</b>"],
}


def row(claim: str, port: int | None, seen: str, verdict: str = "pass") -> dict[str, object]:
    """A measurement against the sample's host."""
    return {
        "claim": claim, "port": port, "address": "10.77.0.12", "client": "10.77.0.1 (seen by the server)",
        "verdict": verdict, "seen": seen,
        "command": f"openssl s_client -connect 10.77.0.12:{port} -starttls smtp -CAfile ca.pem",
    }  # fmt: skip


def change(title: str, kind: str, diff: str, commands: str = COMMANDS) -> Mapping[str, str]:
    """A change as a plan shows it."""
    return {"title": title, "kind": kind, "diff": diff, "commands": commands}


def postfix_chapter(root: Path, host: str = "mail12", **fields: object) -> Record:
    """The chapter on Postfix, complete: plans, applies and nine claims that hold."""
    common = COMMON | {"facts": FACTS, "title": "2 Postfix on Debian · Postfixの設定"} | fields
    record = Record.begin(root, RUN, host, "20-postfix-debian", **common)  # type: ignore[arg-type]
    record.add_flow([FLOW])
    record.add_note("Port 25 belongs to others: 0 of its settings change. 465 and 587 are added beside it.")
    record.add_plan(
        "Postfix: certificate and protocols", "5d41402abc4b2a76b9719d911017c592ae3f",
        [change("/etc/postfix/main.cf: 4 settings", "settings", MAIN_CF)],
    )  # fmt: skip
    record.add_apply("5d41402abc4b", ["/etc/postfix/main.cf: 4 settings"], f"/var/lib/runbook/{RUN}/")
    record.add_plan(
        "Submission on 587 and 465", "9e107d9d372bb6826bd81d3542a419d6b1f2",
        [
            change("/etc/postfix/master.cf: 2 services", "services", SERVICES),
            change("saslauthd is started at boot", "unit", "-disabled\n+enabled", "systemctl enable it"),
        ],
    )  # fmt: skip
    made = ["/etc/postfix/master.cf: 2 services", "saslauthd is started at boot"]
    record.add_apply("9e107d9d372b", made, f"/var/lib/runbook/{RUN}/")
    record.add_plan("The login daemon's socket", "c4ca4238a0b923820dcc509a6f75849b0000", [])
    for claim, rows in CLAIMS.items():
        record.add_verify(claim, rows, "pass")
    record.finish(
        "passed", "Postfix offers submission on 587 and 465, encrypted, with a login; port 25 is as before.",
        undo=f"runbook rollback {RUN} --host {host}",
    )  # fmt: skip
    return record


CLAIMS: dict[str, list[dict[str, object]]] = {
    "Port 587 offers AUTH only after STARTTLS": [
        row("EHLO in clear", 587, "250-STARTTLS, no AUTH"),
        row("AUTH in clear all the same", 587, "530 5.7.0 Must issue a STARTTLS command first"),
        row("EHLO after STARTTLS", 587, "250-AUTH PLAIN LOGIN"),
    ],
    "Port 465 answers nothing but TLS": [row("EHLO in clear", 465, "no answer within 5 s")],
    "The certificate is the one that was signed": [
        row("serial", 25, "6B0F41D2A907C35E"),
        row("serial", 465, "6B0F41D2A907C35E"),
        row("serial", 587, "6B0F41D2A907C35E"),
    ],
    "Name and chain validate with the users' root alone": [
        row("mail12.example.test", 587, "valid for 365 days")
    ],
    "TLS 1.1 is refused": [
        row("TLS 1.1, by a probe that spoke it elsewhere", 587, "alert: protocol version")
    ],
    "An unknown user is refused": [row("AUTH PLAIN", 587, "535 5.7.8 authentication failed")],
    "A wrong password is refused": [row("AUTH PLAIN", 587, "535 5.7.8 authentication failed")],
    "The right password is accepted": [
        row("AUTH PLAIN", 587, "235 2.7.0"),
        row("AUTH LOGIN", 465, "235 2.7.0"),
    ],
    "Nobody relays without a login": [row("RCPT to a stranger", 25, "454 4.7.1 Relay access denied")],
}


def whole_run(root: Path) -> Path:
    """Two hosts: one through all its chapters, one that stopped; returns the run's folder."""
    key = Record.begin(
        root, RUN, "mail12", "11-key-and-csr", title="1-1 Private key and CSR · サーバの秘密鍵とCSRの作成",
        facts=FACTS, **COMMON,  # type: ignore[arg-type]
    )  # fmt: skip
    key.add_plan(
        "The private key", "aa11", [change("mail-server.key", "key", "-no such file\n+RSA 2048, 0600 root")]
    )
    key.add_apply("aa11", ["mail-server.key"], f"/var/lib/runbook/{RUN}/")
    key.add_verify(
        "The key is readable by root alone", [row("mode and owner", None, "0600 root:root")], "pass"
    )
    key.finish("passed", "A key and a request for it.", undo=f"runbook rollback {RUN} --host mail12")
    postfix_chapter(root)
    seen = Record.begin(root, RUN, "mail12", "90-verification", title="Verification", facts=FACTS, **COMMON)  # type: ignore[arg-type]
    seen.add_verify(
        "Mail from outside is accepted", [row("AAAA", 25, "no route", "could not test")], "could not test"
    )
    seen.finish("not proven", "One claim could not be tested from here.")
    stopped = Record.begin(
        root, RUN, "mail13", "11-key-and-csr", title="1-1 Private key and CSR", facts=FACTS, **COMMON  # type: ignore[arg-type]
    )  # fmt: skip
    stopped.finish(
        "failed", None, error=TimeoutError("mail13: no answer on port 22 within 10 s\n  Nothing was changed.")
    )
    return root / RUN


def run_with(root: Path, inventory: str) -> Path:
    """The same, as it is where the inventory has this text; returns the run's folder."""
    folder = whole_run(root)
    digest = hashlib.sha256(inventory.encode()).hexdigest()
    for path in folder.glob("*/*.json"):
        record = path.read_text(encoding="utf-8")
        path.write_text(record.replace(str(COMMON["inventory_sha256"]), digest), encoding="utf-8")
    return folder
