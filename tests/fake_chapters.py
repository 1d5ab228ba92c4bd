"""Small chapters that record as real ones do, without a server: what the batch is tried with.

Real notebooks, run by the real papermill in real kernels.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from runbook_lib import display
from runbook_lib.batch.job import Event, Job
from runbook_lib.batch.order import Order
from runbook_lib.batch.results import BatchResult, Mode
from runbook_lib.chapters.chapter import Chapter
from runbook_lib.chapters.opening import Opened
from runbook_lib.records import Record
from runbook_lib.remote import Host as RemoteHost
from runbook_lib.remote.journal import Journal

PARAMETERS = """\
inventory: str = "lab"
host: str = "mail1"
mode: str = ""  # plan or apply
reason: str = ""
key_bits: int = 2048
"""
OPEN = """
from runbook_lib import records
record = records.Record.begin(
    records.root(), records.current_run(), host, {chapter!r}, title={title!r}, mode=mode or "plan", reason=reason,
    operator=records.operator(), lab=True, facts={{"family": "Debian"}}, inventory_sha256="0" * 64)
"""
PLAN = """
change = {"title": "/etc/postfix/main.cf", "kind": "file", "diff": "-a\\n+b", "commands": "true"}
record.add_plan("Files", "aa11", [change])
"""
APPLY = 'if mode == "apply": record.add_apply("aa11", ["/etc/postfix/main.cf"], "/var/lib/runbook/x")'
VERIFY = 'record.add_verify("Port 587 offers AUTH only after STARTTLS", [], "pass")'
SUMMARY = 'record.finish("passed" if mode == "apply" else "planned", "Done.")'
WHOLE = (OPEN, PLAN, APPLY, VERIFY, SUMMARY)
NOTHING_TO_DO = (OPEN, 'record.add_plan("Files", "aa11", [])', VERIFY, SUMMARY)

HOST = """
  {name}:
    address: {address}
    user: kanri
    production: {production}
    names: {{smtp: {name}.example.test}}
    certificate: {{key_passphrase: "file:key-passphrase"}}
    check_account: {{user: kensa, password: "file:kensa"}}"""
PASSWORD = "a \"b' \\c&d;$e !f"


def write_chapter(folder: Path, chapter: str, *cells: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    """Write a notebook with a title, a parameters cell and these cells."""
    folder.mkdir(exist_ok=True)
    title = f"{chapter[0]}-{chapter[1]} A chapter"
    texts = [cell.format(chapter=chapter, title=title) if cell is OPEN else cell.strip() for cell in cells]
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"# {title}\n\nWhat you will have."),
            new_code_cell(PARAMETERS, metadata={"tags": list(tags)}),
            *(new_code_cell(text.strip()) for text in texts),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = folder / f"{chapter}.ipynb"
    nbformat.write(notebook, path)
    return path


def write_inventory(
    folder: Path,
    *hosts: str,
    production: bool = False,
    groups: Mapping[str, str] | None = None,
    site: str = "",
) -> Path:
    """Write an inventory with hosts that nobody connects to; some of them in groups.

    Args:
        site: a line more of the site.
    """
    values = {
        "ca-passphrase": "passphrase of the CA",
        "key-passphrase": "passphrase of keys",
        "kensa": PASSWORD,
    }
    for name, value in values.items():
        (folder / name).write_text(value, encoding="utf-8")
        (folder / name).chmod(0o600)
    head = (
        'site:\n  name: Test\n  domain: example.test\n  ca: {passphrase: "file:ca-passphrase"}\n'
        f"  {site}\nhosts:"
    )
    blocks = [
        HOST.format(
            name=name, address=f"192.0.{2 + number // 256}.{number % 256}", production=str(production).lower()
        )
        + (f"\n    group: {groups[name]}" if groups and name in groups else "")
        for number, name in enumerate(hosts)
    ]
    path = folder / "site.yaml"
    path.write_text(head + "".join(blocks) + "\n", encoding="utf-8")
    return path


class ReachedHost(Exception):
    """A chapter asked its host for something."""


class _NoHost:
    """Stands where a host does, and tells when it is asked for anything."""

    def hold(self, *_: object, **__: object) -> None:
        raise ReachedHost


def without_host(record: Record) -> Chapter:
    """A chapter that was opened to apply, on a host that does not exist."""
    opened = SimpleNamespace(
        mode="apply", selinux="", review_by=None, host=SimpleNamespace(name=record.data.host)
    )
    journal = Journal(cast(RemoteHost, _NoHost()), record.data.run, "kanri")
    title = record.data.title
    return Chapter(record.data.chapter, title, cast(Opened, opened), record, journal, display.Text(""))


def another_reason() -> str:
    """A reason that no run had before: these hosts are none of the lab's."""
    return f"of the tests, {secrets.token_hex(4)}"


class SilentWatch:
    """Looks on and keeps what it saw."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str, object]] = []

    def started(self, job: Job) -> None:
        self.events.append((time.monotonic(), job.host, "started"))

    def event(self, job: Job, event: Event) -> None:
        self.events.append((time.monotonic(), job.host, event))

    def stopping(self, now: bool) -> None:
        raise AssertionError(f"nobody asked to stop, now={now}")


def run_batch(
    folder: Path,
    hosts: Sequence[str],
    chapters: Mapping[str, Sequence[str]],
    *,
    only_on: Sequence[str] = (),
    production: bool = False,
    watch: SilentWatch | None = None,
    mode: Mode = "apply",
    groups: Mapping[str, str] | None = None,
    **order: Any,
) -> BatchResult:
    """Write chapters and an inventory under a folder, and run them; records go where $RUNBOOK_RECORDS says."""
    for name, cells in chapters.items():
        write_chapter(folder / "notebooks", name, *cells)
    site = write_inventory(folder, *hosts, production=production, groups=groups)
    if mode == "apply" and not production:
        order.setdefault("reason", another_reason())
    return Order(mode, str(site), only_on, notebooks=folder / "notebooks", **order).carry_out(
        watch or SilentWatch()
    )
