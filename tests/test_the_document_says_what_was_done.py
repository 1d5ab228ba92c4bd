"""Where a chapter's prose names a number, a file or a setting, it is what the chapter did.

What it did stands in the notebook's own outputs; another test makes those anew and compares.
"""

import json
import re
from pathlib import Path, PurePosixPath

import pytest

from runbook_lib import inventory
from runbook_lib.chapters import preparation
from runbook_lib.chapters.answers import table_of
from runbook_lib.chapters.chapter import measured
from runbook_lib.clients.guide import Said
from runbook_lib.clients.statements import NOT_LOGGED_IN, TEMPORARY_FAILURE
from runbook_lib.families import Family, Release
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.enterprise_linux import ENTERPRISE_LINUX
from runbook_lib.mail.probes import Row, Verdict
from runbook_lib.mail.target import wanted
from runbook_lib.records.model import VerifyStep

CHECKOUT = Path(__file__).resolve().parents[1]
DEBIAN_S, CENTOS_S = "20-postfix-debian", "21-postfix-centos"
POSTFIX = {DEBIAN_S: DEBIAN, CENTOS_S: ENTERPRISE_LINUX}
NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
PEM = PurePosixPath("/etc/ssl/private/postfix_mail-server.pem")
# They say which certificate it is, and the prose calls them that.
CERTIFICATE = {"smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_key_file"}


def prose(name: str) -> str:
    cells = json.loads((CHECKOUT / "notebooks" / f"{name}.ipynb").read_bytes())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def shown(name: str, kind: str = "text/plain") -> str:
    """Each output as text, one below the other."""
    cells = json.loads((CHECKOUT / "notebooks" / f"{name}.ipynb").read_bytes())["cells"]
    outputs = [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]
    return "\n".join("".join(one.get("data", {}).get(kind, one.get("text", ()))) for one in outputs)


def number(name: str, pattern: str) -> int:
    """The number that the prose says in a word."""
    found = re.search(pattern, prose(name))
    assert found, f"{name} does not say: {pattern}"
    return NUMBERS.index(found[1].lower())


def small_files(name: str) -> set[str]:
    """Files that a change was shown for, but for main.cf and master.cf, which the prose tells apart."""
    return set(re.findall(r"^@ (/\S+[^/\s:]) ", shown(name), re.MULTILINE))


def host(tmp_path: Path) -> inventory.Host:
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: {name: A, domain: example.test, ca: {passphrase: 'env:A'}}\n"
        "hosts: {mail1: {address: 192.0.2.1, names: {smtp: mail.example.test}, "
        "certificate: {key_passphrase: 'env:A'}}}\n"
    )
    return inventory.load(str(file)).host("mail1")


def settings(release: Release, of: inventory.Host) -> dict[str, wanted.Wanted]:
    major, minor = release.postfix.split(".")
    return {one.name: one for one in wanted.settings((int(major), int(minor)), release, of, PEM)}


@pytest.mark.parametrize("name", POSTFIX)
def test_so_many_small_files_were_made(name: str) -> None:
    assert number(name, r"; (\w+) small files[,;]") == len(small_files(name))


def test_debian_13_alone_has_one_file_more() -> None:
    """Its unit has to learn where the pid file went."""
    assert number(DEBIAN_S, r"on Debian 13 (\w+);") == len(small_files(DEBIAN_S)) + 1
    assert [name for name, one in DEBIAN.releases.items() if one.saslauthd_drop_in] == ["13"]


@pytest.mark.parametrize("name", POSTFIX)
def test_no_more_settings_are_written_than_it_says_and_those_that_are_already_so_are_not(name: str) -> None:
    said = number(name, r"up to (\w+) settings of main\.cf")
    table = re.search(
        r"^setting +now +will be .*\n-.*\n((?:\S.*\n)+?)(?=main\.cf: \d|@|\n)", shown(name), re.MULTILINE
    )
    assert table
    rows = [re.split(r"  +", line)[:3] for line in table[1].splitlines()]
    assert len(rows) == said
    changed = {setting for setting, now, will_be in rows if now != will_be}
    (written,) = re.findall(r"^@ /etc/postfix/main\.cf: (\d+) settings", shown(name), re.MULTILINE)
    assert int(written) == len(changed)


@pytest.mark.parametrize(("name", "family"), POSTFIX.items())
def test_the_settings_that_reach_port_25_are_named_and_no_others(
    name: str, family: Family, tmp_path: Path
) -> None:
    """Those for 465 and 587 say so in their reason; what is left reaches every port."""
    paragraph = re.search(r"(\w+) more settings of main\.cf reach it: (.*)", prose(name))
    assert paragraph
    named = set(re.findall(r"`([a-z_]+)`", paragraph[2]))
    reaching: set[str] = set()
    for release in family.releases.values():
        found = settings(release, host(tmp_path))
        reaching |= {one.name for one in found.values() if not one.why.startswith("465 and 587")}
    assert named == reaching - CERTIFICATE
    since_3 = named - {"mynetworks_style"}
    assert NUMBERS.index(paragraph[1].lower()) == len(since_3)
    documented = (CHECKOUT / "docs" / "what-stays.md").read_text(encoding="utf-8")
    section = documented.partition("## Port 25\n")[2].partition("\n## ")[0]
    assert sorted(one for one in reaching if f"`{one}" not in section) == []


