"""The handbook breaks the lab's hosts and no other, and what it shows is so under both engines."""

import inspect
import json
import re
import subprocess
import sys
import zipfile
from datetime import date
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import nbformat
import pytest
from test_engine_is_faithful import sanitized

import handbook.faults
from handbook import bench, past, record
from handbook.desk import Desk, NotAsTold
from handbook.fault import Ask, Fault
from handbook.steady import StandIns, steady
from lab import Lab
from lab.state import CHECKOUT
from runbook_lib.batch.notebooks import find_notebooks
from runbook_lib.display import Text
from runbook_lib.errors import ApplyRefused

NOTEBOOK = CHECKOUT / "handbook" / "01-from-the-log-line-to-the-cure.ipynb"
ALL = sorted((CHECKOUT / "handbook").glob("[0-9]*.ipynb"))
PAPERMILL = Path(sys.executable).with_name("papermill")
FAULTS = {
    f"{module.name}.{name}": value
    for module in iter_modules(handbook.faults.__path__)
    for name, value in inspect.getmembers(import_module(f"handbook.faults.{module.name}"))
    if isinstance(value, Fault)
}


def cells(kind: str) -> list[str]:
    read = json.loads(NOTEBOOK.read_bytes())["cells"]
    return ["".join(cell["source"]) for cell in read if cell["cell_type"] == kind]


