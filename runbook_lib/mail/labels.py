"""SELinux labels of files, beside what the policy gives their places."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.facts import gather

CLAIM = "Each file has the label that SELinux's policy gives its place"


def rows(host: Host, paths: Iterable[PurePosixPath]) -> list[Row]:
    """A row a file that is there; matchpathcon(8) knows the policy, stat(1) the label."""
    asked = {str(path): f"matchpathcon -V {quote(path)}" for path in paths}
    facts = gather(
        host, {path: f"test ! -e {quote(path)} || {look}" for path, look in asked.items()}, root=True
    )
    found = []
    for path, look in asked.items():
        fact = facts[path]
        if fact.status == 0 and not fact.value:
            continue
        verdict = Verdict.PASS if fact.value.endswith(" verified.") else Verdict.FAIL
        words = "as the policy has it" if verdict is Verdict.PASS else fact.value.removeprefix(f"{path} ")
        if fact.status not in (0, 1):
            verdict, words = Verdict.UNTESTED, f"nobody could look (status {fact.status})"
        found.append(Row(CLAIM, None, "", "-", verdict, f"{path}: {words}", look))
    return found
