"""An issuer that was added in one file proposes, issues and withdraws through chapter 1-2, as the two others do."""

import json
import os
from pathlib import Path

from applied_host import applied
from ruamel.yaml import YAML
from test_adding_to_the_house import copied, said

from lab import Lab

HOST = "debian12"
RUN = "20991231T000000Z-d00d"
STEP = """
import json, os
from runbook_lib.chapters import signing
chapter = signing.open(os.environ["INVENTORY"], "debian12", "apply", "made up")
plan = chapter.plan_certificate()
made = chapter.apply(plan).text()
issuer = chapter.show_certificate().text()
print(json.dumps([chapter.text(), plan.text(), made, issuer, chapter.put_back()]))
"""


def test_a_made_up_issuer_serves_chapter_1_2(lab: Lab, tmp_path: Path) -> None:
    applied(lab, HOST)
    path = "/etc/ssl/certs/mail-server.pem"
    before = lab.exec(HOST, f"sha256sum {path}")
    book = YAML(typ="safe").load(lab.inventory)
    host = book["hosts"][HOST]
    host["certificate"] = {"signed_by": "made-up CA"}  # the rest is in the defaults
    book["hosts"] = {HOST: host}
    inventory, ledger = tmp_path / "site.yaml", tmp_path / "ledger"
    YAML().dump(book, inventory)
    inventory.chmod(0o600)
    copy = copied(tmp_path / "copy")
    environment = {
        "INVENTORY": str(inventory),
        "MADE_UP_BOOK": str(ledger),
        "RUNBOOK_RUN": RUN,
        "RUNBOOK_RECORDS": str(tmp_path / "records"),
    }
    opened, planned, made, shown, back = json.loads(said(copy, STEP, **environment))
    assert "Made-up CA (there)" in opened
    assert "comes from the made-up CA" in planned
    assert "made" in made
    assert "CN=Made-up CA" in shown
    assert ledger.read_text().splitlines() == [
        f"issued 7 to {HOST} in {RUN}",
        f"withdrawn from {HOST}: {RUN}",
    ]
    assert lab.exec(HOST, f"sha256sum {path}") == before
    assert os.fspath(path) in back
