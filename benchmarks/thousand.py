"""What grows with hosts, and what with history: up to 1,000 hosts, 100,000 certificates, 500 runs. No host needed.

Hosts are stand-ins: addresses on loopback where nobody listens (`status`, `verify`), chapters without a server
(`plan`), records made up (the page of a run). So it is our own work that grows; what real hosts take, each of them
under many addresses, tells benchmarks/addresses.py. Journals are read by this machine's sh.

Each size has a process of its own. Of CPU time it is asked what each host, or run, more takes: between the last two
sizes over between the first two, beside a goal; 1 is linear. Memory, and a look at a ledger, are those of the largest
size over those of the smallest. `until the first host is told` is CPU time too, since a clock would tell who else is at
work here; what the inventory takes to be read is in it, and stands beside it.
"""

import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from runbook_lib.inventory import Site

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests")]
RUNBOOK = Path(sys.executable).with_name("runbook")
HOSTS, CERTIFICATES, RUNS = (50, 200, 1000), (1000, 10_000, 100_000), (50, 200, 500)
_TIMES = 100
EACH_MORE = ("CPU s", "KB of the page")  # of these it is asked what each more takes
# How many times what it is for the smaller sizes a figure may be for the larger.
GOALS = {
    ("status", "CPU s"): 1.3,
    ("status", "memory MB"): 1.5,
    ("verify", "CPU s"): 1.3,
    ("verify", "memory MB"): 1.5,
    ("plan", "CPU s"): 1.5,
    ("plan", "memory MB of the parent"): 1.5,
    ("page", "CPU s"): 1.3,
    ("page", "KB of the page"): 1.1,
    ("page", "memory MB"): 4.0,
    ("ledger", "CPU ms of what a look asks"): 3.0,
    ("workers", "bytes that one is sent"): 1.05,
    ("list", "CPU s"): 1.3,
    ("list", "memory MB"): 1.2,
    ("journals", "CPU s"): 1.3,
}


def cpu_s(whose: int = resource.RUSAGE_SELF) -> float:
    """Processor time so far, of this process or of those that it has waited for."""
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def peak_mb(whose: int = resource.RUSAGE_SELF) -> float:
    """The most memory that was resident at once."""
    return resource.getrusage(whose).ru_maxrss / 1024


def inventory_of(folder: Path, hosts: int) -> Path:
    """An inventory of hosts on loopback, where nobody listens."""
    import fake_chapters

    path: Path = fake_chapters.write_inventory(folder, *(f"mail{number}" for number in range(hosts)))
    text = path.read_text()
    for number in range(hosts):
        address = f"127.{1 + number // 250}.0.{1 + number % 250}\n    port: 1"
        text = text.replace(
            f"address: 192.0.{2 + number // 256}.{number % 256}\n", f"address: {address}\n", 1
        )
    path.write_text(text)
    return path


def status(folder: Path, hosts: int) -> dict[str, float]:
    """`runbook status` of hosts that refuse."""
    return looked_at(folder, hosts, "status")


def verify(folder: Path, hosts: int) -> dict[str, float]:
    """`runbook verify` of hosts that refuse."""
    return looked_at(folder, hosts, "verify")


