"""An auditor checks records on a bare machine, without us and ten years on, by each line of the archive's README."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tampering
from bare_machine import HANDED_OVER, BareMachine, bare_machine
from tampering import KANRI, LAST, SAMPLE, SUZUKI, Site

from runbook_lib.records import export, seal

pytestmark = pytest.mark.lab
YEARS = 10
_RECORD = "mail12/20-postfix-debian.json"
_README = Path(export.__file__).parent / "audit" / "README"


@dataclass(frozen=True)
class Step:
    """A step of the README: a command, and what it says that it prints, each line with the status after it."""

    command: str
    good: tuple[str, ...]
    good_status: int
    altered: str
    altered_status: int


def steps() -> list[Step]:
    """The steps by hand, in their order."""
    english = _README.read_text(encoding="utf-8").partition("By hand, ")[2].partition("What this proves")[0]
    found = []
    for part in re.split(r"\n(?=\d\. )", english)[1:]:
        command = "\n".join(line[4:] for line in part.splitlines() if line.startswith("    "))
        said = re.findall(r"^   (good|altered): +(.*?)(?: +status (\d+))?$", part, re.MULTILINE)
        good = [(text, status) for word, text, status in said if word == "good"]
        ((altered, altered_status),) = ((text, status) for word, text, status in said if word == "altered")
        found.append(
            Step(command, tuple(text for text, _ in good), int(good[-1][1]), altered, int(altered_status))
        )
    return found


STEPS = steps()


def a_file(records: Path, _: Site) -> None:
    path = records / SAMPLE / _RECORD
    path.write_bytes(path.read_bytes().replace(b'"pass"', b'"fail"', 1))


def a_file_more(records: Path, _: Site) -> None:
    (records / SAMPLE / _RECORD).with_name("approval.json").write_text("{}")


def a_file_and_its_list(records: Path, site: Site) -> None:
    a_file(records, site)
    tampering.refit_sums(records / SAMPLE)


def a_line_of_the_chain(records: Path, _: Site) -> None:
    path = tampering.stream(records)
    path.write_bytes(path.read_bytes().replace(b'"kind":"found"', b'"kind":"fount"'))


def stamped_for_another(records: Path, _: Site) -> None:
    shutil.copy(records / LAST / seal.STAMP, records / SAMPLE / seal.STAMP)


def approved_by_a_stranger(records: Path, site: Site) -> None:
    (records / "approval.1.sig").unlink()
    words = [
        "ssh-keygen",
        "-q",
        "-Y",
        "sign",
        "-n",
        "approve@runbook",
        "-f",
        str(site.keys / "stranger"),
        "approval.1",
    ]
    subprocess.run(words, check=True, capture_output=True, cwd=records)


def signed_by_a_stranger(records: Path, site: Site) -> None:
    tampering.resign(Site(records, site.keys, site.signers, site.heads), SAMPLE)


# What is altered for each step, and what the capitals of its line stand for then.
ALTERED: list[tuple[Callable[[Path, Site], None], str]] = [
    (a_file, _RECORD),
    (a_file_more, "mail12/approval.json"),
    (a_file_and_its_list, ""),
    (a_line_of_the_chain, ""),
    (signed_by_a_stranger, ""),
    (stamped_for_another, ""),
    (approved_by_a_stranger, ""),
]
_APPROVAL = len(ALTERED) - 1  # the step whose run is bound to a plan


@dataclass(frozen=True)
class HandedOver:
    """What the auditor has: the archive, whole and altered, the list of signers, and the heads."""

    site: Site
    folder: Path

    def values(self, step: int = 0) -> dict[str, str]:
        """What stands in the README's capitals, at one of its steps."""
        run = LAST if step == _APPROVAL else SAMPLE
        at = seal.read_statement(self.site.root / run).sealed_at
        if step == _APPROVAL:
            at = json.loads((self.site.root / "approval.1").read_bytes())["at"]
        stream = tampering.stream(self.site.root).name.removesuffix(".chain")
        return {
            "YOUR-SIGNERS": f"{HANDED_OVER}/signers",
            "ROOTS": f"{HANDED_OVER}/roots",
            "PRINCIPAL": KANRI,
            "TIME": re.sub("[-:T]", "", at)[:14],
            "STREAM": stream,
            "HEAD": next(head.sha256 for head in self.site.heads if head.stream == stream),
            "RUN": run,
            "APPROVER": SUZUKI,
            "N": "1",
        }


@pytest.fixture(scope="module")
def handed_over(tmp_path_factory: pytest.TempPathFactory) -> HandedOver:
    folder = tmp_path_factory.mktemp("handed-over")
    site = tampering.make(tmp_path_factory.mktemp("site"))
    export.write(site.root, folder / "records.tar")
    subprocess.run(["tar", "-xf", "records.tar"], check=True, cwd=folder)
    (folder / "records-for-audit").rename(folder / "whole")
    for number, (alter, _) in enumerate(ALTERED):
        shutil.copytree(folder / "whole", folder / f"altered-{number}")
        alter(folder / f"altered-{number}" / "records", site)
    shutil.copy(site.signers, folder / "signers")
    shutil.copy(str(site.tsa), folder / "roots")
    return HandedOver(site, folder)


