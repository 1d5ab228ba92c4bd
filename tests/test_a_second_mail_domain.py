"""A host with two mail domains: a second inventory that differs in the domain alone changes nothing on the host."""

from pathlib import Path

from applied_host import applied, run_cells
from ruamel.yaml import YAML

from lab import Lab

HOST, SECOND = "debian12", "second.example.test"


def test_the_second_domain_s_pages_are_made_and_nothing_else_is_to_do(lab: Lab, tmp_path: Path) -> None:
    applied(lab, HOST)
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["site"]["domain"] = SECOND
    second = tmp_path / "second.yaml"
    yaml.dump(book, second)
    for chapter in ("11-key-and-csr", "12-signing", "20-postfix-debian"):
        summary = run_cells(chapter, host=HOST, mode="plan", inventory=str(second))[-1].text()
        assert "nothing to do" in summary, (chapter, summary)
    shown = run_cells("32-thunderbird", host=HOST, mode="plan", inventory=str(second))
    assert any(
        f"@{SECOND}" in one.text() or f"autoconfig.{SECOND}" in one.text() for one in shown if one is not None
    )
