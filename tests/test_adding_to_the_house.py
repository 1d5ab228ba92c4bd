"""What CONTRIBUTING.md says it takes to add something: done in a copy of the house, with made-up things."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

NEW = {
    "runbook_lib/families/made_up.py": """
from dataclasses import replace
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.package_managers import APT

MADE_UP = replace(
    DEBIAN, name="Made Up", os_release_ids=frozenset({"madeup"}), os_release_likes=frozenset(),
    postfix_chapter="22-postfix-made-up",
    package_managers=(replace(APT, command="mup", locks="/made/up.lock", functions="packages.mup.sh"),),
)
""",
    "runbook_lib/remote/packages.mup.sh": "packages_now() { :; }\n",
    "runbook_lib/mail/findings/made_up.py": """
from collections.abc import Iterator
from runbook_lib.inventory.place import Place
from runbook_lib.mail.findings.finding import Finding, Look

def find(look: Look) -> Iterator[Finding]:
    for entry in look.state.main:
        if entry.name == "made_up":
            yield Finding(Place.main("made_up", entry.number), entry.text, "nobody knows it")
""",
    "runbook_lib/mail/probes/made_up.py": """
from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.mail.probes.survey import Survey

MADE_UP = "The made-up thing holds"

def made_up_holds(survey: Survey) -> list[Row]:
    return [survey.general(MADE_UP, (Verdict.PASS, "it holds"), "true")]
""",
    "runbook_lib/site_ca/made_up.py": """
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from runbook_lib.remote.change import Change, Plan, TouchedPath
from runbook_lib.remote.files import FileChange, FileState, Seen
from runbook_lib.site_ca.issuer import Described, Proposed

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name.from_rfc4514_string("CN=Made-up CA")

@dataclass(frozen=True)
class MadeUpToIssue(Change):
    path: PurePosixPath
    before: Seen

    thing = property(lambda self: str(self.path))
    title = property(lambda self: f"{self.path} comes from the made-up CA")
    touches = property(lambda self: (TouchedPath(self.path, self.before.line),))

    def diff(self):
        return f"+{self.path}: of the made-up CA\\n"

    def commands(self):
        return "false"  # apply makes the file's change, and never this

def book(line):
    with Path(os.environ["MADE_UP_BOOK"]).open("a") as written:
        written.write(line + "\\n")

def described(site, host):
    return Described("Made-up CA", "Made-up CA (there)", "a week")

def propose(asked):
    return Proposed(Plan("Certificate", (MadeUpToIssue(asked.path, asked.seen),)), ("asked of the made-up CA",))

def issue(plan, asked, run):
    ours = (one for one in plan.changes if isinstance(one, MadeUpToIssue) and one.path == asked.path)
    change = next(ours, None)
    if change is None:
        return plan, ()
    csr = x509.load_pem_x509_csr(asked.said["csr"].value.encode() + b"\\n")
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in asked.host.names.all])
    leaf = x509.CertificateBuilder(NAME, csr.subject, csr.public_key(), 7, now, now + timedelta(7))
    pem = leaf.add_extension(names, False).sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)
    book(f"issued 7 to {asked.host.name} in {run}")
    made = FileChange(change.path, change.before, FileState.wanted(pem))
    changes = tuple(made if one is change else one for one in plan.changes)
    return replace(plan, changes=changes), ("issued by the made-up CA",)

def withdraw(site, host, run, there):
    book(f"withdrawn from {host}: {run}")
    return 1
""",
    "runbook_lib/chapters/made_up.py": """
from runbook_lib.chapters.chapter import Chapter

NOTEBOOK = "40-made-up"

class MadeUp(Chapter):
    pass
""",
}
LINES = {
    "runbook_lib/families/known.py": [
        ("FAMILIES = (DEBIAN, ENTERPRISE_LINUX)", "FAMILIES = (DEBIAN, ENTERPRISE_LINUX, MADE_UP)"),
        ("\nFAMILIES", "from runbook_lib.families.made_up import MADE_UP\n\nFAMILIES"),
    ],
    "runbook_lib/inventory/models.py": [
        ('Literal["own CA", "public CA"]', 'Literal["own CA", "public CA", "made-up CA"]'),
    ],
    "runbook_lib/site_ca/issuers.py": [
        ("import issuing, public_ca", "import issuing, made_up, public_ca"),
        ("    PUBLIC: public_ca,\n", '    PUBLIC: public_ca,\n    "made-up CA": made_up,\n'),
    ],
    "runbook_lib/mail/findings/explained.py": [
        ("    mail_names,\n", "    mail_names,\n    made_up,\n"),
    ],
    "runbook_lib/mail/probes/verify.py": [
        ("    message_arrives,\n)", "    message_arrives,\n    made_up_holds,\n)"),
        ("\nNOT_REACHED", "from runbook_lib.mail.probes.made_up import made_up_holds\n\nNOT_REACHED"),
    ],
    "runbook_lib/mail/probes/__init__.py": [
        (
            "from runbook_lib.mail.probes.naming",
            "from runbook_lib.mail.probes.made_up import MADE_UP, made_up_holds\n"
            "from runbook_lib.mail.probes.naming",
        ),
    ],
}
ASK = """
import json
from pathlib import Path
from test_findings import look
from runbook_lib import inventory
from runbook_lib.batch.notebooks import find_notebooks
from runbook_lib.chapters import made_up as chapter
from runbook_lib.doctor.looks import ALWAYS
from runbook_lib.families.chapters import chapters_of_others
from runbook_lib.families.known import find, MANAGERS_FACT
from runbook_lib.inventory.schema import schema_text
from runbook_lib.mail import probes
from runbook_lib.mail.findings.explained import findings
from runbook_lib.remote.system import PackagesChange
from runbook_lib.site_ca import issuers, made_up

