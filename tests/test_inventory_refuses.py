"""A wrong inventory is refused before anything happens: all at once, with line, field and expectation."""

import re
from pathlib import Path

import pytest

from runbook_lib import inventory
from runbook_lib.errors import InventoryError

SOUND = """\
site:
  name: Example
  domain: example.jp
  ca: {passphrase: "env:CA_PASSPHRASE"}
defaults:
  user: kanri
  certificate:
    key_passphrase: env:KEY_PASSPHRASE
hosts:
  mail1:
    address: 192.0.2.25
    names:
      smtp: mail.example.jp
  mail2:
    address: 192.0.2.26
    names: {smtp: mx.example.jp}
"""

# What is replaced in the sound file, by what; the line and the field of the complaint; what it must say.
WRONG = [
    # Numbers that YAML reads as others than were meant.
    ("port with a leading zero", "  user: kanri", "  user: kanri\n  port: 0587", 7, "defaults.port",
     "0587, .*from 1 to 65535.*write 587$"),
    ("port in quotes", "  user: kanri", '  user: kanri\n  port: "22"', 7, "defaults.port",
     "text.*write 22 without quotes$"),
    ("port of five digits too many", "  user: kanri", "  user: kanri\n  port: 70000", 7,
     "defaults.port", "from 1 to 65535"),
    ("port empty", "  user: kanri", "  user: kanri\n  port:", 7, "defaults.port",
     "empty.*from 1 to 65535"),
    ("days with an exponent", "ca: {", "ca: {valid_days: 1e2, ", 4, "site.ca.valid_days",
     "1e2, .*whole number.*write 100$"),
    ("days with a fraction", "ca: {", "ca: {valid_days: 99.5, ", 4, "site.ca.valid_days",
     "99.5, .*whole number.*days"),
    ("date where days belong", "ca: {", "ca: {valid_days: 2027-01-01, ", 4, "site.ca.valid_days",
     "2027-01-01, a date"),
    ("date where a text belongs", "name: Example", "name: 2027-01-01", 2, "site.name",
     'write "2027-01-01" in quotes$'),
    ("number where a text belongs", "user: kanri", "user: 0640", 6, "defaults.user",
     'write "0640" in quotes$'),
    ("certificate for longer than allowed", "    key_pass", "    valid_days: 825\n    key_pass", 8,
     "defaults.certificate.valid_days", "825, .*from 1 to 398"),
    ("renewal at every run", "    key_pass", "    valid_days: 20\n    key_pass", 7,
     "defaults.certificate",
     "renew_days 30 with valid_days 20"),
    ("yes for true", "  user: kanri", "  user: kanri\n  production: yes", 7, "defaults.production",
     "'yes', text; expected true or false.*write true$"),
    ("key given twice", "  user: kanri", "  user: kanri\n  user: root", 7, "defaults.user",
     "twice .*line 6"),
    ("unknown field, close to one", "domain:", "domian:", 3, "site.domian", "did you mean domain"),
    ("unknown field, close to none", "  user: kanri", "  user: kanri\n  mode: 0640", 7,
     "defaults.mode", "expected one of .*port"),
    ("unknown block", "defaults:", "default:", 5, "default", "did you mean defaults"),
    ("claims to be the lab", "  name: Example", "  name: Example\n  lab: true", 3, "site.lab",
     "not a field"),
    ("name missing", "    names: {smtp: mx.example.jp}", "", 14, "hosts.mail2.names",
     "missing; expected a block with smtp"),
    ("a day that is none", "env:KEY_PASSPHRASE", 'env:KEY_PASSPHRASE\n    rekey_after: "2027-02-30"', 9,
     "defaults.certificate.rekey_after", "no day; expected year, month, day"),
    ("a day without quotes", "env:KEY_PASSPHRASE", "env:KEY_PASSPHRASE\n    rekey_after: 2027-01-15", 9,
     "defaults.certificate.rekey_after", 'is 2027-01-15, a date; .*write "2027-01-15" in quotes'),
    ("passphrase missing", "    key_passphrase: env:KEY_PASSPHRASE", "    key_bits: 2048", 10,
     "hosts.mail1.certificate.key_passphrase", "missing; expected a reference"),
    ("field that is each host's own", "  user: kanri", "  user: kanri\n  address: 192.0.2.1", 7,
     "defaults.address", "under hosts.NAME"),
    ("scheme of another tool", "env:KEY", "vault:KEY", 8, "defaults.certificate.key_passphrase",
     "'vault:' is not known; expected .*env:NAME"),
    ("reference to nothing", "env:KEY_PASSPHRASE", "'env:'", 8, "defaults.certificate.key_passphrase",
     "expected env:NAME"),
    ("command with an open quote", "env:KEY_PASSPHRASE", '"cmd:pass ''\'mail"', 8,
     "defaults.certificate.key_passphrase", "open quote"),
    ("wildcard", "smtp: mail.example.jp", 'smtp: "*.example.jp"', 13, "hosts.mail1.names.smtp",
     "wildcard.*policy"),
    ("address as a name", "smtp: mail.example.jp", "smtp: 192.0.2.25", 13, "hosts.mail1.names.smtp",
     "is an IP address"),
    ("address with ideographic full stops", "smtp: mail.example.jp", "smtp: 192。0。2。25", 13,
     "hosts.mail1.names.smtp", "is an IP address"),
    ("address in full-width digits", "smtp: mail.example.jp", "smtp: １９２．０．２．２５", 13,
     "hosts.mail1.names.smtp", "is an IP address"),
    ("name that ends in a number", "smtp: mail.example.jp", "smtp: mail.example.123", 13, "hosts.mail1.names.smtp",
     "ends in a number \\('123'\\)"),
    ("name that becomes one with a number", "smtp: mail.example.jp", "smtp: mail.①", 13, "hosts.mail1.names.smtp",
     "ends in a number \\('1'\\)"),
    ("address in hexadecimal", "smtp: mail.example.jp", "smtp: 0x7f.1", 13, "hosts.mail1.names.smtp",
     "ends in a number \\('1'\\)"),
    ("dot at the end, ideographic", "smtp: mail.example.jp", "smtp: メール。example。jp。", 13,
     "hosts.mail1.names.smtp", "ends in a dot"),
    ("host's address in hexadecimal", "address: 192.0.2.25", "address: 0x7f.1", 11, "hosts.mail1.address",
     "ends in a number \\('1'\\)"),
    ("host's address in full-width digits", "address: 192.0.2.25", "address: １９２．０．２．２５", 11,
     "hosts.mail1.address", "is an IP address"),
    ("IPv6 address as a name", "smtp: mail.example.jp", 'smtp: "2001:DB8::25"', 13,
     "hosts.mail1.names.smtp", "is an IP address"),
    ("name with a dot at its end", "smtp: mail.example.jp", "smtp: mail.example.jp.", 13,
     "hosts.mail1.names.smtp", "write mail.example.jp$"),
    ("name with a blank", "smtp: mail.example.jp", "smtp: mail .example.jp", 13,
     "hosts.mail1.names.smtp", "blank"),
    ("empty name", "smtp: mail.example.jp", 'smtp: ""', 13, "hosts.mail1.names.smtp", "is empty"),
    ("short name", "smtp: mail.example.jp", "smtp: mail", 13, "hosts.mail1.names.smtp",
     "whole name, such as mail.example.jp"),
    ("name with an underscore", "smtp: mail.example.jp", "smtp: my_mail.example.jp", 13,
     "hosts.mail1.names.smtp", "underscore"),
    ("name with an empty part", "smtp: mail.example.jp", "smtp: mail..example.jp", 13,
     "hosts.mail1.names.smtp", "empty part"),
    ("name that IDNA does not allow", "smtp: mail.example.jp", "smtp: xn--a.example.jp", 13,
     "hosts.mail1.names.smtp", "IDNA 2008"),
    ("wrong name in a list", "      smtp: mail",
     "      further: [a.example.jp, 192.0.2.1]\n      smtp: mail", 13,
     "hosts.mail1.names.further[1]", "is an IP address"),
    ("one name where a list belongs", "      smtp: mail",
     "      further: a.example.jp\n      smtp: mail", 13,
     "hosts.mail1.names.further", r"write \[a.example.jp\]$"),
    ("relative path of a certificate", "    key_pass",
     "    certificate_file: ./fullchain.pem\n    key_pass", 8,
     "defaults.certificate.certificate_file", "has a '/'.*absolute.*write fullchain.pem$"),
    ("two files with one name", "    key_pass", "    csr_file: mail-server.pem\n    key_pass", 7,
     "defaults.certificate",
     "mail-server.pem twice"),
    ("size of a key that has one size", "    key_pass",
     "    key_type: p256\n    key_bits: 2048\n    key_pass", 7,
     "defaults.certificate", "leave key_bits out"),
    ("returned by a public CA, signed by the own one", "    key_pass",
     "    signed_by: own CA\n    returned: [back.pem]\n    key_pass", 7, "defaults.certificate",
     "signed_by: public CA, or leave returned out"),
    ("an address accepted as a name", "    key_pass", "    also_named: [192.0.2.1]\n    key_pass", 8,
     "defaults.certificate.also_named[0]", "is an IP address"),
    ("key too small", "    key_pass", "    key_bits: 1024\n    key_pass", 8,
     "defaults.certificate.key_bits", "2048 or 3072 or 4096"),
    ("submission on 25", "  user: kanri", "  user: kanri\n  submission: {ports: [25]}", 7,
     "defaults.submission.ports[0]",
     "expected 465 or 587"),
    ("no submission port", "  user: kanri", "  user: kanri\n  submission: {ports: []}", 7,
     "defaults.submission.ports", "465 or 587"),
    ("root among the accounts", "  user: kanri", "  user: kanri\n  sasl: {minimum_uid: 0}", 7,
     "defaults.sasl.minimum_uid", "root"),
    ("unknown mail program", "  user: kanri", "  user: kanri\n  clients: [outlook]", 7,
     "defaults.clients[0]", "thunderbird"),
    ("account with a blank", "user: kanri", "user: kan ri", 6, "defaults.user", "blanks"),
    ("two names for one server", "192.0.2.26", "192.0.2.25", 15, "hosts.mail2.address",
     "hosts.mail1 too"),
    ("one SMTP name for two servers", "smtp: mx.example.jp", "smtp: MAIL.example.jp", 16,
     "hosts.mail2.names.smtp", "hosts.mail1 too"),
    ("jump to an unknown host", "192.0.2.26", "192.0.2.26\n    jump: mial1", 16, "hosts.mail2.jump",
     "'mial1', .*did you mean mail1"),
    ("jump that is no way", "192.0.2.26", '192.0.2.26\n    jump: "ops@gw, ops@gw2"', 16, "hosts.mail2.jump",
     "has ' ops@gw2'.*user@host:port"),
    ("jump by an alias alone", "192.0.2.26", "192.0.2.26\n    jump: gw", 16, "hosts.mail2.jump",
     "'gw', .*written with its user"),
    ("jump to itself", "192.0.2.26", "192.0.2.26\n    jump: mail2", 16, "hosts.mail2.jump",
     "to the host itself"),
    ("host with a capital letter", "  mail2:", "  Mail2:", 14, "hosts.Mail2", "lower-case"),
    ("host that is a number", "  mail2:", "  2:", 14, "hosts", 'write "2" in quotes'),
    ("resolver by name", "  name: Example", "  name: Example\n  resolver: dns.example.jp", 3,
     "site.resolver", "not an IP address"),
    ("text where a block belongs", "names: {smtp: mx.example.jp}", "names: mx.example.jp", 16,
     "hosts.mail2.names",
     "expected a block with smtp, pop, further"),
]  # fmt: skip


