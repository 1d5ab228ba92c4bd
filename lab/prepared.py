"""States that take the chapters, or a script, to bring about: made once a machine, then given back in seconds.

One cache for `python -m lab reset` and all tests. What is kept is an image of the host with its keys and passwords, so
it belongs to an identity (`State.identity`): labs that share one share what was made. An image is named for
everything that decides it; when that changes, the state is made anew and the old image goes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ruamel.yaml import YAML

from lab import host_images, images
from lab.releases import Release
from lab.state import CHECKOUT
from runbook_lib.errors import LabError

_TIMEOUT_S = 600.0
_POSTFIX = {"debian": "20-postfix-debian", "enterprise linux": "21-postfix-centos"}
# What a chapter does is decided by the library and by the code of its notebook.
_LIBRARY = ("runbook_lib/**/*.py", "runbook_lib/**/*.sh")

# What a person decides about a server of 2013, so that chapter 2 goes through.
LIVED_IN = {
    "main.cf, smtpd_use_tls": "replace",
    "main.cf, smtpd_tls_cert_file": "replace",
    "main.cf, smtpd_tls_key_file": "replace",
    "main.cf, smtpd_tls_session_cache_database": "replace",
    "main.cf, smtpd_tls_protocols": "keep",
    "main.cf, smtpd_tls_mandatory_protocols": "replace",
    "main.cf, smtpd_tls_exclude_ciphers": "keep",
    "main.cf, mynetworks": "keep",  # the office's machines send through it
    "master.cf, smtps/inet": "replace",
    "master.cf, submission/inet": "replace",
}


@dataclass(frozen=True)
class Prepared:
    """A state, and how it is come by.

    Args:
        name: what to call it.
        start: the state it begins with: a starting state, or one of PREPARED.
        chapters: 1 to 3 of '11', '12' and '2', which is the Postfix chapter of the host's family.
        script: sh, run as root after the chapters.
        decisions: what a person decides in the inventory, by place.
    """

    name: str
    start: str
    chapters: tuple[str, ...] = ()
    script: str = ""
    decisions: Mapping[str, str] = field(default_factory=dict)


_ALL = ("11", "12", "2")
PREPARED = {
    state.name: state
    for state in (
        Prepared("signed", "fresh", ("11", "12")),
        Prepared("applied", "bare", _ALL),
        Prepared("applied-from-fresh", "fresh", _ALL),
        Prepared("lived-in-applied", "lived-in", _ALL, decisions=LIVED_IN),
        Prepared(
            "lived-in-postscreen-applied",
            "lived-in-postscreen",
            _ALL,
            decisions=LIVED_IN | {"master.cf, smtp/inet": "keep"},
        ),
    )
}


def digest(release: Release, state: Prepared) -> str:
    """Sixteen digits for everything that decides how a host in this state looks, its keys aside."""
    below = PREPARED.get(state.start)
    texts = [digest(release, below) if below else host_images.image_tag(release, state.start)]
    texts += [state.script, json.dumps(dict(state.decisions)), *state.chapters]
    if state.chapters:
        texts += [path.read_text(encoding="utf-8") for path in _library()]
        for path in notebooks(release, state):
            cells = json.loads(path.read_bytes())["cells"]
            texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return images.digest(*texts)


def _library() -> Iterator[Path]:
    for pattern in _LIBRARY:
        yield from sorted(CHECKOUT.glob(pattern))


def notebooks(release: Release, state: Prepared) -> list[Path]:
    """The notebooks of its chapters, in order."""
    names = [_POSTFIX[release.family] if chapter == "2" else chapter for chapter in state.chapters]
    return [next((CHECKOUT / "notebooks").glob(f"{name}*.ipynb")) for name in names]


def run_chapters(host: str, release: Release, state: Prepared, lab: Path, inventory: Path) -> None:
    """Run a state's chapters on a host as one run, by papermill, in a process of their own.

    Args:
        host: by its name in the inventory.
        lab: the lab's folder.
        inventory: the lab's.
    Raises: LabError with the end of what the chapter said.
    """
    with tempfile.TemporaryDirectory(prefix="runbook-lab-") as folder:
        book = Path(folder) / "lab.yaml"
        _with_decisions(inventory, book, host, state.decisions)
        environment = {
            **os.environ,
            "RUNBOOK_LAB": str(lab),
            "RUNBOOK_RUN": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}",
            "RUNBOOK_RECORDS": f"{folder}/records",
        }
        for notebook in notebooks(release, state):
            done = subprocess.run(
                [sys.executable, "-m", "papermill", "--engine", "in-process", "--log-level", "ERROR",
                 "--no-progress-bar", "--cwd", str(notebook.parent), "-r", "host", host,
                 "-r", "inventory", str(book), str(notebook), f"{folder}/{notebook.name}"],
                env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
            if done.returncode:
                raise LabError(
                    f"the state {state.name!r} could not be made: {done.stderr.strip()[-1500:]}",
                    f"{host}, {notebook.stem}",
                    "mend the chapter; `python -m lab reset` gives the host back",
                )


def _with_decisions(inventory: Path, to: Path, host: str, decisions: Mapping[str, str]) -> None:
    yaml = YAML()
    book = yaml.load(inventory)
    if decisions:
        book["hosts"][host]["decisions"] = [
            {"about": about, "decide": decide, "reason": f"the lab: {about}"}
            for about, decide in decisions.items()
        ]
    with to.open("w", encoding="utf-8") as file:
        yaml.dump(book, file)
    to.chmod(0o600)
