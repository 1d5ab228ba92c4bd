"""A wheel is all that it takes: the source tree is out of reach, and JupyterLab is not installed unless asked for."""

import grp
import json
import os
import re
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_chapters import write_inventory
from started_jupyterlab import started

from lab import Lab
from lab.state import CHECKOUT

pytestmark = pytest.mark.programs
VENV = CHECKOUT / ".venv"
CHAPTERS = sorted(path.name for path in (CHECKOUT / "notebooks").glob("[0-9]*.ipynb"))
NOBODY_LISTENS = 1  # a port on this machine
# The lab's own inventory and secrets lie in the checkout; the packages that the wheel depends on, too.
ALLOWED = tuple(map(str, (VENV, CHECKOUT / ".lab", CHECKOUT / "inventory" / "lab.yaml")))
# Begins with each Python of the environment: nothing of the source tree is opened or run in, and what the extra brings
# is not there unless a test says so.
OUT_OF_REACH = f"""
import os, sys

def refuse(event, arguments):
    if event in ("open", "os.listdir", "os.scandir", "subprocess.Popen"):
        for word in (arguments[1] or () if event == "subprocess.Popen" else arguments[:1]):
            text = os.fsdecode(word) if isinstance(word, (str, bytes, os.PathLike)) else ""
            if (text + "/").startswith({str(CHECKOUT) + "/"!r}) and not text.startswith({ALLOWED!r}):
                raise RuntimeError(f"{{event}} reaches the source tree: {{text}}")

sys.addaudithook(refuse)
if os.environ.get("WITH_EXTRA") != "jupyter":
    sys.modules.update(dict.fromkeys(("ipykernel", "jupyter_server", "jupyterlab")))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and the packages of the checkout's for what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    uv, python = str(VENV / "bin" / "uv"), str(VENV / "bin" / "python")
    build = [
        "build",
        "--wheel",
        "--no-build-isolation",
        "--python",
        python,
        "--out-dir",
        str(folder),
        str(CHECKOUT),
    ]
    installed = folder / "venv"
    commands = [build, ["venv", "--python", python, str(installed)]]
    for words in commands:
        subprocess.run([uv, "-q", "--offline", *words], check=True, capture_output=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    words = ["pip", "install", "--no-deps", "--python", str(installed / "bin" / "python"), str(wheel)]
    subprocess.run([uv, "-q", "--offline", *words], check=True, capture_output=True, timeout=300)
    (packages,) = (installed / "lib").glob("python*/site-packages")
    (packages / "out_of_reach.py").write_text(OUT_OF_REACH)
    others = next((VENV / "lib").glob("python*/site-packages"))
    (packages / "others.pth").write_text(f"import out_of_reach\n{others}\n")
    return installed


@dataclass(frozen=True)
class Home:
    """A person with a home of their own, who stands in an empty folder."""

    folder: Path
    environment: Path

    @property
    def here(self) -> Path:
        return self.folder / "here"

    @property
    def records(self) -> Path:
        return self.folder / "share" / "runbook" / "records"

    @property
    def inventory(self) -> Path:
        return self.folder / "config" / "runbook" / "site.yaml"

    def variables(self, **more: str) -> dict[str, str]:
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNBOOK_", "XDG_"))
        }
        config, share = str(self.folder / "config"), str(self.folder / "share")
        return ours | {"HOME": str(self.folder), "XDG_CONFIG_HOME": config, "XDG_DATA_HOME": share} | more

    def runbook(self, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.environment / "bin" / "runbook", *words],
            cwd=cwd or self.here, env=self.variables(**more), umask=0, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip

    def write(self, path: Path, site: str = "") -> Path:
        """An inventory with one host, on which nobody listens."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = write_inventory(path.parent, "mail1").read_text()
        text = text.replace("192.0.2.0\n", f"127.0.0.1\n    port: {NOBODY_LISTENS}\n")
        path.write_text(text.replace("  domain:", f"{site}  domain:"))
        return path


@pytest.fixture
def home(tmp_path: Path, environment: Path) -> Home:
    home = Home(tmp_path, environment)
    home.here.mkdir()
    return home


def run_of(home: Home, records: Path | None = None) -> str:
    (run,) = (path.name for path in (records or home.records).iterdir() if path.is_dir())
    return run


