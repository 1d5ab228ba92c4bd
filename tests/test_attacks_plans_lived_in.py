"""A renewal on a server of 2013 under an approved plan: that is made, whatever is written beside it meanwhile."""

import json
import shutil
import time
from pathlib import Path

import pytest
from decided import decided, for_lived_in
from fake_chapters import SilentWatch
from ruamel.yaml import YAML

from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.batch.job import ChapterEnded, Event, Job
from runbook_lib.batch.order import Order, apply_plan
from runbook_lib.errors import ApplyRefused

HOST = "debian12"
SERIAL = "openssl x509 -noout -serial -in $(postconf -h smtpd_tls_chain_files)"
# Remarkable things of the host that another inventory or notebook would have changed.
SEEN = "postconf -n; postconf -M; test ! -e /root/not-approved"


class Colleague(SilentWatch):
    """Writes into inventory and notebooks while the run is at its second chapter."""

    def __init__(self, book: Path, notebooks: Path) -> None:
        super().__init__()
        self.book, self.notebooks, self.wrote = book, notebooks, False

    def event(self, job: Job, event: Event) -> None:
        self.events.append((time.monotonic(), job.host, event))
        if isinstance(event, ChapterEnded) and event.result.chapter == "11-key-and-csr":
            opens_port_25(self.book)
            for path in self.notebooks.glob("[12]*.ipynb"):
                notebook = json.loads(path.read_bytes())
                code = next(cell for cell in reversed(notebook["cells"]) if cell["cell_type"] == "code")
                code["source"] = ["chapter.remote.run('touch /root/not-approved', root=True)"]
                path.write_text(json.dumps(notebook), encoding="utf-8")
            self.wrote = True


def opens_port_25(book: Path) -> None:
    yaml = YAML()
    values = yaml.load(book)
    values["hosts"][HOST]["submission"] = {"auth_on_25": True}
    yaml.dump(values, book)


def due(lab: Lab, folder: Path) -> Path:
    """An inventory by which the certificate, of 365 days, is to be renewed."""
    book = Path(decided(lab, folder, for_lived_in("lived-in"), HOST))
    yaml = YAML()
    values = yaml.load(book)
    values["defaults"]["certificate"] |= {"valid_days": 398, "renew_days": 380}
    yaml.dump(values, book)
    return book


def test_a_renewal_is_made_as_approved_and_another_inventory_makes_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    lab.reset(HOST, "lived-in-applied")
    notebooks = tmp_path / "notebooks"
    shutil.copytree(CHECKOUT / "notebooks", notebooks)
    book = due(lab, tmp_path)
    before, serial = lab.exec(HOST, SEEN), lab.exec(HOST, SERIAL)
    planned = Order("plan", str(book), [HOST], notebooks=notebooks).carry_out(SilentWatch())
    assert planned.plan, [host.told() for host in planned.hosts]
    approved = book.read_bytes()

    opens_port_25(book)
    with pytest.raises(ApplyRefused, match="no longer the one of the plan"):
        apply_plan(planned.plan, SilentWatch(), reason="", workers=None, notebooks=notebooks)
    assert (lab.exec(HOST, SEEN), lab.exec(HOST, SERIAL)) == (before, serial)

    book.write_bytes(approved)
    colleague = Colleague(book, notebooks)
    result = apply_plan(planned.plan, colleague, reason="", workers=None, notebooks=notebooks)
    # Its mynetworks have this machine, from where relaying is allowed: that claim could not be tested.
    assert [host.state for host in result.hosts] == ["not proven"], [host.told() for host in result.hosts]
    assert colleague.wrote
    assert lab.exec(HOST, SEEN) == before
    assert lab.exec(HOST, SERIAL) != serial

    with pytest.raises(ApplyRefused):  # what lies there now is another plan
        apply_plan(planned.plan, SilentWatch(), reason="", workers=None, notebooks=notebooks)
