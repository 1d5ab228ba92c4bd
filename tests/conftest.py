"""The lab for all tests: real hosts, shared; a test says which state it wants of one, and is given it.

With `pytest -n 3` each process has a lab of its own, with the keys, passwords and CA of the checkout's, so that a state
that one of them made serves all. Tests go to the processes in groups, the longest first.
"""

import functools
import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import groups
import pytest
from applied_host import answers_are_kept, forget_answers
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from supported import HOSTS, ONE_OF_EACH_FAMILY

from lab import Lab, LabHost, Prepared
from lab.images import Progress
from lab.lab import silent
from lab.releases import RELEASES
from lab.state import CHECKOUT, State

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_MAIN = CHECKOUT / ".lab"
# A browser for pages that are files: it asks nothing of anybody by itself.
_BROWSER = "/usr/bin/chromium"
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# Where each try is alike, `make check` makes one of so many.
_ONE_OF = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durations-file", type=Path, help="write what each test took, the longest first")
    parser.addoption(
        "--part", choices=("all", "check", "test", "long"), default="all",
        help="what `make check` tries, what `make test` does, what that leaves to `make long` (see groups), or all",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Before the first test: which lab this process has."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    without_lab = config.option.part == "check" or config.option.markexpr == "not lab"
    if "RUNBOOK_LAB" in os.environ or without_lab:
        return
    if not worker and getattr(config.option, "numprocesses", None):
        _make_what_is_shared()
    elif worker not in ("", "gw0"):
        folder = CHECKOUT / ".lab-tests" / worker
        os.environ["RUNBOOK_LAB"] = str(folder)
        State(folder).share(State(_MAIN))


def _make_what_is_shared() -> None:
    """The checkout's lab, whose identity the labs of all processes have, and its CA."""
    main = Lab(State(_MAIN))
    main.up()
    runbook = CHECKOUT / ".venv" / "bin" / "runbook"
    command = [str(runbook), "ca", "init", "--inventory", str(main.inventory)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A lab for the time being goes; what each test took is kept."""
    folder = os.environ.get("RUNBOOK_LAB", "")
    if folder.startswith(str(CHECKOUT / ".lab-tests")):
        Lab.load().down()
    if "PYTEST_XDIST_WORKER" not in os.environ and session.config.option.durations_file:
        groups.write_durations(session.config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> groups.InGroups:
    return groups.InGroups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        needs = getattr(item, "fixturenames", ())
        if "lab" in needs or item.path.suffix == ".ipynb":
            item.add_marker("lab")
        if "browser" in needs:
            item.add_marker("programs")
    left_out = groups.left_out(config.option.part, items)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]
    groups.sort(items)


def pytest_collection_finish() -> None:
    """Thousands of tests are there to the end: whoever collects garbage need not look at each of them again."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured (`record_property("figure", …)`) is said, and not only whether it was enough."""
    figures = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "figure" and report.when == "call"
    ]
    for figure in figures:
        terminalreporter.write_line(figure)


@pytest.fixture(scope="session", autouse=True)
def _records_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Records that tests make do not go among a person's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_RECORDS", str(tmp_path_factory.mktemp("records")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _each_key_is_opened_once() -> Iterator[None]:
    """Opening a CA's key takes a third of a second by design; the same file and passphrase give the same key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runbook_lib.pki.storage.load_pem_private_key", functools.cache(load_pem_private_key))
        yield


@pytest.fixture(scope="session")
def tries(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """How many of so many tries that are alike (alterations by chance, say) are made: by `make check` a quarter."""
    return lambda count: count // _ONE_OF if pytestconfig.option.part == "check" else count


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A browser, for a file's tests; not for longer, since an event loop is at work in this thread meanwhile."""
    from playwright.sync_api import sync_playwright  # whoever tries one test on one host does not wait for it

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=_BROWSER, args=_QUIET)
        yield started
        started.close()


class GivenLab(Lab):
    """The lab, of which no module inherits what another made of a host: who resets none is given it bare."""

    given: ClassVar[set[str]] = set()  # to this module
    used: ClassVar[set[str]] = set()  # by any module, since it was reset last

    def host(self, name: str) -> LabHost:
        """As `Lab.host`."""
        if name not in self.given and name in self.used:
            self.reset(name)
        found = super().host(name)
        self.given.add(name)
        self.used.add(name)
        return found

    def reset(self, name: str, state: str | Prepared = "bare", progress: Progress = silent) -> LabHost:
        """As `Lab.reset`."""
        self.given.add(name)
        forget_answers()
        return super().reset(name, state, progress)

    def exec(self, name: str, script: str, timeout_s: float = 60.0, check: bool = True) -> bytes:
        """As `Lab.exec`; what was answered before counts no more."""
        try:
            return super().exec(name, script, timeout_s, check)
        finally:
            forget_answers()


@pytest.fixture(scope="module", autouse=True)
def _nothing_inherited() -> None:
    GivenLab.given.clear()


@pytest.fixture
def as_a_batch() -> Iterator[None]:
    """Cells that a test calls itself follow each other as in a batch, which asks again only after a change."""
    with answers_are_kept():
        yield


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab of $RUNBOOK_LAB, else of the checkout: brought up or repaired, then left up."""
    shared = GivenLab.load()
    shared.up()
    return shared


@pytest.fixture(params=HOSTS)
def host_name(request: pytest.FixtureRequest) -> str:
    """Each host that the runbook knows, in turn; reset it to the state that the test wants."""
    name: str = request.param
    return name


@pytest.fixture(params=ONE_OF_EACH_FAMILY)
def family_host(request: pytest.FixtureRequest) -> str:
    """A host of each family, in turn; reset it to the state that the test wants."""
    name: str = request.param
    return name


@pytest.fixture(params=list(RELEASES))
def any_host(request: pytest.FixtureRequest) -> str:
    """Each host of the lab in turn; reset it to the state that the test wants."""
    name: str = request.param
    return name
