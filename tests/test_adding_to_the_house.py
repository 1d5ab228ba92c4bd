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
}))
"""
SITE = """
site: {name: Example, domain: example.jp, ca: {passphrase: "env:CA"}}
hosts:
  mail1:
    address: 192.0.2.25
    user: kanri
    names: {smtp: mail.example.jp}
    certificate: {key_passphrase: "env:KEY"}
    family: Made Up
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the copy says of what was added to it."""
    copy = tmp_path_factory.mktemp("copy")
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
    (copy / "site.yaml").write_text(SITE)
    (copy / "site.yaml").chmod(0o600)
    search = os.pathsep.join([str(copy), str(CHECKOUT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


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


def test_a_chapter_is_a_notebook_and_a_module(told: dict[str, Any]) -> None:
    assert told["chapters"] == ["40-made-up", "90-verification"]
    assert told["module"] == "40-made-up"