def test_the_command_is_there_and_looks_at_nothing_of_the_source_tree(home: Home) -> None:
    done = home.runbook("--help")
    assert (done.returncode, "rollback" in done.stdout) == (0, True), done.stderr
    assert "ExecStart=" in home.runbook("unit", "service").stdout
    assert home.runbook("schema").stdout == (CHECKOUT / "inventory" / "schema.json").read_text()
    code = (
        "import runbook_lib.places as p, pathlib; print(p.CHECKOUT); print(p.EXAMPLE); p.EXAMPLE.read_bytes()"
    )
    python = home.environment / "bin" / "python"
    done = subprocess.run(
        [python, "-c", code], cwd=home.here, env=home.variables(), capture_output=True, text=True, check=True
    )
    checkout, example = done.stdout.split()
    assert checkout == "None"
    assert Path(example).is_relative_to(home.environment)


def test_what_is_out_of_reach_is_refused(home: Home) -> None:
    """The guard of this file guards."""
    python = home.environment / "bin" / "python"
    for code in (f"open({str(CHECKOUT / 'README.md')!r})", "import jupyterlab"):
        assert subprocess.run([python, "-c", code], env=home.variables(), capture_output=True).returncode == 1  # noqa: PLW1510


def test_verify_asks_a_server_by_its_address_without_an_inventory(home: Home) -> None:
    done = home.runbook("verify", "127.0.0.1", "--port", str(NOBODY_LISTENS))
    assert done.returncode == 1
    assert "No port of 127.0.0.1 was reached" in done.stdout, done.stderr
    assert done.stderr == ""


