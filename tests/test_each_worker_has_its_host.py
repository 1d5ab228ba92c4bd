"""A worker is given its host alone; all of the inventory is there once, for whoever asks."""

import os
import pickle
from collections.abc import Callable
from multiprocessing import context
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_chapters import OPEN, PLAN, SUMMARY, VERIFY, run_batch, write_inventory

from runbook_lib import inventory
from runbook_lib.errors import InventoryError
from runbook_lib.inventory.whole import Loan, Neighbour

JUMP = 'jump: "mail0"'


class _Passed:
    """A descriptor as multiprocessing hands it over: the process that is started has one of its own."""

    def __init__(self, number: int) -> None:
        self.number = number

    def detach(self) -> int:
        return os.dup(self.number)


@pytest.fixture
def as_for_a_worker() -> Callable[[object], bytes]:
    """What is written to a process that is started."""
    started = SimpleNamespace(DupFd=_Passed, duplicate_for_child=lambda number: number)

    def dumped(given: object) -> bytes:
        context.set_spawning_popen(started)  # type: ignore[arg-type]
        try:
            return pickle.dumps(given)
        finally:
            context.set_spawning_popen(None)

    return dumped


def book_of(folder: Path, hosts: int) -> inventory.Inventory:
    folder.mkdir()
    path = write_inventory(folder, *(f"mail{number}" for number in range(hosts)))
    path.write_text(path.read_text().replace("address: 192.0.2.1\n", f"address: 192.0.2.1\n    {JUMP}\n"))
    return inventory.load(path)


def test_what_a_worker_is_sent_does_not_grow_with_the_hosts(
    tmp_path: Path, as_for_a_worker: Callable[[object], bytes]
) -> None:
    sizes = []
    for hosts in (5, 100):
        book = book_of(tmp_path / str(hosts), hosts)
        with Loan.of(book.rest) as loan:
            sizes.append(len(as_for_a_worker(book.lent("mail2", loan))))
        assert len(pickle.dumps(book)) > hosts * 100
    assert abs(sizes[1] - sizes[0]) < 50  # the path is longer, and so are numbers


def test_a_worker_has_the_same_inventory(tmp_path: Path, as_for_a_worker: Callable[[object], bytes]) -> None:
    book = book_of(tmp_path / "site", 20)
    with Loan.of(book.rest) as loan:
        sent = as_for_a_worker(book.lent("mail1", loan))
        there: inventory.Inventory = pickle.loads(sent)  # noqa: S301
        again: inventory.Inventory = pickle.loads(sent)  # noqa: S301
    # Whoever lent it has closed it by now.
    assert (there.site, there.path, there.digest) == (book.site, book.path, book.digest)
    assert there.host("mail1") == book.host("mail1")
    assert there.host("mail1").through == book.host("mail0")
    assert list(there.others("mail1")) == list(book.others("mail1"))
    assert again.hosts == book.hosts
    assert again.host("mail7") == book.host("mail7")
    assert list(there.hosts) == list(book.hosts)
    assert there.where("hosts", "mail7", "address") == book.where("hosts", "mail7", "address")
    with pytest.raises(InventoryError, match="there is no host mail99; there are mail0, "):
        there.host("mail99")


def test_its_own_host_is_at_hand_and_nothing_else_is_read_for_it(
    tmp_path: Path, as_for_a_worker: Callable[[object], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(tmp_path / "site", 3)
    with Loan.of(book.rest) as loan:
        there: inventory.Inventory = pickle.loads(as_for_a_worker(book.lent("mail1", loan)))  # noqa: S301
    asked = []
    read = os.pread

    def watched(memory: int, size: int, at: int) -> bytes:
        asked.append(size)
        return read(memory, size, at)

    monkeypatch.setattr(os, "pread", watched)
    assert there.host("mail1").address == "192.0.2.1"
    assert asked == []
    assert [one.name for one in there.others("mail1")] == ["mail0", "mail2"]
    assert len(asked) == 1
    assert asked[0] < len(pickle.dumps(book)) / 3  # not all of it
    assert len(list(there.others("mail2"))) == 2
    assert len(asked) == 1


def test_what_is_told_of_the_others(tmp_path: Path) -> None:
    path = write_inventory(tmp_path, "mail0", "mail1")
    text = path.read_text().replace(
        "{smtp: mail1.example.test}", "{smtp: mail1.example.test, pop: pop.example.test}"
    )
    path.write_text(text + "    clients: [thunderbird]\n")
    book = inventory.load(path)
    assert list(book.others("mail0")) == [
        Neighbour("mail1", ("mail1.example.test", "pop.example.test"), True, ("thunderbird",))
    ]


ASKS = """
from runbook_lib import inventory as inventories
book = inventories.load(inventory)
told = {"own": book.host(host).address, "others": [one.name for one in book.others(host)], "all": list(book.hosts)}
assert told["own"] == book.hosts[host].address
assert type(book.rest).__name__ == "Loan"
record.add_note(str(told))
"""


def test_chapters_of_a_batch_see_every_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    names = [f"mail{number}" for number in range(6)]
    done = run_batch(
        tmp_path, names, {"11-one": (OPEN, ASKS, PLAN, VERIFY, SUMMARY)}, mode="plan", only_on=names[2:4]
    )
    assert [host.state for host in done.hosts] == ["planned", "planned"], done.hosts
    for number in (2, 3):
        record = (tmp_path / "records" / done.run / f"mail{number}" / "11-one.json").read_text()
        assert f"'own': '192.0.2.{number}'" in record
        others = [name for name in names if name != f"mail{number}"]
        assert f"'others': {others}, 'all': {names}" in record


def test_nothing_of_it_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    before = _open_inventories()
    run_batch(tmp_path, ["mail0"], {"11-one": (OPEN, PLAN, VERIFY, SUMMARY)}, mode="plan")
    assert _open_inventories() == before


def _open_inventories() -> int:
    links = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(one.readlink()))
        except FileNotFoundError:  # the folder's own, as it is read
            continue
    return sum("memfd:inventory" in link for link in links)