here = Path("site.yaml")
book = inventory.load(here)
family, release = find("ID=madeup\\nVERSION_ID=12\\n", "mup\\n", "mail1")
survey = probes.Survey(probes.Target(name="mail.example.jp", domain="example.jp"))
print(json.dumps({
    "inventory": book.hosts["mail1"].family,
    "schema": schema_text().count('"Made Up"'),
    "family": [family.name, release.version_id, family.package_manager.command],
    "managers": "mup" in MANAGERS_FACT,
    "locks": "/made/up.lock" in ALWAYS["locks"],
    "functions": PackagesChange(("postfix",), family.package_manager).functions["packages"].split("\\n")[:2],
    "others": sorted(chapters_of_others("Made Up")),
    "findings": [one.meaning for one in findings(look(book.hosts["mail1"], "made_up = 1\\n"))],
    "claims": [row.told for row in probes.made_up_holds(survey)],
    "asked": probes.made_up_holds in probes.CLAIMS,
    "chapters": [one.chapter for one in find_notebooks(Path("notebooks"))][-2:],
    "module": chapter.NOTEBOOK,
    "issuer": [
        issuers.ISSUERS["made-up CA"] is made_up,
        '"made-up CA"' in schema_text(),
        *issuers.described(book.site, book.hosts["mail1"], ()),
    ],
}))
"""
SITE = """
site: {name: Example, domain: example.jp, ca: {passphrase: "env:CA"}}
hosts:
  mail1:
    address: 192.0.2.25
    user: kanri
    names: {smtp: mail.example.jp}
    certificate: {key_passphrase: "env:KEY", signed_by: made-up CA}
    family: Made Up
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the copy says of what was added to it."""
    copy = copied(tmp_path_factory.mktemp("copy"))
    (copy / "site.yaml").write_text(SITE)
    (copy / "site.yaml").chmod(0o600)
    answer: dict[str, Any] = json.loads(said(copy, ASK))
    return answer


def copied(copy: Path) -> Path:
    """A copy of the house, with everything made up that is added here."""
    for name in ("runbook_lib", "notebooks"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in NEW.items():
        (copy / path).write_text(text)
    for path, changes in LINES.items():
        text = (copy / path).read_text()
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (copy / path).write_text(text)
    shutil.copy(copy / "notebooks" / "32-thunderbird.ipynb", copy / "notebooks" / "40-made-up.ipynb")
    return copy


def said(copy: Path, script: str, **environment: str) -> str:
    """What a script prints that runs in the copy, and knows the tests beside it."""
    search = os.pathsep.join([str(copy), str(CHECKOUT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": search, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_family_is_a_module_and_a_name_in_a_list(told: dict[str, Any]) -> None:
    """Inventory, schema, doctor, packages and the choice of chapters know it from its data."""
    assert told["family"] == ["Made Up", "12", "mup"]
    assert (told["inventory"], told["schema"] > 0) == ("Made Up", True)
    assert (told["managers"], told["locks"]) == (True, True)
    assert told["functions"] == ["packages_with=mup", "packages_now() { :; }"]
    assert told["others"] == ["20-postfix-debian", "21-postfix-centos"]


def test_a_remark_is_a_module_and_its_name_in_a_list(told: dict[str, Any]) -> None:
    assert "nobody knows it" in told["findings"]


def test_a_probe_is_a_module_and_its_name_in_a_list(told: dict[str, Any]) -> None:
    assert (told["claims"], told["asked"]) == (["pass"], True)


def test_an_issuer_is_a_module_its_name_in_a_list_and_in_the_inventory(told: dict[str, Any]) -> None:
    """What it proposes, issues and withdraws through the chapter: test_a_made_up_issuer.py."""
    assert told["issuer"] == [True, True, "Made-up CA", "Made-up CA (there)", "a week"]


def test_a_chapter_is_a_notebook_and_a_module(told: dict[str, Any]) -> None:
    assert told["chapters"] == ["40-made-up", "90-verification"]
    assert told["module"] == "40-made-up"
