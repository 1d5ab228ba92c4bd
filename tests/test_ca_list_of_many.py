"""`runbook ca list` says the same of a large ledger as of a small one, and says it while it reads."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki_samples as samples
import pytest
from command_line import runbook
from fake_chapters import write_inventory

from runbook_lib import inventory
from runbook_lib.display import Table
from runbook_lib.pki import authority, certificate, pem, revocation
from runbook_lib.pki.ledger import Issuance
from runbook_lib.site_ca import report

NOW = datetime(2026, 11, 25, 4, 30, 0, tzinfo=UTC)
MANY = 620  # more than are written at once, twice
HEADERS = ("serial", "host", "names", "valid to", "state", "root", "run")


def issuance(number: int, content: bytes) -> Issuance:
    """One of many: hosts, names and runs of different lengths, some for port 25."""
    host = f"mail{number % 37}"
    names = tuple(
        f"{name}{number % 41}.example.test" for name in ("mail", "pop", "further")[: 1 + number % 3]
    )
    made = NOW + timedelta(minutes=number)
    return Issuance(
        f"{2**100 + number:X}".zfill(26), host, f"run{number % 7 * '-long'}", names, f"{number:064x}", made,
        made + timedelta(days=number % 200), content.decode(), made, purpose="mx" if number % 11 == 5 else "mail",
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose CA issued many certificates: some withdrawn, some revoked, one of no root of this CA."""
    folder = tmp_path_factory.mktemp("many")
    ca = samples.fresh_ca(folder)
    foreign = samples.foreign_certificate()
    path = write_inventory(folder, "mail1")
    path.write_text(path.read_text().replace("ca: {", f"ca: {{directory: {folder / 'ca'}, "))
    own = certificate.as_pem(ca.certificate)
    ledger = ca.ledger
    for number in range(MANY):
        ledger.record_issuance(issuance(number, foreign if number == 300 else own))
    for number in (3, 500):
        ledger.withdraw(issuance(number, own).serial, "back", NOW)
    for number, reason in ((4, "superseded"), (610, "cessationOfOperation")):
        revocation.revoke(ledger, issuance(number, own).serial, reason, "run", NOW)
    ledger.record_refusal("mail1", "run", ["one", "two"], "ab" * 32, NOW)
    return path


def rows_of(hosts: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for number in range(MANY):
        one = issuance(number, b"")
        if hosts and one.host not in hosts:
            continue
        state = {
            3: "withdrawn 2026-11-25", 500: "withdrawn 2026-11-25", 4: "revoked 2026-11-25 (superseded)",
            610: "revoked 2026-11-25 (cessationOfOperation)",
        }.get(number, "issued")  # fmt: skip
        host = one.host if one.purpose == "mail" else f"{one.host} (mx)"
        root = "0" if number == 300 else "1"
        rows.append(
            (one.serial, host, ", ".join(one.names), f"{one.not_after:%Y-%m-%d}", state, root, one.run)
        )
    return rows


@pytest.mark.parametrize("columns", ["80", "120", "400"])
@pytest.mark.parametrize("hosts", [(), ("mail4",), ("mail5", "mail16")])
def test_the_table_is_that_of_all_rows_together(site: Path, columns: str, hosts: tuple[str, ...]) -> None:
    rows = rows_of(hosts)
    words = [word for host in hosts for word in ("--host", host)]
    done = runbook("ca", "list", "--inventory", site, *words, environment={"COLUMNS": columns})
    assert done.returncode == 0, done.stderr
    expected = Table(HEADERS, rows, f"{len(rows)} issued").fitted(int(columns))
    assert done.stdout.startswith(f"{expected}\n\n")
    assert len(rows) == MANY or hosts


def test_the_document_is_one_and_in_its_usual_form(site: Path) -> None:
    for hosts in ((), ("mail5", "mail16"), ("mail99",)):
        words = [word for host in hosts for word in ("--host", host)]
        done = runbook("ca", "list", "--inventory", site, "--json", *words)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert done.stdout == json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        assert list(told) == ["format", "issued", "refused", "roots", "crls"]
        rows = rows_of(hosts)
        assert [(one["serial"], one["root"], one["run"]) for one in told["issued"]] == [
            (row[0], int(row[5]), row[6]) for row in rows
        ]
        assert [one["host"] for one in told["issued"] if one.get("purpose") == "mx"] == [
            row[1].removesuffix(" (mx)") for row in rows if row[1].endswith(" (mx)")
        ]
        assert len(told["refused"]) == (not hosts)


@pytest.fixture
def own_site(site: Path, tmp_path: Path) -> Path:
    """The same site, with a CA that a test may add to."""
    shutil.copytree(site.parent, tmp_path / "own")
    path = tmp_path / "own" / site.name
    path.write_text(path.read_text().replace(str(site.parent), str(path.parent)))
    return path


def test_what_is_issued_meanwhile_is_not_in_it(own_site: Path) -> None:
    book = inventory.load(own_site)
    with report.report(book.site) as told:
        ledger = authority.open_ledger(Path(book.site.ca.directory))
        late = replace(issuance(9999, b"-----BEGIN"), host="late")
        ledger.record_issuance(late)
        count = len(told.issued)
        assert late.serial not in {one.serial for one in told.issued}
        assert "late" not in {one.host for one in told.issued.samples()}
    with report.report(book.site, ["late"]) as told:
        assert (len(told.issued), count) == (1, MANY)


def test_what_is_no_certificate_in_the_ledger_is_told_where_it_comes(own_site: Path) -> None:
    ledger = authority.open_ledger(own_site.parent / "ca")
    damaged = replace(issuance(9999, pem.block("CERTIFICATE", b"none")), host="mail4")
    ledger.record_issuance(damaged)
    done = runbook("ca", "list", "--inventory", own_site, "--host", "mail4")
    assert done.returncode == 1
    assert f"ledger, {damaged.serial}: " in done.stderr
    assert "the content is no certificate" in done.stderr


def test_a_few_say_how_wide_all_of_them_are(site: Path) -> None:
    with report.report(inventory.load(site).site, [f"mail{number}" for number in range(37)]) as told:
        few = list(told.issued.samples())
    assert 41 < len(few) < MANY / 2
    rows = rows_of()
    for column, texts in {
        1: {one.host_told for one in few},
        2: {", ".join(one.names) for one in few},
        4: {one.state_told for one in few},
    }.items():
        assert texts == {row[column] for row in rows}
    assert max(len(one.run) for one in few) == max(len(row[6]) for row in rows)


def test_a_long_table_begins_before_its_last_row_is_there() -> None:
    def rows() -> Iterator[tuple[str, str]]:
        yield ("1", "x")
        raise LookupError

    lines = Table(("a", "b"), rows(), "Two", like=[("1", "xyz")]).pieces(80)
    assert [next(lines) for _ in range(4)] == ["Two", "a  b", "-  ---", "1  x"]
    with pytest.raises(LookupError):
        next(lines)
