"""What `runbook plan` and `runbook apply` say, to a person and to a program."""

import json
import re
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
from fake_chapters import NOTHING_TO_DO, OPEN, SUMMARY, WHOLE, another_reason, write_chapter, write_inventory

from runbook_lib.batch.rollout import LAB_WORKERS
from runbook_lib.records import chain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_chapter(tmp_path / "notebooks", "11-key", *WHOLE)
    write_chapter(tmp_path / "notebooks", "12-sign", *NOTHING_TO_DO)
    write_chapter(tmp_path / "notebooks", "21-postfix-centos", *WHOLE)
    write_inventory(tmp_path, "mail1", "mail2")
    return tmp_path


def runbook(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, in another folder than the checkout."""
    return command_line.runbook(
        *arguments, cwd=folder, environment={"RUNBOOK_RECORDS": str(folder / "records")}
    )


def batch(folder: Path, mode: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    why = ("--reason", another_reason()) if mode == "apply" and "--reason" not in arguments else ()
    return runbook(folder, mode, "--inventory", "./site.yaml", "--notebooks", "notebooks", *arguments, *why)


def test_apply_says_what_was_done_where_the_record_is_and_what_to_type_next(folder: Path) -> None:
    done = batch(folder, "apply")
    (run,) = (path for path in (folder / "records").iterdir() if path.is_dir())
    assert done.returncode == 0
    assert done.stdout == (
        "mail1: changed 1 thing; 2 of 2 claims proved\n"
        "mail2: changed 1 thing; 2 of 2 claims proved\n"
        "\n"
        f"Record: {run / 'index.html'}\n"
        f"Seal: {chain.head(folder / 'records')}\n"
        "Next, to prove it from outside at any time:\n"
        "    runbook verify mail1 --inventory ./site.yaml\n"
        "Next, to put back what this run changed:\n"
        f"    runbook rollback {run.name} --inventory ./site.yaml\n"
    )
    assert (run / "index.html").is_file()


def test_progress_has_a_line_a_chapter_and_no_line_of_noise(folder: Path) -> None:
    done = batch(folder, "apply", "--host", "mail1")
    lines = [re.sub(r"[0-9.]+ s$", "N s", line) for line in done.stderr.splitlines()]
    assert lines == [
        "If you close the laptop now: a host ends the change that is being made by itself, and no other is begun; "
        "`runbook status` says how far it came.",
        "mail1: 11-key passed: 1 change made, 1 of 1 claim proved, N s",
        "mail1: 12-sign passed: 1 of 1 claim proved, N s",
        "mail1: 21-postfix-centos left out: not for Debian",
    ]


def test_json_is_one_document_and_nothing_else(folder: Path) -> None:
    done = batch(folder, "plan", "--json")
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert (told["mode"], told["exit_code"], done.returncode) == ("plan", 0, 0)
    hosts = {host["host"]: host["state"] for host in told["hosts"]}  # in the order in which they ended
    assert hosts == {"mail1": "planned", "mail2": "planned"}
    assert [line.lstrip(",")[:10] for line in done.stdout.splitlines()].count('{"host": "') == 2
    assert told["hosts"][0]["chapters"][0]["changes_planned"] == 1
    assert told["next"] == [f"runbook apply --plan {told['plan'][:16]}"]
    assert Path(told["record"]).is_file()


def test_a_failure_is_told_with_chapter_cell_and_text(folder: Path) -> None:
    write_chapter(folder / "notebooks", "12-sign", OPEN, "raise ValueError('no space on /etc')", SUMMARY)
    done = batch(folder, "apply", "--host", "mail2")
    assert done.returncode == 1
    assert done.stdout.startswith(
        "mail2: 12-sign failed at cell 3 of 4 (1 change made in this run)\n    ValueError: no space on /etc\n"
    )
    assert "Next, when the cause on mail2 is mended:\n    runbook resume " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-p", "sudo_password=x"), "is named like a secret"),
        (("-p", "nosuch=1"), "no chapter that runs has such a parameter"),
        (("-p", "key_bits"), "is not NAME=VALUE"),
        (("--only", "11", "--from", "11"), "cannot be given together"),
        (("--host", "mail9"), "there is no host mail9"),
        (("--inventory", "missing.yaml"), "the inventory cannot be read"),
        (("--workers", "no"), "Invalid value for '--workers'"),
    ],
)
def test_bad_usage_ends_with_2_in_words_and_without_a_trace(
    arguments: tuple[str, ...], told: str, folder: Path
) -> None:
    done = batch(folder, "apply", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (folder / "records").exists()


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_the_help_says_how_many_hosts_are_at_work(command: str, folder: Path) -> None:
    told = " ".join(re.sub(r"[│\s]+", " ", runbook(folder, command, "--help").stdout).split())
    assert f"Without it: {LAB_WORKERS} that are not in production, and of those that are, 1." in told


def test_a_secret_that_cannot_be_used_is_told_before_the_run(folder: Path) -> None:
    """saslauthd would cut it; and one that no text could be kept free of."""
    (folder / "kensa").write_text("p" * 300)
    one = batch(folder, "plan")
    assert one.returncode == 2
    assert (
        f"hosts.mail1.check_account.password (file:{folder}/kensa): the password is 300 bytes long"
        in one.stderr
    )
    (folder / "ca-passphrase").write_text("ca")
    two = batch(folder, "apply")
    assert two.returncode == 2
    for told in (
        "secrets: 2 cannot be used as they are",
        f"site.ca.passphrase (file:{folder}/ca-passphrase): the secret has fewer than 4 bytes",
        "at most 255 bytes pass through saslauthd",
        "Nothing was changed.",
    ):
        assert told in two.stderr
    assert not (folder / "records").exists()
    (folder / "kensa").write_text("p" * 255)
    (
        folder / "ca-passphrase"
    ).unlink()  # cannot be had: told by the chapter that needs it, and none here does
    assert batch(folder, "plan").returncode == 0


def test_help_does_not_wait_for_papermill() -> None:
    code = "import sys; sys.argv = ['runbook', '--help']\nfrom runbook_lib.cli import main\nmain()"
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip() for line in traced.stderr.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint(
        {"papermill", "nbformat", "nbconvert", "jinja2", "paramiko", "ruamel.yaml", "cryptography"}
    )


def test_every_command_explains_itself(folder: Path) -> None:
    listed = re.findall(r"│ ([a-z]+) ", runbook(folder, "--help").stdout)
    assert {"verify", "plan", "apply", "rollback", "records", "ca", "schema"} <= set(listed)
    for command in listed:
        assert runbook(folder, command, "--help").returncode == 0
