"""The same job on the same hosts by the floor, pyinfra, Ansible and the runbook, in one run: ratios, and how they grow.

Two labs of their own, half Debian 12, half 13: one for the runbook and one for the others, which share what they do
(benchmarks/fleet/job.json). Cases: bare to verified, no change with proof, and the runbook's plan. Floor: a connection
a host, one script that looks at everything, then the proof. Hosts share the machine's cores with the controller.

    python benchmarks/fleet.py --hosts 1 2 --bare 0 --times 1    # a small run, to see that all of it works

Hosts that no case begins bare start with Postfix installed, which is not measured and saves its packages 40 times.
`other CPU` is what the machine did beside the controller: hosts, kernel, and whoever else is at work. Prints a line of
JSON a figure, then a table with ratios to pyinfra and goals; exit status 1 when a goal is missed. Where the time goes
meanwhile is told on standard error. `make bench` sets up .venv-bench.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from lab.hosts import ADMINISTRATOR, LabHost
from lab.lab import Lab
from lab.state import CHECKOUT, State

HERE = Path(__file__).resolve().parent / "fleet"
PEERS = CHECKOUT / ".venv-bench" / "bin"
RUNBOOK = str(Path(sys.executable).with_name("runbook"))
RELEASES = ("debian12", "debian13")
TOOLS = ("floor", "pyinfra", "ansible", "ours")
BARE, SAME, PLAN, STORED = "bare to verified", "no change", "plan", "no change, 1,000 runs stored"
STORED_RUNS = 1000
# Each is a process with some 37 MB to itself, beside some 145 MB of the command and of what all of them share.
WORKERS = 5
# As bare as before: lists of packages are for each tool to fetch, and their age says that they are old.
_PYTHON = """\
if [ ! -e /usr/lib/python3/dist-packages/apt ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq -y --no-install-recommends install python3-minimal python3-apt >/dev/null 2>&1
    apt-get clean
    rm -rf /var/lib/apt/lists/*
    touch -d @0 /var/lib/apt/lists
fi
"""
# Case, hosts, figure: the most, as a multiple of pyinfra's (a str: of that case of ours) or as it is.
GOALS: dict[tuple[str, int, str], tuple[float, str]] = {
    (SAME, 20, "wall_s"): (1.3, "pyinfra"),
    (SAME, 20, "controller_cpu_s"): (5.0, "pyinfra"),
    (SAME, 20, "other_cpu_s"): (1.3, "pyinfra"),
    (SAME, 20, "pss_mb"): (350.0, ""),
    (SAME, 20, "sudo"): (8.0, ""),
    (PLAN, 20, "wall_s"): (1.0, SAME),
    (BARE, 4, "wall_s"): (1.1, "pyinfra"),
    (SAME, 1, "wall_s"): (1.2, "pyinfra"),
    (STORED, 1, "wall_s"): (1.05, SAME),
    (STORED, 1, "controller_cpu_s"): (1.05, SAME),
}


@dataclass
class Figures:
    """What was measured: case, hosts, tool and figure to each time's value."""

    seen: dict[tuple[str, int, str, str], list[float]] = field(default_factory=dict)

    def add(self, case: str, hosts: int, tool: str, values: dict[str, float]) -> None:
        """Keep them, and say them."""
        for figure, value in values.items():
            self.seen.setdefault((case, hosts, tool, figure), []).append(value)
            row = {"case": case, "hosts": hosts, "tool": tool, "figure": figure, "value": value}
            print(json.dumps(row), flush=True)  # noqa: T201

    def median(self, case: str, hosts: int, tool: str, figure: str) -> float | None:
        """Of all times; None where it was not measured."""
        values = self.seen.get((case, hosts, tool, figure))
        return statistics.median(values) if values else None


class Fleet:
    """The two labs, and each tool's command on the first hosts of its own.

    Args:
        folder: for everything that is made here; the labs' states are in it.
        with_python: Ansible is among the tools.
        workers: hosts of ours at work at the same time.
    """

    def __init__(self, folder: Path, with_python: bool, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.labs = {name: Lab(State(folder / name)) for name in ("ours", "others")}
        self.with_python = with_python
        self.numbers = itertools.count(1)
        self.began = time.monotonic()

    def say(self, what: str) -> None:
        """What begins now."""
        print(f"{time.monotonic() - self.began:6.0f} s  {what}", file=sys.stderr, flush=True)  # noqa: T201

    def up(self, count: int) -> None:
        """Both labs with so many hosts, side by side; those that were not there yet have Postfix by now."""
        self.say(f"two labs with {count} hosts each")
        words = [
            sys.executable,
            "-m",
            "lab",
            "up",
            *RELEASES[: min(count, len(RELEASES))],
            "--count",
            str(count),
            "--state",
            "fresh",
        ]
        started = [
            subprocess.Popen(
                words,
                cwd=CHECKOUT,
                env={**os.environ, "RUNBOOK_LAB": str(lab.folder)},
                stdout=subprocess.DEVNULL,
            )
            for lab in self.labs.values()
        ]
        if sum(process.wait() != 0 for process in started):
            raise SystemExit("the labs do not come up")
        for name in self.labs:
            self.make_ready(name, self.hosts(name, count))
        self.describe()

    def hosts(self, lab: str, count: int) -> list[LabHost]:
        """The first hosts, of each release in turn."""
        found = [host for host in self.labs[lab].hosts if host.release.name in RELEASES]
        return sorted(found, key=lambda host: (host.place, host.name))[:count]

    def make_ready(self, lab: str, hosts: Sequence[LabHost]) -> None:
        """What is not measured: one host of a lab wants a password for sudo, and Ansible wants Python on each."""
        script = f"echo '{ADMINISTRATOR} ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/{ADMINISTRATOR}\n"
        if lab == "others" and self.with_python:
            script += _PYTHON
            self.say(f"Python for Ansible on {len(hosts)} hosts")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda host: self.labs[lab].exec(host.name, script, 900.0), hosts))

    def describe(self) -> None:
        """What each tool is told of the hosts; and the CA of the others, made once."""
        others, ours = self.labs["others"], self.labs["ours"]
        account = {"user": "kensa", "password": others.secret("kensa")}
        (self.folder / "account.json").write_text(json.dumps(account), encoding="utf-8")
        if not (self.folder / "ca").exists():
            subprocess.run([HERE / "ca", "init"], env=self.environment(), check=True)
        yaml = YAML()
        book = yaml.load(ours.inventory)
        for host in book["hosts"].values():
            host.pop("sudo", None)
        with (self.folder / "ours.yaml").open("w", encoding="utf-8") as file:
            yaml.dump(book, file)
        (self.folder / "ours.yaml").chmod(0o600)
        if not (ours.folder / "ca").exists():
            self.runbook("ca", "init")

    def runbook(self, *words: str) -> None:
        """A command of ours, not measured."""
        subprocess.run(
            [RUNBOOK, *words, "--inventory", str(self.folder / "ours.yaml")],
            env=self.environment(), check=True, capture_output=True,
        )  # fmt: skip

    def environment(self, records: str = "records") -> dict[str, str]:
        """Of all commands."""
        return {
            **os.environ,
            "FLEET": str(self.folder),
            "RUNBOOK_LAB": str(self.labs["ours"].folder),
            "RUNBOOK_RECORDS": str(self.folder / records),
            "ANSIBLE_CONFIG": str(HERE / "ansible" / "ansible.cfg"),
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "PATH": f"{PEERS}:{os.environ['PATH']}",
        }

    def command(
        self, tool: str, hosts: Sequence[LabHost], case: str
    ) -> tuple[list[str], Path, dict[str, str]]:
        """What a person types, where, and with which variables."""
        if tool == "ours":
            named = [word for host in hosts for word in ("--host", host.name)]
            what = "plan" if case == PLAN else "apply"
            book = str(self.folder / "ours.yaml")
            workers = str(min(len(hosts), self.workers))
            return [RUNBOOK, what, "--inventory", book, *named, "--workers", workers], CHECKOUT, {}
        lab = self.labs["others"]
        rows = [
            {
                "name": host.name,
                "address": host.address,
                "hostname": host.hostname,
                "user": ADMINISTRATOR,
                "key": str(lab.folder / "id_ed25519"),
                "known_hosts": str(lab.folder / "known_hosts"),
            }
            for host in hosts
        ]
        file = f"hosts-{hosts[0].name}-{len(hosts)}.json"
        (self.folder / file).write_text(json.dumps(rows), encoding="utf-8")
        if tool == "floor":
            return [str(PEERS / "python"), str(HERE / "floor.py"), file], self.folder, {}
        if tool == "pyinfra":
            words = [str(PEERS / "pyinfra"), "-y", "inventory.py", "deploy.py"]
            return words, HERE / "pyinfra", {"FLEET_HOSTS": file}
        listed = {
            row["name"]: {
                "ansible_host": row["address"],
                "ansible_user": row["user"],
                "ansible_ssh_private_key_file": row["key"],
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={row['known_hosts']} -o StrictHostKeyChecking=yes",
                "mail_name": row["hostname"],
            }
            for row in rows
        }
        inventory = self.folder / f"ansible-{file}"
        inventory.write_text(json.dumps({"mail": {"hosts": listed}}), encoding="utf-8")
        sockets = tempfile.mkdtemp(prefix="cp-")  # ssh's name of a socket has to be short
        words = [str(PEERS / "ansible-playbook"), "-i", str(inventory), "site.yml"]
        return words, HERE / "ansible", {"ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}

    def run(
        self, tool: str, hosts: Sequence[LabHost], case: str, records: str = "records", counted: bool = False
    ) -> dict[str, float]:
        """Measure a command; what the hosts' logs have of it is counted where that is asked for."""
        self.say(f"{tool}, {case}, {len(hosts)} hosts")
        words, where, more = self.command(tool, hosts, case)
        log = self.folder / f"log-{next(self.numbers)}"
        since = time.time()
        done = subprocess.run(
            [sys.executable, str(HERE / "measure.py"), str(log), *words],
            cwd=where, env=self.environment(records) | more, check=True, capture_output=True,
        )  # fmt: skip
        values: dict[str, float] = json.loads(done.stdout)
        if values.pop("status"):
            said = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise SystemExit(f"{tool}, {case}, {len(hosts)} hosts: it did not get through\n{said}")
        if counted:
            values |= self.told(tool, hosts, since)
        return values

    def told(self, tool: str, hosts: Sequence[LabHost], since: float) -> dict[str, float]:
        """A host's logins, sudo commands and mail connections meanwhile, on average."""
        lab = self.labs["ours" if tool == "ours" else "others"]
        script = (
            f"journalctl -q -o cat --since @{since:.3f} | awk '/ COMMAND=/ {{ sudo++ }}\n"
            "/^Accepted publickey/ { ssh++ }\n/^connect from/ { smtp++ }\nEND { print ssh + 0, sudo + 0, smtp + 0 }'"
        )
        sums = [0, 0, 0]
        for host in hosts:
            seen = lab.exec(host.name, script).split()
            sums = [one + int(more) for one, more in zip(sums, seen, strict=True)]
        return {
            what: round(one / len(hosts), 2) for what, one in zip(("ssh", "sudo", "smtp"), sums, strict=True)
        }

    def bare(self, lab: str, count: int) -> None:
        """The first hosts as they were made."""
        self.say(f"{count} bare hosts")
        hosts = self.hosts(lab, count)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda host: self.labs[lab].reset(host.name), hosts))
        self.make_ready(lab, hosts)

    def down(self) -> None:
        """Both labs are gone."""
        for lab in self.labs.values():
            lab.down()


def stored(folder: Path) -> None:
    """A folder of records with so many runs, as one of ours left it."""
    sys.path.insert(0, str(CHECKOUT / "tests"))
    import sample_record

    with tempfile.TemporaryDirectory() as made:
        sample_record.postfix_chapter(Path(made))
        (record,) = Path(made).glob("*/*/*.json")
        content = record.read_bytes()
    for number in range(STORED_RUNS):
        for host in RELEASES:
            place = folder / f"20250101T000000Z-{number:04x}" / host
            place.mkdir(parents=True)
            (place / record.name).write_bytes(content)
            os.utime(place, (0, 0))


def bare_to_verified(fleet: Fleet, figures: Figures, hosts: int, times: int, tools: Sequence[str]) -> None:
    """Each tool on hosts that have nothing; what comes last is left for the other cases."""
    for number in range(times):
        for tool in tools:
            lab = "ours" if tool == "ours" else "others"
            fleet.bare(lab, hosts)
            figures.add(BARE, hosts, tool, fleet.run(tool, fleet.hosts(lab, hosts), BARE, counted=not number))


def no_change(fleet: Fleet, figures: Figures, hosts: int, times: int, tools: Sequence[str]) -> None:
    """Each tool in turn, so that what the machine does beside meets all."""
    for number in range(times):
        for tool in tools:
            if tool == "ansible" and number:  # slow, and no goal is measured by it
                continue
            lab = "ours" if tool == "ours" else "others"
            figures.add(SAME, hosts, tool, fleet.run(tool, fleet.hosts(lab, hosts), SAME, counted=not number))


def history(fleet: Fleet, figures: Figures, times: int) -> None:
    """One host, no change, with and without many runs stored; one after the other."""
    stored(fleet.folder / "many")
    hosts = fleet.hosts("ours", 1)
    fleet.run("ours", hosts, SAME, "many")  # reads what was never read: once
    for _ in range(times):
        figures.add(STORED, 1, "ours", fleet.run("ours", hosts, SAME, "many"))
        figures.add(SAME, 1, "ours", fleet.run("ours", hosts, SAME))


def table(figures: Figures) -> bool:
    """Print what was measured; returns whether a goal was missed."""
    say: Callable[..., None] = print
    names = ("wall_s", "controller_cpu_s", "other_cpu_s", "pss_mb", "ssh", "sudo", "smtp")
    say(f"\n{'case':<30} {'hosts':>5} {'tool':<8} " + " ".join(f"{name:>16}" for name in names))
    for case, hosts, tool in dict.fromkeys(key[:3] for key in figures.seen):
        values = [figures.median(case, hosts, tool, name) for name in names]
        row = " ".join(f"{'' if value is None else format(value, '.4g'):>16}" for value in values)
        say(f"{case:<30} {hosts:>5} {tool:<8} {row}")
    say(f"\n{'goal':<56} {'seen':>8} {'goal':>8}")
    missed = False
    for (case, hosts, figure), (most, base) in GOALS.items():
        ours = figures.median(case, hosts, "ours", figure)
        other = (
            figures.median(case, hosts, "pyinfra", figure)
            if base == "pyinfra"
            else figures.median(base, hosts, "ours", figure)
            if base
            else 1.0
        )
        if ours is None or not other:
            continue
        seen = ours / other
        missed = missed or seen > most
        what = f"{case}, {hosts} hosts, {figure}{f' over {base}' if base else ''}"
        say(f"{what:<56} {seen:>8.3g} {most:>8g}{'' if seen <= most else '  missed'}")
    return missed


def main() -> None:
    """Measure; the labs are gone afterwards, unless they are to stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--bare", type=int, default=4, help="hosts that are set up from nothing; 0: none")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument(
        "--workers", type=int, default=WORKERS, help="hosts of ours at work at the same time, each a process"
    )
    parser.add_argument("--tools", nargs="+", default=TOOLS, choices=TOOLS)
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".lab-fleet")
    parser.add_argument("--keep", action="store_true", help="leave the labs up, and take them as they are")
    given = parser.parse_args()
    given.folder.mkdir(mode=0o700, exist_ok=True)
    fleet, figures = Fleet(given.folder.resolve(), "ansible" in given.tools, given.workers), Figures()
    most = max(*given.hosts, given.bare)
    prepared = given.folder / "prepared"  # how many hosts of both labs have the job done
    done = int(prepared.read_text()) if prepared.exists() else 0
    missed = False
    try:
        fleet.up(most)
        if given.bare:
            able = [tool for tool in ("ansible", "pyinfra", "ours") if tool in given.tools]
            bare_to_verified(fleet, figures, given.bare, 1, able)
            if {"pyinfra", "ours"} <= set(able):
                done = max(done, given.bare)
        # Not measured, so side by side; a tool that shares its hosts finds the job done by pyinfra.
        setting_up = [("ours", "ours")] if "ours" in given.tools else []
        setting_up += [("pyinfra", "others")] if set(given.tools) - {"ours"} else []
        if done < most:
            with ThreadPoolExecutor(2) as pool:
                list(
                    pool.map(
                        lambda one: fleet.run(one[0], fleet.hosts(one[1], most)[done:], BARE), setting_up
                    )
                )
            if len(setting_up) == len(fleet.labs):
                prepared.write_text(str(most))
        if set(given.tools) - {"ours"}:  # pyinfra keeps a time stamp of its own on each host
            fleet.run("pyinfra", fleet.hosts("others", most), SAME)
        for hosts in sorted(given.hosts, reverse=True):
            no_change(fleet, figures, hosts, given.times, given.tools)
            if "ours" in given.tools:
                for _ in range(given.times):
                    figures.add(PLAN, hosts, "ours", fleet.run("ours", fleet.hosts("ours", hosts), PLAN))
        if 1 in given.hosts and "ours" in given.tools:
            history(fleet, figures, given.times)
        missed = table(figures)
    finally:
        if not given.keep:
            fleet.down()
    raise SystemExit(missed)


if __name__ == "__main__":
    main()