def test_a_host_that_is_not_proven_to_be_the_lab_s_is_refused_before_anything_is_done(
    lab: Lab, tmp_path: Path
) -> None:
    """Its key is the lab's, and it carries the mark of another lab: as a server would that was made from an image."""
    lab.reset("debian12", "bare")
    lab.exec("debian12", "echo another >/etc/runbook-lab; touch /root/here")
    before = lab.tree_digest("debian12")
    assert len(ALL) == 4
    for notebook in ALL:
        done = subprocess.run(
            [PAPERMILL, "--no-progress-bar", "--engine", "in-process", notebook, tmp_path / "out.ipynb"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 1, notebook
        assert "not proven to be a host of this checkout's lab" in done.stderr, notebook
        assert lab.tree_digest("debian12") == before, notebook


def test_no_inventory_can_claim_that_a_host_is_the_lab_s(lab: Lab, tmp_path: Path) -> None:
    """The same host, and a lab of this checkout that does not know its key."""
    lab.reset("debian12", "bare")
    (tmp_path / "site.yaml").write_bytes(lab.inventory.read_bytes())
    (tmp_path / "site.yaml").chmod(0o600)
    state = json.loads((lab.folder / "state.json").read_bytes())
    for host in state["hosts"].values():
        host["host_keys"] = []
    (tmp_path / "state.json").write_text(json.dumps(state))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNBOOK_LAB", str(tmp_path))
        with pytest.raises(ApplyRefused, match="not proven"):
            bench.open(str(tmp_path / "site.yaml"), "debian12")


def test_a_cell_is_red_when_its_fault_shows_something_else(lab: Lab) -> None:
    """A client's line, a proof, a silent log and a telling one: each is compared."""
    server = bench.open("lab", "debian12")
    good = Fault("a fault", "", (Ask("echo wrong", "wrong", "right", "echo right"),), "", "", "", "")
    assert "echo right" in str(server.show(good))
    for bent, told in (
        ((Ask("echo other", "wrong"),), "'wrong' was expected"),
        ((Ask("echo wrong", "wrong", "right"),), "'right' was expected"),
    ):
        with pytest.raises(bench.NotAsTold, match=told):
            server.show(Fault("a fault", "", bent, "", "", "", ""))
    with pytest.raises(bench.NotAsTold, match="the log has ''"):
        server.show(Fault("a fault", "", good.asked, "never said", "", "", ""))
    with pytest.raises(bench.NotAsTold, match="nothing of this kind"):
        server.show(
            Fault("a fault", "logger -p mail.info -t postfix/smtpd nothing of this kind", (), "", "", "", "")
        )
    with pytest.raises(bench.NotAsTold, match="other files in /etc"):
        server.show(Fault("a fault", "touch /etc/left-behind", (), "", "", "", ""))
    server.give_back()
    assert lab.exec("debian12", "ls /etc/postfix 2>&1 || :").endswith(b"No such file or directory\n")


@pytest.mark.parametrize("engine", ["nbclient", "in-process"])
@pytest.mark.parametrize("notebook", ALL, ids=lambda path: path.stem[:2])
def test_it_comes_out_as_it_is_stored_by_papermill(
    lab: Lab, tmp_path: Path, notebook: Path, engine: str
) -> None:
    lab.up()
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [PAPERMILL, "--no-progress-bar", "--engine", engine, notebook, out],
        capture_output=True, text=True, timeout=600, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    stored, made = (sanitized(nbformat.read(path, as_version=4)) for path in (notebook, out))
    assert made == stored


def test_every_fault_has_a_cell_under_a_heading_with_its_message() -> None:
    shown = re.findall(r"^server\.show\((\w+\.\w+)\)$", "\n".join(cells("code")), re.MULTILINE)
    assert sorted(shown) == sorted(FAULTS)
    headings = re.findall(r"^### (.+)$", "\n".join(cells("markdown")), re.MULTILINE)
    assert headings == [FAULTS[name].message for name in shown]


def test_a_heading_is_found_by_the_words_that_were_said() -> None:
    """Up to its first comma it is what a program said, but for these, of which no program says a word."""
    silent = {
        "no greeting on 25 and 587",
        "no greeting on 465",
        "the old certificate is still shown",
        "535 5.7.8 for the right password",
        "535 5.7.8 for names with a domain",
        "454 4.7.0 after the chroot column was changed",
    }
    read = json.loads(NOTEBOOK.read_bytes())["cells"]
    said = {
        "".join(cell["source"]): "".join(cell["outputs"][0]["data"]["text/plain"]).partition("\n\nCause: ")[0]
        for cell in read
        if "".join(cell["source"]).startswith("server.show(")
    }
    unsaid = set()
    for name, fault in FAULTS.items():
        told = fault.message.partition(",")[0]
        if not {*re.findall(r"\w+", told)} <= {*re.findall(r"\w+", said[f"server.show({name})"])}:
            unsaid.add(told)
    assert unsaid == silent


def test_no_message_is_there_twice() -> None:
    messages = [fault.message for fault in FAULTS.values()]
    assert sorted(set(messages)) == sorted(messages)


def test_a_line_that_is_made_steady_still_reads_as_one() -> None:
    line = (
        "Nov 30 15:47:41 ms12 postfix/smtpd[98765]: 4F1B2C3D4E5: client=c[10.77.41.12], queued as 9AB1C2D3E4, "
        "delay=12.3, delays=0.1/0/0.2/12"
    )
    assert steady(line) == (
        "Jan 15 09:30:00 ms12 postfix/smtpd[4711]: 4C0FFEE421: client=c[10.77.1.12], queued as 4C0FFEE421, "
        "delay=0.1, delays=0.1"
    )
    assert steady(steady(line)) == steady(line)
    assert (
        steady("/etc/postfix/main.cf, line 52: missing '='") == "/etc/postfix/main.cf, line 49: missing '='"
    )


def test_what_tells_is_left_as_it_was() -> None:
    told = "454 4.7.0 TLS not available; error:0A000412:SSL routines::sslv3 alert bad certificate; notAfter=Jan  1 2026"
    assert steady(told) == told


def test_what_differs_between_runs_is_told_apart_by_the_order_it_comes_in() -> None:
    """Days keep their distance, and a name is the same wherever it comes again."""
    put = StandIns(date(2026, 12, 1)).put
    serials = ["0AB0112233445566778899AABBCCDDEE", "FFB0112233445566778899AABBCCDDEE"]
    told = put(f"{serials[0]}, {serials[1]}, valid to 2027-12-01 (run 20261201T052652Z-806f)")
    first, second = f"C0FFEE{1:026}", f"C0FFEE{2:026}"
    assert told == f"{first}, {second}, valid to 2028-01-15 (run 20270115T090100Z-c0de)"
    assert put(f"{serials[1]} of 20261201T052653Z-0000") == f"{second} of 20270115T090200Z-c0de"
    assert put(f"{'ab' * 32}, {'cd' * 32}") == f"5ea1{1:060}, 5ea1{2:060}"
    assert put("CVE-2023-51764, since 3.4; 2026-99-01") == "CVE-2023-51764, since 3.4; 2026-99-01"


def test_a_digest_that_is_shortened_keeps_its_number() -> None:
    put = StandIns(date(2026, 12, 1)).put
    told = put(f"plan {'ab' * 8}, sha256:{'ef' * 32}, sha256:{'ab' * 32}")
    assert told == f"plan 5ea1{1:012}, sha256:5ea1{2:060}, sha256:5ea1{1:060}"
    keys = [f"SHA256:{letter * 42}/" for letter in "Zy"]
    assert put(f"{keys[0]} and {keys[1]}, {keys[0]}") == f"SHA256:{1:043} and SHA256:{2:043}, SHA256:{1:043}"


def test_a_seal_that_was_signed_says_which_line_of_the_chain_it_is() -> None:
    """Of one that nobody signed neither name nor number tells anything."""
    signed = f"Seal: controller-kanri:12:5ea1{7:060}, signed by kanri@example.test"
    assert steady(f"Record: x\n{signed}\n") == f"Record: x\n{signed}\n"
    assert steady(f"Seal: here-root:12:{'ab' * 32}\nMade") == "Seal: controller-kanri:1:5ea1…\nMade"


def test_a_file_of_a_run_of_which_the_chapter_says_nothing_makes_it_red(tmp_path: Path) -> None:
    folder = tmp_path / "records" / "RUN"
    folder.mkdir(parents=True)
    (folder / "SHA256SUMS").write_text(f"{'ab' * 32}  run.json\n", encoding="utf-8")
    (folder / "run.json").write_text("{}", encoding="utf-8")
    desk = Desk(None, "", "", tmp_path, StandIns(date(2026, 12, 1)))  # type: ignore[arg-type]  # no host is asked
    rows = [re.split("  +", line) for line in record.files(desk, "RUN").text().splitlines()[2:]]
    assert [(row[0], row[-1]) for row in rows] == [("SHA256SUMS", "no"), ("run.json", "yes")]
    (folder / "approved-by-me.txt").touch()
    with pytest.raises(NotAsTold, match=r"approved-by-me\.txt is there, and nothing is said of it"):
        record.files(desk, "RUN")


def test_a_conflict_is_shown_three_ways() -> None:
    """Each once, however often the rollback says it; without one, the chapter is wrong."""
    setting = "CONFLICT /etc/postfix/main.cf: a_b was changed since (before: a_b = 1; we left: -; now: a_b = {c (d)})"
    service = (
        "CONFLICT /etc/postfix/master.cf: s/inet was changed since (before: s inet n - y - - smtpd -o {x=1, 2}; "
        "we left: s inet n - y - - smtpd -o x=3 -o y=4; now: no such service)"
    )
    table = past.three_ways(Text(f"left alone:\n    {setting}\n    {service}\n    {setting}\n"))
    assert [
        row.split("  ") for row in re.sub(" {3,}", "  ", table.text()).splitlines() if "--" not in row
    ] == [
        ["a_b", "before the run", "what the run wrote", "what stands there now"],
        ["a_b", "1", "-", "{c (d)}"],
        [""],
        ["s/inet", "before the run", "what the run wrote", "what stands there now"],
        ["the service", "s inet n - y - - smtpd", "s inet n - y - - smtpd", "no such service"],
        ["x", "1, 2", "3", "-"],
        ["y", "-", "4", "-"],
    ]
    with pytest.raises(NotAsTold, match="no conflict"):
        past.three_ways(Text("all that this run changed is as before it"))


def test_no_run_and_no_wheel_has_it(tmp_path: Path) -> None:
    found = [one.path for one in find_notebooks(CHECKOUT / "notebooks")]
    assert found
    assert not {*ALL} & {*found}
    uv = str(CHECKOUT / ".venv" / "bin" / "uv")
    build = [uv, "build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", str(tmp_path), str(CHECKOUT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("20-postfix-debian.ipynb") for name in names)
    ours = ("handbook", *(path.stem for path in ALL))
    assert [name for name in names if any(one in name for one in ours)] == []
