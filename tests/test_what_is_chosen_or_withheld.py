"""What goes before, or takes away from, what chapter 2 writes: certificates by name, and words of EHLO."""

import pytest
from mail_states import mail_state
from shaped_host import HOST, WITH_SASL
from trees import AT_WORK, changed

from lab import Lab
from runbook_lib import inventory
from runbook_lib.chapters import postfix, preparation
from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.target import offers, services

pytestmark = pytest.mark.usefixtures("as_a_batch")

TABLE = """
cd /etc/postfix
(umask 077; openssl req -x509 -newkey rsa:2048 -nodes -keyout - -days 90 -subj /CN=odd > odd.pem 2>/dev/null)
echo '{key} /etc/postfix/{file}.pem' > sni; postmap -F hash:/etc/postfix/sni
postconf -e tls_server_sni_maps=hash:/etc/postfix/sni
"""


def said(where: str) -> str:
    """What chapter 0 says of an entry of main.cf, on one line."""
    text = preparation.open("lab", HOST).show_findings().text()
    return next((" ".join(row.split()) for row in text.splitlines() if where in row), "")


def test_a_table_that_shows_users_another_certificate_is_refused_before_anything_is_made(lab: Lab) -> None:
    """It goes before smtpd_tls_chain_files, so that the run would fail at the serial and be put back."""
    lab.reset(HOST, WITH_SASL)
    host = inventory.load("lab").host(HOST)
    name, own = host.names.smtp, postfix.open("lab", HOST).read().files
    domain = f".{name.partition('.')[2]}"
    ours = f"cat {own.key} {own.certificate} > /etc/postfix/ours.pem"
    for key, file, words in (
        (name, "odd", f"for {name} (hash:/etc/postfix/sni) it has another certificate"),
        (domain, "odd", f"{name} (hash:/etc/postfix/sni, entry {domain})"),
        (name, "ours", f"for {name} (hash:/etc/postfix/sni) it has the certificate that is there now"),
        ("mail.of-somebody.example", "odd", "it has nothing for any of the names that users type: it stays"),
    ):
        lab.exec(
            HOST,
            TABLE.format(key=key, file=file)
            if file == "odd"
            else f"{ours}\n{TABLE.format(key=key, file=file)}",
        )
        row = said("tls_server_sni_maps")
        assert words in row
        assert "main.cf, line " in row
        assert ("you decide, on the host" in row) is ("has another" in row)
        if words.startswith("for") and file == "odd":
            tree = lab.tree(HOST)
            chapter = postfix.open("lab", HOST)
            with pytest.raises(ApplyRefused, match="Take the entry out"):
                chapter.apply(chapter.plan_joined_file())
            assert changed(tree, lab.tree(HOST), AT_WORK) == []
    lab.exec(
        HOST,
        "rm /etc/postfix/sni.db\npostconf -e smtpd_discard_ehlo_keywords=chunking,silent-discard,starttls",
    )
    assert "hash:/etc/postfix/sni cannot be read" in said("tls_server_sni_maps")
    assert "it takes STARTTLS out of what 465 and 587 offer" in said("smtpd_discard_ehlo_keywords")


@pytest.mark.parametrize(
    ("entry", "kept", "why"),
    [
        ({offers.DISCARDED: "chunking, silent-discard"}, True, "go on offering STARTTLS and AUTH"),
        ({offers.DISCARDED: "AUTH StartTLS"}, False, "it takes STARTTLS and AUTH out of what"),
        (
            {offers.EXCEPTED: "192.0.2.0/24"},
            True,
            "clients of 192.0.2.0/24 are offered no login, on 465 and 587",
        ),
    ],
)
def test_words_of_ehlo_that_users_need_are_nothing_that_stays(
    entry: dict[str, str], kept: bool, why: str
) -> None:
    (ruling,) = offers.rulings(mail_state(entry)).values()
    assert ruling.kept is kept
    assert why in ruling.why


def test_a_line_of_its_own_without_them_cannot_be_kept() -> None:
    name, option = "submission/inet", f"-o {offers.DISCARDED}=starttls"
    line = f"submission inet n - y - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes {option}"
    state = mail_state({}, {name: (line,)})
    own = services.own_line(services.line_of(587, state, name), name, state)
    assert [one.name for one in own.give_way] == [offers.DISCARDED]
    assert "nobody could log in there" in services.why_not_kept(587, (line,), state)
