"""Which tests go to one process together, and in which order: the longest group first, so that none is waited for.

A group is the tests of a file about one host, in the file's order, or the tests of a file that are about none; the
notebooks of a folder are one group, in their order. How long each took is in durations.txt, which `make durations`
renews.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from lab.releases import RELEASES

DURATIONS = Path(__file__).with_name("durations.txt")
_UNKNOWN_S = 1.0
_LEAST_S = 0.5  # what is quicker is not written down


class InGroups(LoadScopeScheduling):  # type: ignore[misc]
    """xdist's own scheduling by scope, with groups for scopes; its marks for groups do not reach pytest 9."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def sort(items: list[pytest.Item]) -> None:
    """Put tests into the order of their groups."""
    known = _durations()
    groups: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        groups[group_of(item.nodeid)].append(item)
    took = {
        name: sum(known.get(item.nodeid, _UNKNOWN_S) for item in members) for name, members in groups.items()
    }
    items[:] = [item for name in sorted(groups, key=lambda name: -took[name]) for item in groups[name]]


def group_of(nodeid: str) -> str:
    """The group of a test, by its name alone: both ends of xdist ask."""
    file, _, test = nodeid.partition("::")
    if file.endswith(".ipynb"):
        return Path(file).parts[0]
    words = test.partition("[")[2].removesuffix("]").split("-")
    host = next((word for word in words if word in RELEASES), "")
    return f"{file} {host}".strip()


def _durations() -> Mapping[str, float]:
    if not DURATIONS.exists():
        return {}
    rows = (line.split(" ", 1) for line in DURATIONS.read_text(encoding="utf-8").splitlines())
    return {name: float(seconds) for seconds, name in rows}


def write_durations(config: pytest.Config) -> None:
    """Write what each test took, the longest first, set-up and clearing away included: seconds, then its name."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    took: dict[str, float] = defaultdict(float)
    for reports in reporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took[report.nodeid] += report.duration
    rows = sorted(took.items(), key=lambda row: -row[1])
    lines = [f"{seconds:.1f} {name}\n" for name, seconds in rows if seconds >= _LEAST_S]
    config.option.durations_file.write_text("".join(lines), encoding="utf-8")