@pytest.fixture(scope="module", params=["debian12", "debian13", "el9"])
def machine(request: pytest.FixtureRequest, handed_over: HandedOver) -> Iterator[BareMachine]:
    with bare_machine(request.param, handed_over.folder) as given:
        yield given


@pytest.fixture(params=[0, YEARS], ids=["today", "ten years on"])
def auditor(request: pytest.FixtureRequest, machine: BareMachine) -> BareMachine:
    return machine.later(request.param)


def test_the_machine_is_bare_alone_and_years_on(machine: BareMachine) -> None:
    today = int(machine.sh("date +%Y").stdout)
    assert int(machine.later(YEARS).sh("date +%Y").stdout) in (today + YEARS - 1, today + YEARS)
    assert machine.sh("ls /sys/class/net").stdout == "lo\n"
    assert machine.sh("command -v runbook jq python3-cryptography").stdout == ""
    assert machine.sh(f"touch {HANDED_OVER}/x").returncode == 1


def filled(text: str, values: dict[str, str]) -> str:
    for word, value in values.items():
        text = re.sub(rf"\b{word}\b", lambda _, value=value: value, text)  # type: ignore[misc]
    return text


def prints(text: str, output: str) -> bool:
    """Whether a command said what the README has: nothing, or such a line."""
    if text == "nothing":
        return output == ""
    pattern = re.escape(text).replace(re.escape("..."), ".*")
    return any(re.fullmatch(pattern, line) for line in output.splitlines())


@pytest.mark.parametrize("number", range(len(STEPS)))
def test_each_command_prints_what_the_readme_says(
    number: int, auditor: BareMachine, handed_over: HandedOver
) -> None:
    step, values = STEPS[number], handed_over.values(number)
    command = filled(step.command, values)
    done = auditor.sh(f"cd {HANDED_OVER}/whole/records\n{command}")
    assert (done.returncode, done.stderr) == (step.good_status, ""), done.stdout
    assert all(prints(filled(line, values), done.stdout) for line in step.good), done.stdout
    assert step.good == ("nothing",) or len(done.stdout.splitlines()) == len(step.good)

    done = auditor.sh(f"cd {HANDED_OVER}/altered-{number}/records\n{command}")
    altered = filled(step.altered, values | {"FILE": ALTERED[number][1]})
    assert done.returncode == step.altered_status, done.stdout + done.stderr
    assert prints(altered, done.stdout + done.stderr if step.altered_status == 255 else done.stdout), (
        done.stdout + done.stderr
    )


def test_what_the_readme_says_of_keys(auditor: BareMachine, handed_over: HandedOver) -> None:
    """A key that has ended since counts at the time of the seal alone; one command takes any key."""
    values = handed_over.values()
    without_time = re.sub(r"-O verify-time=\S+", "", filled(STEPS[4].command, values))
    done = auditor.sh(f"cd {HANDED_OVER}/whole/records\n{without_time}")
    assert done.returncode == (255 if auditor.years else 0), done.stdout + done.stderr
    any_key = (
        f"ssh-keygen -Y check-novalidate -n run@runbook -s {SAMPLE}/SHA256SUMS.sig < {SAMPLE}/SHA256SUMS"
    )
    done = auditor.sh(f"cd {HANDED_OVER}/altered-4/records\n{any_key}")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_readme_says_of_time_stamps(auditor: BareMachine, handed_over: HandedOver) -> None:
    """The authority's certificates have ended since."""
    without_time = re.sub(r'\\\n  -attime "[^\n]*', "", filled(STEPS[5].command, handed_over.values()))
    done = auditor.sh(f"cd {HANDED_OVER}/whole/records\n{without_time}")
    said = "Verification: FAILED" if auditor.years else "Verification: OK"
    assert said in done.stdout.splitlines(), done.stdout + done.stderr


def checked(auditor: BareMachine, folder: str, handed_over: HandedOver) -> subprocess.CompletedProcess[str]:
    heads = " ".join(f"{head.stream}:{head.n}:{head.sha256}" for head in handed_over.site.heads)
    return auditor.sh(f"cd {HANDED_OVER}/{folder}\nTSA=../roots sh check.sh ../signers {heads}")


def test_the_script_finds_a_whole_archive_whole(auditor: BareMachine, handed_over: HandedOver) -> None:
    done = checked(auditor, "whole", handed_over)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1] == "WHOLE"
    assert re.search(rf"^{LAST}: time-stamped [A-Z][a-z]+ .* GMT$", done.stdout, re.MULTILINE)
    assert f'{LAST}: Good "run@runbook" signature for {KANRI} with ED25519 key SHA256:' in done.stdout


@pytest.mark.parametrize("number", range(len(ALTERED)))
def test_the_script_finds_what_was_altered(
    number: int, auditor: BareMachine, handed_over: HandedOver
) -> None:
    done = checked(auditor, f"altered-{number}", handed_over)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    assert re.search(rf"^WRONG .*({SAMPLE}|approval\.1|\.chain)", done.stdout, re.MULTILINE), done.stdout
    assert re.fullmatch(r"NOT WHOLE: \d+ wrong", done.stdout.splitlines()[-1])