def test_a_plan_finds_its_chapters_and_leaves_its_record_where_the_user_keeps_data(home: Home) -> None:
    """It fails for the host, which nobody answers for, and for nothing that is missing here."""
    home.write(home.inventory)
    done = home.runbook("plan")
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"Inventory: {home.inventory}\n")
    assert "00-preparation failed" in done.stdout + done.stderr
    assert "source tree" not in done.stdout + done.stderr
    run = run_of(home)
    order = json.loads((home.records / run / "order.json").read_text())
    assert sorted(f"{name}.ipynb" for name in order["chapters"]) == CHAPTERS
    told = json.loads((home.records / run / "run.json").read_text())
    assert (told["commit"], told["clean_tree"], told["lock_sha256"]) == (None, None, None)
    assert re.fullmatch(r"[0-9a-f]{64}", order["library"])
    elsewhere = home.folder / "elsewhere"
    elsewhere.mkdir()
    assert run in home.runbook("records", "list", cwd=elsewhere).stdout
    assert home.runbook("records", "verify", run, cwd=elsewhere).returncode == 0
    assert not any(home.here.iterdir())
    for path in (home.records, *home.records.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_inventory_of_the_folder_is_taken_where_the_user_has_none_and_only_from_safe_hands(
    home: Home,
) -> None:
    here = home.write(home.here / "inventory" / "site.yaml")
    done = home.runbook("plan")
    assert done.stderr.startswith(f"Inventory: {here}\n")
    order = json.loads((home.records / run_of(home) / "order.json").read_text())
    assert order["next_options"] == f"--inventory {here}"  # the next command is typed somewhere else
    assert order["inventory"] == str(here)
    here.chmod(0o666)
    refused = home.runbook("plan")
    assert (refused.returncode, "somebody else may write it" in refused.stderr) == (2, True)
    home.write(home.inventory)
    assert home.runbook("plan").stderr.startswith(f"Inventory: {home.inventory}\n")


def test_without_an_inventory_it_is_said_where_one_goes_and_what_to_copy(home: Home) -> None:
    refused = home.runbook("plan")
    assert refused.returncode == 2
    assert f"{home.inventory}: the inventory cannot be read" in refused.stderr
    (example,) = re.findall(r"copy (\S+) there", refused.stderr)
    assert Path(example).read_bytes() == (CHECKOUT / "inventory" / "example.yaml").read_bytes()


def test_records_lie_where_the_inventory_says_and_are_for_its_group(home: Home) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    site = f"  records: {{directory: ../series, group: {group}}}\n"
    other = home.write(home.folder / "other" / "mail.yaml", site)
    records = home.folder / "series"
    home.runbook("plan", "--inventory", str(other))
    run = run_of(home, records)
    for path in (records, *records.rglob("*")):
        wanted = 0o2750 if path.is_dir() else 0o600 if path.name == ".lock" else 0o640
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    assert not home.records.exists()
    assert run in home.runbook("records", "list", "--inventory", str(other)).stdout
    assert run not in home.runbook("records", "list").stdout
    resumed = home.runbook("resume", run, "--inventory", str(other))
    assert "00-preparation failed" in resumed.stdout + resumed.stderr
    assert f"runbook resume {run} --inventory {other}" in resumed.stdout


def test_a_group_that_is_none_is_refused_before_anything_is_written(home: Home) -> None:
    home.write(home.inventory, "  records: {group: no-such-group}\n")
    refused = home.runbook("plan")
    assert refused.returncode == 2
    assert "there is no group no-such-group on this machine. Nothing was written" in refused.stderr
    assert f"{home.inventory}, line 3" in refused.stderr
    assert not home.records.exists()


def test_without_the_extra_copies_are_made_and_what_to_install_is_said(home: Home) -> None:
    home.write(home.inventory)
    refused = home.runbook("jupyter", "mail1")
    copies = home.folder / "share" / "runbook" / "work" / "mail1"
    assert refused.returncode == 2
    assert "pip install 'runbook-lib[jupyter]'" in refused.stderr
    assert sorted(path.name for path in copies.iterdir()) == CHAPTERS
    cells = json.loads((copies / CHAPTERS[0]).read_text())["cells"]
    assert any('host = "mail1"' in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    home.runbook("jupyter", "mail1", "--language", "ja")
    assert sorted(path.name for path in copies.iterdir()) == CHAPTERS
    assert json.loads((copies / CHAPTERS[0]).read_text())["cells"][0]["source"][0].startswith("# 0 準備")


@pytest.fixture
def jupyterlab(home: Home) -> Iterator[str]:
    """Its address, with the token in it."""
    home.write(home.inventory)
    words = [home.environment / "bin" / "runbook", "jupyter", "mail1", "--no-browser", "--port=0"]
    environment = home.variables(WITH_EXTRA="jupyter")
    with started(words, home.folder / "jupyter.log", home.here, environment) as found:
        yield found


def test_with_the_extra_jupyterlab_has_the_copies_our_kernel_and_what_says_where_it_was_attached(
    jupyterlab: str,
) -> None:
    def asked(what: str) -> str:
        with urllib.request.urlopen(jupyterlab.replace("/lab?", f"/{what}?"), timeout=60) as answer:  # noqa: S310
            return str(answer.read().decode())

    contents = asked("api/contents")
    assert [name for name in CHAPTERS if name in contents] == CHAPTERS
    assert "runbook_lib.chapters.kernel" in asked("api/kernelspecs")
    (config,) = re.findall(
        r'<script id="jupyter-config-data" type="application/json">(.*?)</script>', asked("lab")
    )
    (ours,) = (one for one in json.loads(config)["federated_extensions"] if one["name"] == "runbook-lib")
    assert f"_JUPYTERLAB ||= {{}})['{ours['name']}']" in asked(f"lab/extensions/runbook-lib/{ours['load']}")


@pytest.mark.always
def test_plan_apply_resume_and_rollback_from_the_wheel(lab: Lab, home: Home) -> None:
    """A host of the lab, which an installed runbook cannot know for one: it asks for a reason, as any host's does."""
    lab.reset("debian12", "bare")
    lab_file = lab.inventory
    words = ("--inventory", str(lab_file), "--host", "debian12")
    planned = home.runbook("plan", *words)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    (digest,) = re.findall(r"Plan: sha256:(\w+)", planned.stdout)
    applied = home.runbook("apply", "--plan", digest, "--reason", "from the wheel")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    (run,) = re.findall(r"runbook rollback (\S+)", applied.stdout)
    assert "there is nothing to go on with" in home.runbook("resume", run).stdout
    assert home.runbook("records", "verify", run).returncode == 0
    back = home.runbook("rollback", run, *words)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "things put back" in back.stdout