def looked_at(folder: Path, hosts: int, command: str) -> dict[str, float]:
    """A command that looks at hosts: as a process, since its memory is asked for."""
    book = inventory_of(folder, hosts)
    from runbook_lib import inventory

    began = time.process_time()
    inventory.load(str(book))
    read_s = time.process_time() - began
    with subprocess.Popen(
        [RUNBOOK, command, "--inventory", book], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as asked:
        assert asked.stderr is not None
        asked.stderr.readline()
        used = psutil.Process(asked.pid).cpu_times()
        lines = 1 + sum(1 for _ in asked.stderr)
    assert lines == 3 * hosts, lines
    return {
        "CPU s": cpu_s(resource.RUSAGE_CHILDREN),
        "memory MB": peak_mb(resource.RUSAGE_CHILDREN),
        "CPU s until the first host is told": used.user + used.system,
        "CPU s of reading the inventory": read_s,
    }


def plan(folder: Path, hosts: int) -> dict[str, float]:
    """A batch in plan mode, of one chapter without a server."""
    import fake_chapters

    os.environ["RUNBOOK_RECORDS"] = str(folder / "records")
    names = [f"mail{number}" for number in range(hosts)]
    done = fake_chapters.run_batch(folder, names, {"11-one": fake_chapters.NOTHING_TO_DO}, mode="plan")
    assert all(host.state == "planned" for host in done.hosts), done.hosts[0]
    return {
        "CPU s": cpu_s() + _of_workers_s(),
        "memory MB of the parent": peak_mb(),
    }


def _of_workers_s() -> float:
    """CPU time of the workers: they are children of the process that they are forked from, which is still there."""
    used = [one.cpu_times() for one in psutil.Process().children()]
    return sum(one.user + one.system + one.children_user + one.children_system for one in used)


def page(folder: Path, hosts: int) -> dict[str, float]:
    """Seal and pages of a run, of five chapters a host."""
    import sample_record

    from runbook_lib.records import publish

    sample_record.postfix_chapter(folder)
    (record,) = folder.glob("*/*/*.json")
    told = json.loads(record.read_bytes())
    for number in range(hosts):
        host = folder / sample_record.RUN / f"mail{number}"
        host.mkdir(exist_ok=True)  # one of them is that of the record
        for chapter in ("11-one", "12-two", "20-three", "31-four", "90-five"):
            text = json.dumps(told | {"host": host.name, "chapter": chapter})
            (host / f"{chapter}.json").write_text(text)
    began = cpu_s()
    found = publish.publish(folder, sample_record.RUN)
    size = (found.folder / "index.html").stat().st_size
    return {
        "CPU s": cpu_s() - began,
        "memory MB": peak_mb(),
        "KB of the page": size / 1000,
    }


def ledger_of(folder: Path, certificates: int, different: int) -> "tuple[Site, Path]":
    """A site whose CA issued so many certificates, of which ten are revoked; and its inventory.

    Args:
        different: how many certificates there are; each comes again and again, under other serials.
    """
    import fake_chapters

    from runbook_lib import inventory
    from runbook_lib.pki import certificate, profile
    from runbook_lib.pki.ledger import written
    from runbook_lib.site_ca import own_ca

    ca = f'ca: {{passphrase: "file:ca-passphrase", directory: "{folder}/ca"}}'
    path = fake_chapters.write_inventory(folder, "mail1")
    path.write_text(path.read_text().replace('ca: {passphrase: "file:ca-passphrase"}', ca))
    site = inventory.load(str(path)).site
    opened, now = own_ca.open_or_create(site), datetime.now(UTC)
    key, days = opened.certificate.public_key(), (now - timedelta(days=90), now + timedelta(days=200))
    pems = [
        certificate.as_pem(
            profile.sign_leaf(opened.certificate, opened.key, key, [f"m{n}.example.test"], n + 1, days)
        ).decode()
        for n in range(different)
    ]
    serials = [f"{2**124 + number:X}" for number in range(certificates)]
    with opened.ledger.writing() as database:
        database.executemany(
            "INSERT INTO issuances VALUES (?, ?, 'run', '[\"m.example.test\"]', ?, ?, ?, ?, ?, NULL, NULL)",
            [
                (
                    serial, f"mail{n % 1000}", f"{n % 1000:064x}", written(now - timedelta(days=90)),
                    written(now + timedelta(days=n % 200 - 100)), pems[n % different],
                    written(now - timedelta(days=90) + timedelta(seconds=n)),
                )
                for n, serial in enumerate(serials)
            ],
        )  # fmt: skip
        database.executemany(
            "INSERT INTO revocations VALUES (?, ?, 'keyCompromise', 'run')",
            [(serial, written(now)) for serial in serials[:: max(certificates // 10, 1)]],
        )
    return site, path


def ledger(folder: Path, certificates: int) -> dict[str, float]:
    """What `status`, a signature and a rollback ask of a ledger of which ten are revoked."""
    from runbook_lib.pki import revocation
    from runbook_lib.site_ca import barred, own_ca, standing

    site, _ = ledger_of(folder, certificates, 1)
    book, now = own_ca.open_or_create(site).ledger, datetime.now(UTC)

    def asked() -> None:
        barred.barred(site)
        standing.look_at_ca(site, 30, 90)
        book.newest_time()
        book.first_of_key(f"{7:064x}")
        revocation.withdrawn_privilege(book, "mail5", ["m.example.test"], "ff")
        book.has_ended(now)

    asked()
    began = cpu_s()
    asked()
    return {"CPU ms of what a look asks": (cpu_s() - began) * 1000}


def workers(folder: Path, hosts: int) -> dict[str, float]:
    """What it takes to start one more worker, beside what notebooks take; what it asks of the other hosts."""
    from multiprocessing import context

    from runbook_lib import inventory
    from runbook_lib.inventory.whole import Loan

    book = inventory.load(inventory_of(folder, hosts))
    context.set_spawning_popen(_Handed())  # type: ignore[arg-type]
    with Loan.of(book.rest) as loan:
        began = cpu_s()
        for _ in range(_TIMES):
            sent = pickle.dumps(book.lent("mail1", loan))
            there = pickle.loads(sent)  # noqa: S301
        started = cpu_s() - began
        began = cpu_s()
        assert sum(1 for _ in there.others("mail1")) == hosts - 1
        others = cpu_s() - began
    return {
        "bytes that one is sent": len(sent),
        "CPU ms to send and to take it": started / _TIMES * 1000,
        "CPU ms to ask of all other hosts": others * 1000,
    }


class _Handed:
    """Stands where multiprocessing hands descriptors to a process that it starts."""

    def duplicate_for_child(self, number: int) -> int:
        return number

    def DupFd(self, number: int) -> "_Duplicate":  # noqa: N802 - its name there
        return _Duplicate(number)


class _Duplicate:
    def __init__(self, number: int) -> None:
        self.number = number

    def detach(self) -> int:
        return self.number


def listed(folder: Path, certificates: int) -> dict[str, float]:
    """`runbook ca list`, as a process; each certificate's signature is checked, of 200 different ones."""
    _, path = ledger_of(folder, certificates, 200)
    with subprocess.Popen(
        [RUNBOOK, "ca", "list", "--inventory", path],
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    ) as asked:
        assert asked.stdout is not None
        asked.stdout.readline()
        used = psutil.Process(asked.pid).cpu_times()
        lines = sum(1 for _ in asked.stdout)
    assert lines > certificates, lines
    return {
        "CPU s": cpu_s(resource.RUSAGE_CHILDREN),
        "memory MB": peak_mb(resource.RUSAGE_CHILDREN),
        "CPU s until the first line": used.user + used.system,
    }


def journals(folder: Path, runs_there: int) -> dict[str, float]:
    """What `status` asks of journals with eight changes each."""
    from journals_made_up import StandIn

    from runbook_lib.mail.configuration.journaled import POSTFIX
    from runbook_lib.remote import drift, runs
    from runbook_lib.remote.journal import FUNCTIONS

    host = StandIn(folder)
    path = folder / "file"
    path.write_text("one\n")
    for number in range(1, runs_there + 1):
        host.add(number, *(path,) * 8)
    began = cpu_s(resource.RUSAGE_CHILDREN)
    assert len(runs.look(host).runs) == runs_there
    assert host.run(FUNCTIONS + drift.fact(POSTFIX)["drift"]).status == 0
    return {"CPU s": cpu_s(resource.RUSAGE_CHILDREN) - began}


PARTS: dict[str, tuple[Callable[[Path, int], dict[str, float]], tuple[int, ...]]] = {
    "status": (status, HOSTS),
    "verify": (verify, HOSTS),
    "plan": (plan, HOSTS),
    "page": (page, HOSTS),
    "workers": (workers, HOSTS),
    "ledger": (ledger, CERTIFICATES),
    "list": (listed, CERTIFICATES),
    "journals": (journals, RUNS),
}


def main() -> None:
    """Measure each part at each size, or one part at some; print a table. Exit status 1 when a goal is missed."""
    if len(sys.argv) == 4 and sys.argv[1] == "--one":
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(PARTS[sys.argv[2]][0](Path(folder), int(sys.argv[3]))))  # noqa: T201
        return
    missed = False
    print(f"{'':<38} {'':>10} {'':>10} {'':>10} ratio  goal")  # noqa: T201
    for name in sys.argv[1:2] or PARTS:
        sizes = tuple(map(int, sys.argv[2:])) or PARTS[name][1]
        seen = []
        for size in sizes:
            one = subprocess.run(
                [sys.executable, __file__, "--one", name, str(size)], stdout=subprocess.PIPE, check=True
            )
            seen.append(json.loads(one.stdout))
        print(f"{name:<38} {' '.join(f'{size:>10}' for size in sizes)}")  # noqa: T201
        for figure in seen[0]:
            values = [one[figure] for one in seen]
            compared = values
            if figure in EACH_MORE:
                compared = [
                    (after - before) / (more - fewer)
                    for (before, after), (fewer, more) in zip(pairwise(values), pairwise(sizes), strict=True)
                ]
            goal = GOALS.get((name, figure))
            ratio = compared[-1] / compared[0]
            missed = missed or (goal is not None and ratio > goal)
            told = f"{ratio:>6.2f}  {goal:g}" if goal else ""
            print(f"  {figure:<36} {' '.join(f'{value:>10.4g}' for value in values)} {told}")  # noqa: T201
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