def complaints(path: Path) -> list[tuple[str, int, str]]:
    """What is said about a file: name, line, sentence."""
    with pytest.raises(InventoryError) as refused:
        inventory.load(path)
    assert refused.value.exit_code == 2
    lines = refused.value.problem.split("\n")[1:]
    found = [re.fullmatch(r"  (\S+):(\d+):\d+: (.*)", line) for line in lines]
    assert all(found)
    return [(match[1], int(match[2]), match[3]) for match in found if match]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A sound inventory."""
    path = tmp_path / "site.yaml"
    path.write_text(SOUND)
    return path


def test_the_sound_inventory_is_taken(site: Path) -> None:
    """What the table alters is right by itself, so that each complaint is about the alteration."""
    assert list(inventory.load(site).hosts) == ["mail1", "mail2"]


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "says"), [pytest.param(*row[1:], id=row[0]) for row in WRONG]
)
def test_each_wrong_value_is_named(
    site: Path, before: str, after: str, line: int, field: str, says: str
) -> None:
    """File, line, field, what stands there and what was expected; nothing else is complained about."""
    assert before in SOUND
    site.write_text(SOUND.replace(before, after, 1))
    told = [sentence for name, at, sentence in complaints(site) if name == str(site) and at == line]
    about = [sentence for sentence in told if sentence.startswith(f"{field} ")]
    assert about, complaints(site)
    assert re.search(says, about[0]), about[0]


def test_one_address_in_two_spellings_is_one_server(site: Path) -> None:
    """IPv6 has many spellings of an address (RFC 5952)."""
    site.write_text(SOUND.replace("192.0.2.25", '"2001:db8::1"').replace("192.0.2.26", '"2001:0DB8:0::0001"'))
    assert [sentence.split(";")[0] for _, _, sentence in complaints(site)] == [
        "hosts.mail2.address is that of hosts.mail1 too, and the port"
    ]


def test_all_that_is_wrong_is_told_at_once(site: Path) -> None:
    """Every alteration of the table that can stand beside the others is found in one go."""
    site.write_text(
        SOUND.replace("  user: kanri", "  user: kanri\n  port: 0587\n  production: yes\n  mode: 0640")
        .replace("domain:", "domian:")
        .replace("smtp: mail.example.jp", 'smtp: "*.example.jp"')
        .replace("  mail2:", "  mail2:\n    address: 192.0.2.27")
    )
    assert [(line, sentence.split(" ")[0]) for _, line, sentence in complaints(site)] == [
        (1, "site.domain"),
        (3, "site.domian"),
        (7, "defaults.port"),
        (8, "defaults.production"),
        (9, "defaults.mode"),
        (16, "hosts.mail1.names.smtp"),
        (19, "hosts.mail2.address"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("env:KEY_PASSPHRASE", "hunter2"),
        ("env:KEY_PASSPHRASE", "hunter2:horse"),
        ("env:KEY_PASSPHRASE", "[hunter2]"),
        ("env:KEY_PASSPHRASE", "{a: hunter2}"),
        ("env:KEY_PASSPHRASE", '"hunter2'),
        ("key_passphrase: env:KEY_PASSPHRASE", "key_pasphrase: hunter2"),
        ("  user: kanri", "  user: kanri\n  sudo: hunter2"),
        ("  user: kanri", "  user: kanri\n  check_account: {user: kensa, password: hunter2}"),
        ("  user: kanri", "  user: kanri\n  sudo: {password: %hunter2}"),
    ],
)
def test_a_secret_given_in_clear_is_refused_and_not_repeated(site: Path, before: str, after: str) -> None:
    """The message says what belongs there, and can be sent to a colleague."""
    site.write_text(SOUND.replace(before, after, 1))
    with pytest.raises(InventoryError) as refused:
        inventory.load(site)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(refused.value)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"site: {\n  a: 1\n", 3, "not YAML"),
        (b"site:\n\tname: x\n", 2, "not YAML"),
        (b"site: a\n  b: c: d\n", 2, "not YAML"),
        (b"# caf\xe9\nsite:\n", 1, "not UTF-8"),
        (b"", 1, "no fields; expected site, defaults and hosts"),
        (b"- site\n", 1, "no fields; expected site, defaults and hosts"),
        (b"site: &a\n  b: *a\n", 1, "contains itself"),
        (b"site: !python/name:os.system x\n", 1, "expected a block"),
        (b"site: {<<: {name: x}}\n", 1, "write the values out or use defaults"),
        (b"a: 1\x00\n", 1, "control character"),
    ],
)
def test_what_is_no_inventory_at_all_is_told_with_its_line(
    site: Path, content: bytes, line: int, says: str
) -> None:
    """Neither a traceback nor a guess."""
    site.write_bytes(content)
    assert [sentence for _, at, sentence in complaints(site) if at == line and says in sentence], complaints(
        site
    )


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """A person who has no inventory yet is told where to begin."""
    with pytest.raises(InventoryError, match="cannot be read: No such file or directory") as refused:
        inventory.load(tmp_path / "site.yaml")
    assert "copy inventory/example.yaml" in refused.value.remedy


def test_an_unknown_host_is_told_with_the_known_ones(site: Path) -> None:
    """A slip in --host is an error of usage that names what there is."""
    with pytest.raises(InventoryError, match="no host mial1; there are mail1, mail2") as refused:
        inventory.load(site).host("mial1")
    assert refused.value.where == f"{site}, line 9"
