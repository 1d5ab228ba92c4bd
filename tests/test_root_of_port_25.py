"""A CA of its own that an administrator keeps on port 25: named in the inventory, what is there is proven by it."""

from pathlib import Path

import certificates_on_25 as samples
import probes_postfix
import pytest
from probes_certificates import make
from probes_postfix import MailHost
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib.chapters import verification
from runbook_lib.chapters.asking import survey_of
from runbook_lib.chapters.verification import Verification
from runbook_lib.errors import UsageError
from runbook_lib.mail import probes
from runbook_lib.mail.probes import Kept, Survey, Verdict

pytestmark = pytest.mark.usefixtures("as_a_batch")

HOST = "debian12"
PARTNERS = make("Partners root")
OTHER = make("Another root")
LEAF = make("ms12.example.test", PARTNERS, ("ms12.example.test",))  # the MX's name; users type another


def survey(lab: Lab, folder: Path, ca_file: str | None) -> Survey:
    """A look at port 25 by an inventory that keeps its certificate, with or without its root."""
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST]["decisions"] = [
        {"about": f"main.cf, smtpd_tls_{kind}_file", "decide": "keep", "reason": "partners trust it"}
        for kind in ("cert", "key")
    ]
    if ca_file is not None:
        book["hosts"][HOST]["port_25"] = {"ca_file": ca_file}
    path = folder / "kept.yaml"
    yaml.dump(book, path)
    (folder / "partners.pem").write_text(PARTNERS.pem, encoding="ascii")
    (folder / "other.pem").write_text(OTHER.pem, encoding="ascii")
    (folder / "none.pem").write_text("no certificate\n", encoding="ascii")
    opened = verification.open(str(path), HOST)
    assert isinstance(opened, Verification)
    return survey_of(opened.opened, (25,))


@pytest.fixture
def kept(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    lab.reset(HOST, "fresh")
    samples.install(lab, HOST, LEAF)
    return lab


def test_the_chain_is_proven_by_the_root_that_the_inventory_names(kept: Lab, tmp_path: Path) -> None:
    """Without it what is known is that it is the one that stays; the file stands beside the inventory."""
    (found, *_) = probes.chain_validates(survey(kept, tmp_path, None))
    assert (found.verdict, found.seen[:20]) == (Verdict.PASS, "the one that stays: ")
    asked = survey(kept, tmp_path, "partners.pem")
    rows = probes.chain_validates(asked)
    assert {(row.verdict, row.seen.partition(": ")[0]) for row in rows} == {
        (Verdict.PASS, "the one that stays, and its chain is valid by port_25.ca_file")
    }
    assert f"-CAfile {tmp_path / 'partners.pem'}" in rows[0].command
    assert {row.seen for row in probes.days_left(asked)} == {
        "server certificate, root: more than 30 days each"
    }
    (wrong, *_) = probes.chain_validates(survey(kept, tmp_path, "other.pem"))
    assert wrong.verdict is Verdict.FAIL
    assert wrong.seen.startswith(
        "the one that stays is not trusted by port_25.ca_file: unable to get local issuer"
    )


@pytest.mark.parametrize(
    ("file", "problem"), [("gone.pem", "cannot be read"), ("none.pem", "has no certificate")]
)
def test_a_file_that_names_no_root_is_refused(kept: Lab, tmp_path: Path, file: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as refusal:
        survey(kept, tmp_path, file)
    assert "hosts.debian12.port_25.ca_file" in refusal.value.remedy


def test_a_login_on_25_that_others_found_there_is_proven_by_it(lab: Lab) -> None:
    """Before, no password was sent there, so that it was 'could not test' for good; and none is without the name."""
    host: MailHost = probes_postfix.host(lab)
    with_name = make(host.target.name, PARTNERS, (host.target.name,))
    for leaf, verdict in ((with_name, Verdict.PASS), (LEAF, Verdict.UNTESTED)):
        host.write("/etc/postfix/partners.pem", leaf.key_pem + leaf.pem)
        with host.service(
            "smtp/inet/smtpd_sasl_auth_enable=yes",
            "smtp/inet/smtpd_tls_chain_files=/etc/postfix/partners.pem",
        ):
            for root, expected in ((None, Verdict.UNTESTED), (PARTNERS.pem.encode(), verdict)):
                kept = Kept((leaf.certificate,), (25,), False, "partners trust it", root, "partners.pem")
                rows = probes.right_password_accepted(
                    host.survey(ports=(25, 587), kept=kept, auth_on_25=True, mechanisms=None)
                )
                assert {row.verdict for row in rows if row.port == 25} == {expected}
                assert {row.verdict for row in rows if row.port == 587} == {Verdict.PASS}
