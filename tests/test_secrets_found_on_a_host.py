"""Secrets that an administrator wrote into a host's configuration reach no page, record or terminal."""

import os
import subprocess
from pathlib import Path

import pytest
from applied_host import RUNBOOK
from decided import decided
from shaped_host import HOST, WITH_SASL

from lab import Lab
from runbook_lib import display
from runbook_lib.cli.options import say_beside
from runbook_lib.errors import ApplyRefused
from runbook_lib.hidden import hidden, hidden_value
from runbook_lib.records.redaction import masked
from runbook_lib.visible import visible, visible_json

FOUND = {
    "smtp_sasl_password_maps = static:relayuser:Tr0ub4dor-relay": "smtp_sasl_password_maps = static:relayuser:***",
    "smtp_sasl_password_maps = static:{relay user:Tr0ub4dor relay}": "= static:{relay user:***}",
    "  -o smtp_sasl_password_maps=static:u:Tr0ub4dor-relay,hash:/etc/x": "=static:u:***,hash:/etc/x",
    "smtp_sasl_password_maps = inline:{ [h]:587=u:Tr0ub4dor, { a = b:Tr0ub4dor } }, hash:/a": "}, hash:/a",
    "smtp_sasl_password_maps = static:Tr0ub4dor": "smtp_sasl_password_maps = static:***",
    "accounts_bind_pw = Tr0ub4dor with blanks": "accounts_bind_pw = ***",
    "+sql_password=Tr0ub4dor": "+sql_password=***",
    "ldapdb_pw: Tr0ub4dor": "ldapdb_pw: ***",
    "export_environment = TZ PGPASSWORD=Tr0ub4dor LANG=C": "export_environment = TZ PGPASSWORD=*** LANG=C",
    "virtual_alias_maps = ldap://cn=mail:Tr0ub4dor@ldap.example.jp/": "ldap://cn=mail:***@ldap.example.jp/",
    "  flags=R user=vmail argv=/usr/bin/deliver -p Tr0ub4dor -d ${user}": "argv=/usr/bin/deliver -p *** -d ${user} (",
    "argv=/usr/bin/deliver --key=Tr0ub4dor": "argv=/usr/bin/deliver --key=*** (",
    "mailbox_command = /usr/bin/procmail Tr0ub4dor": "mailbox_command = /usr/bin/procmail *** (",
    "@@ -1 +1,2 @@\n+  user=v argv=/bin/deliver\n+    -p Tr0ub4dor\n smtp inet n": "\n smtp inet n",
}


@pytest.mark.parametrize("text", FOUND)
def test_a_secret_is_hidden_by_its_kind_wherever_it_is_shown(text: str) -> None:
    shown = {
        hidden(text), visible(text), str(masked(text)), display.Diff(text).html(), display.Text(text).text(),
        str(ApplyRefused(text, "h", "x")), visible_json({"a": [text]}), hidden(hidden(text)),
        display.Table(("a",), [(text,)]).html(),
    }  # fmt: skip
    assert not [told for told in shown if "Tr0ub4dor" in told]
    assert FOUND[text] in hidden(text)
    assert hidden(hidden(text)) == hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        "virtual_uid_maps = static:5000", "local_recipient_maps = static:all", "smtpd_sasl_path = smtpd",
        "smtpd_recipient_restrictions = check_sender_access inline:{{a.example=OK}}, reject",
        "smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd", "proxy:mysql:/etc/postfix/x.cf",
        "flags=DRhu user=vmail argv=/usr/lib/dovecot/dovecot-lda -f ${sender} -d ${recipient}",
        "ldap://ldap.example.jp:389/", "key_passphrase: file:~/.config/runbook/key", "PASSWORD=$(cat)",
        'SWAKS_OPT_auth_password="$PW" swaks --server h', "known by the program (`argv=` in master.cf), by the account",
        "hosts.mail1.sudo.password: is not a reference", "inline:{}", "https://[::1]:25/",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert hidden(text) == text


def test_a_value_apart_from_its_name_is_hidden_by_the_name() -> None:
    assert hidden_value("main.cf, accounts_bind_pw", "Tr0ub4dor x") == "***"
    assert hidden_value("main.cf, mydestination", "a, b") == "a, b"


def test_two_hidden_values_can_be_told_apart() -> None:
    one, other = (hidden(f"argv=/bin/deliver {word}") for word in ("first", "second"))
    assert one != other
    assert hidden("inline:{a=b:c}") != hidden("inline:{a=b:d}")


def test_what_is_said_beside_a_result_does_not_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A member of a zip file may have any name."""
    say_beside("\x1b]0;owned\x07.pem: SHA-256 ab")
    assert capsys.readouterr().err == r"\x1b]0;owned\x07.pem: SHA-256 ab" + "\n"


# Passwords where administrators put them; each begins with the same letters.
SECRET = "Tr0ub4dor"
OWN = f"""
postconf -e 'accounts_server_host = ldap://cn=mail:{SECRET}-url@ldap.example.test/'
postconf -e 'accounts_bind_pw = {SECRET}-bind'
postconf -e 'smtp_sasl_password_maps = static:user:{SECRET}-static, inline:{{ [h.example.test]=u:{SECRET}-inline }}'
cat >> /etc/postfix/master.cf <<'EOF'
deliver unix - n n - - pipe
  flags=R user=nobody argv=/usr/bin/deliver -p {SECRET}-pipe -d ${{user}}
submission inet n - y - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtp_sasl_password_maps=static:user:{SECRET}-option
EOF
postfix reload 2>/dev/null
"""


def test_no_secret_of_a_host_comes_out_of_a_run_an_edit_or_a_conflict(lab: Lab, tmp_path: Path) -> None:
    """Of main.cf, and of master.cf: what is written to a terminal, and every file of the records."""
    lab.reset(HOST, WITH_SASL)
    lab.exec(HOST, OWN)
    book = decided(lab, tmp_path, {"master.cf, submission/inet": "replace"})
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path / "records"), "COLUMNS": "400"}
    told: dict[str, str] = {}

    def runbook(*words: str, code: int) -> None:
        command = [str(RUNBOOK), *words, "--host", HOST, "--inventory", book]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        told[f"{words[0]} {len(told)}"] = done.stdout + done.stderr
        assert done.returncode == code, done.stdout + done.stderr

    chapter = ("--only", "20-postfix-debian")
    runbook("plan", *chapter, code=0)
    runbook("apply", code=0)
    edit = f"postconf -P 'submission/inet/smtp_sasl_password_maps=static:user:{SECRET}-{{}}'"
    lab.exec(HOST, edit.format("edited"))
    runbook("apply", *chapter, code=0)
    lab.exec(HOST, edit.format("conflict"))
    first, last = sorted(path.name for path in (tmp_path / "records").iterdir() if path.is_dir())[-2:]
    runbook("rollback", last, code=0)
    runbook("rollback", first, code=1)
    assert "CONFLICT /etc/postfix/master.cf: submission/inet was changed since" in told["rollback 4"]
    assert "static:user:***" in told["rollback 4"]
    assert [name for name, text in told.items() if SECRET in text] == []
    files = [path for path in (tmp_path / "records").rglob("*") if path.is_file()]
    assert [str(path) for path in files if SECRET.encode() in path.read_bytes()] == []
    assert any(b"argv=/usr/bin/deliver -p ***" in path.read_bytes() for path in files)
