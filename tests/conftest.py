"""The lab for all tests: real hosts, shared; a test that changes one resets it first."""

import os
from collections.abc import Iterator

import pytest
from supported import HOSTS, ONE_OF_EACH_FAMILY

from lab import Lab
from lab.releases import RELEASES
from lab.state import CHECKOUT


def pytest_configure() -> None:
    """With `pytest -n 3` each process has a lab of its own: the checkout's, or one for the time being."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if worker != "gw0" and "RUNBOOK_LAB" not in os.environ:
        os.environ["RUNBOOK_LAB"] = str(CHECKOUT / ".lab-tests" / worker)


def pytest_sessionfinish() -> None:
    """A lab for the time being goes."""
    folder = os.environ.get("RUNBOOK_LAB", "")
    if folder.startswith(str(CHECKOUT / ".lab-tests")):
        Lab.load().down()


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


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab of $RUNBOOK_LAB, else of the checkout: brought up or repaired, then left up."""
    shared = Lab.load()
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