def test_services_and_the_csr_are_as_many_as_are_said() -> None:
    for name in POSTFIX:
        services = re.findall(r"^@ /etc/postfix/master\.cf: (.+)", shown(name), re.MULTILINE)
        assert [number(name, r"; (\w+) services of master\.cf")] == [len(one.split(", ")) for one in services]


def test_a_reload_is_not_all_that_may_happen() -> None:
    """As `plan_taking_up` has it: a restart for loopback alone, a start where nothing runs."""
    for name in POSTFIX:
        section = prose(name).partition("## Taking it up")[2].partition("\n## ")[0]
        assert [word for word in ("reload", "restarted", "started") if word not in section] == []
        assert "never a restart" not in prose(name)


def test_a_454_is_told_by_its_second_code() -> None:
    """RFC 3463: x.7.0 is the server's own trouble here, x.7.1 a sender who may not do this without a login."""
    section = prose("31-windows-live-mail").partition("## When it does not work")[2].partition("\n## ")[0]
    assert {"454 4.7.0", "454 4.7.1", "535"} <= set(re.findall(r"\d{3}(?: \d\.\d\.\d)?", section))
    assert "logged in" in section
    assert isinstance(NOT_LOGGED_IN.means, Said)
    assert "4.7.1" in NOT_LOGGED_IN.seen.en
    assert "4.7.0" in TEMPORARY_FAILURE.seen.en


def test_the_forms_of_a_name_that_were_accepted_are_not_denied() -> None:
    """The pages give one form; the verification of the same host was let in with the other."""
    assert "PLAIN, the name with a domain: accepted (235)" in shown("90-verification")
    told = [one for one in prose("31-windows-live-mail").split("\n\n") if "form of the user's name" in one]
    assert len(told) == 1
    assert "The server may take another form as well" in told[0]
    for name in ("20-postfix-debian", "31-windows-live-mail", "32-thunderbird", "90-verification"):
        assert not re.search(r"\b(?:one|no other) form\b[^.]* works", prose(name))


def test_a_picture_does_not_say_of_a_server_what_its_own_lines_deny() -> None:
    """The server that was captured offers STARTTLS; the client did without."""
    picture = preparation.show_threat()
    assert "250-STARTTLS" in picture.plain
    assert "without TLS" not in picture.svg()
    assert (
        "STARTTLS"
        in prose("00-preparation").partition("## What somebody on the way sees")[2].partition("##")[0]
    )


def test_a_row_that_says_that_mail_is_refused_is_no_plain_pass() -> None:
    """The data keep the verdict, by which nothing is put back; what a person reads is the warning."""
    verdict, seen = preparation.one_place("example.test", here=False, otherwise=False, mx_here=True)
    assert "is refused" in seen
    bad = Row("claim", None, "", "-", verdict, seen, "")
    good = Row("claim", None, "", "-", Verdict.PASS, "MX and Postfix agree", "")
    assert table_of([bad]).text().rstrip().endswith("warning")
    assert table_of([good]).text().rstrip().endswith("pass")
    assert measured([bad, good]) == "2 pass (1 with a warning)"
    assert measured([good]) == "1 pass"
    assert (bad.verdict, bad.told) == (Verdict.PASS, "warning")
    rows = [vars(bad) | {"verdict": "pass"}]
    step = VerifyStep.model_validate({"claim": "claim", "rows": rows, "verdict": "pass"})
    assert (step.told, step.rows[0].told) == ("warning", "warning")


def test_key_csr_and_certificate_are_the_files_that_are_named() -> None:
    made = re.findall(r"^\+(/\S+): ", shown("11-key-and-csr"), re.MULTILINE)
    assert number("11-key-and-csr", r"\| (\w+) files in the directory") == len(set(made))
    assert {Path(one).parent for one in made} == {Path("/etc/ssl/private")}
    named = set(re.findall(r"`(\S+\.(?:key|pem))`", prose("11-key-and-csr")))
    assert named == {Path(one).name for one in made}
    signed = re.findall(r"^\+(/\S+): ", shown("12-signing"), re.MULTILINE)
    assert number("12-signing", r"\| (\w+) file\. On this machine") == len(signed)
    assert [Path(one).name for one in signed] == re.findall(
        r"\| `(\S+\.pem)`, the certificate", prose("12-signing")
    )


@pytest.mark.parametrize("name", POSTFIX)
def test_commands_and_values_of_today_that_are_named_are_those_that_were_made(name: str) -> None:
    """The values of today stand in the third column of the table against 2013."""
    made = shown(name, "text/html")
    for command in ("postfix check", *re.findall(r"`(systemctl \w+)`", prose(name))):
        assert f"`{command}`" in prose(name)
        assert command in made
    today = re.findall(r"\| `(\w+) = (\w+)` \| [^|`]+ \|$", prose(name), re.MULTILINE)
    assert len(today) == 2
    for setting, value in today:
        assert re.search(rf"^{setting} .*  {value}  ", shown(name), re.MULTILINE), setting
