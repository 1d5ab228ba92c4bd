"""A signature is stamped by an authority elsewhere where the site wants that; without one a run is kept, too."""

from collections.abc import Callable, Iterator
from pathlib import Path

import command_line
import pytest
import tampering
import time_stamps
from fake_chapters import write_inventory
from tampering import KANRI, KANSA, LAST, PLAN
from time_stamps import Authority

from runbook_lib import inventory
from runbook_lib.errors import InventoryError, RecordNotStamped
from runbook_lib.messages.speech import said
from runbook_lib.records import origin, seal, signing, stamping, verification


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with time_stamps.authority(tmp_path_factory.mktemp("elsewhere") / "tsa") as running:
        yield running


@pytest.fixture
def tsa(authority: Authority) -> Authority:
    authority.answers = None
    return authority


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir()
    return tmp_path / "keys"


def site(folder: Path, tsa: Authority) -> Path:
    said = f'records: {{signing: offered, timestamp: {{url: "{tsa.url}", root: {tsa.root}}}}}'
    return write_inventory(folder, "mail1", site=said)


@pytest.fixture
def root(tmp_path: Path, keys: Path, tsa: Authority) -> Iterator[Path]:
    """Records of a site that signs, and has an authority; there are two runs, which nobody sealed yet."""
    listed = tmp_path / "list"
    listed.write_text(
        f'{KANRI} namespaces="run@runbook" {tampering.make_key(keys / "kanri")}\n'
        f'{KANSA} namespaces="signers@runbook" {tampering.make_key(keys / "kansa")}\n'
    )
    with tampering.signing_with(keys / "kansa"):
        signing.replace_signers(tmp_path / "records", listed)
    origin.use(inventory.load(str(site(tmp_path, tsa))))
    tampering.record(tmp_path / "records", PLAN)
    with tampering.signing_with(keys / "kanri"):
        yield tmp_path / "records"
    origin._said = None


def stamped_at(root: Path, run: str) -> str:
    found = verification.check(root / run)
    assert found.holds, found.report()
    return found.stamped


def test_a_signed_run_is_stamped_once(root: Path, tsa: Authority) -> None:
    before = tsa.asked
    kept = signing.keep(root, PLAN)
    assert kept.stamped == stamped_at(root, PLAN)
    assert kept.told.endswith(f", signed by {KANRI}, time-stamped {kept.stamped}")
    assert verification.check(root / PLAN).report().endswith(f", time-stamped {kept.stamped})")
    assert verification.check_all(root, tsa=tsa.root).holds
    signing.keep(root, PLAN)  # nothing is new
    assert tsa.asked == before + 1


def test_a_run_that_goes_on_is_stamped_anew_and_the_first_stamp_is_kept(root: Path) -> None:
    signing.keep(root, PLAN)
    first = (root / PLAN / seal.STAMP).read_bytes()
    (root / PLAN / "mail12" / "more.txt").write_text("x\n")
    signing.keep(root, PLAN)
    assert (root / PLAN / f"{seal.SUMS}.1.tsr").read_bytes() == first
    assert (root / PLAN / seal.STAMP).read_bytes() != first
    assert stamped_at(root, PLAN)


def refused(tsa: Authority, _: bytes) -> None:
    """What an authority says to a request that it does not take: PKIStatus rejection, without a token."""
    tsa.answers = bytes.fromhex("30073005020102") + b"\x00\x00"


def garbage(tsa: Authority, _: bytes) -> None:
    tsa.answers = b"<html>502 Bad Gateway</html>"


def an_earlier_answer(tsa: Authority, earlier: bytes) -> None:
    tsa.answers = earlier


def nothing(tsa: Authority, _: bytes) -> None:
    tsa.answers = b""


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refused, "is no time-stamp, or one that was refused"),
        (garbage, "is no time-stamp, or one that was refused"),
        (nothing, "is no time-stamp, or one that was refused"),
        (an_earlier_answer, "imprint mismatch|nonce mismatch"),
    ],
)
def test_an_answer_that_is_no_good_leaves_a_run_unstamped_and_signed(
    answer: Callable[[Authority, bytes], None], why: str, root: Path, tsa: Authority
) -> None:
    signing.keep(root, PLAN)
    tampering.record(root, LAST)
    answer(tsa, (root / PLAN / seal.STAMP).read_bytes())
    kept = signing.keep(root, LAST)
    assert kept.signed_by == KANRI
    assert kept.unstamped.startswith(tsa.url), kept.unstamped
    assert f"runbook records stamp {LAST} asks again" in kept.told
    assert stamped_at(root, LAST) == ""
    with pytest.raises(RecordNotStamped, match=why):
        stamping.stamp(root, LAST)
    assert not (root / LAST / seal.STAMP).exists()
    tsa.answers = None
    assert stamping.stamp(root, LAST) == stamped_at(root, LAST)


def test_an_authority_that_is_away_leaves_a_run_unstamped(root: Path, tmp_path: Path, keys: Path) -> None:
    with time_stamps.authority(tmp_path / "away") as away:
        origin.use(inventory.load(str(site(tmp_path, away))))
    kept = signing.keep(root, PLAN)
    assert (kept.signed_by, kept.stamped) == (KANRI, "")
    assert kept.unstamped == f"{away.url}: [Errno 111] Connection refused"
    assert stamped_at(root, PLAN) == ""
    before = (root / PLAN / seal.SIGNATURE).read_bytes()
    assert (keys / "kanri").exists()
    assert signing.stamp_where_wanted(root, PLAN)[1] == kept.unstamped
    assert (root / PLAN / seal.SIGNATURE).read_bytes() == before


@pytest.mark.parametrize(
    ("answer", "roots_are_there", "english", "japanese"),
    [
        (refused, True, "is no time-stamp, or one that was refused", "タイムスタンプではない応答"),
        (nothing, False, "the authority's roots cannot be read", "ルート証明書を読めません"),
    ],
)
def test_why_a_run_has_no_time_stamp_is_said_in_the_language_of_the_page(
    answer: Callable[[Authority, bytes], None], roots_are_there: bool, english: str, japanese: str,
    root: Path, tmp_path: Path, tsa: Authority,
) -> None:  # fmt: skip
    answer(tsa, b"")
    if not roots_are_there:
        copy = tmp_path / "roots.pem"
        copy.write_bytes(tsa.root.read_bytes())
        origin.use(inventory.load(str(site(tmp_path, Authority(tsa.url, copy)))))
        copy.unlink()
    told = signing.keep(root, PLAN).told
    assert f"unstamped: {tsa.url if roots_are_there else english}" in told
    assert english in told
    shown = said(told, "ja")
    assert japanese in shown, shown
    assert english not in shown


def test_an_authority_of_other_roots_is_not_believed(root: Path, tmp_path: Path, tsa: Authority) -> None:
    with time_stamps.authority(tmp_path / "other") as other:
        origin.use(inventory.load(str(site(tmp_path, Authority(tsa.url, other.root)))))
        kept = signing.keep(root, PLAN)
        assert "certificate verify error" in kept.unstamped
        origin.use(inventory.load(str(site(tmp_path, other))))
        stamping.stamp(root, PLAN)
    assert verification.check_all(root).holds
    (found,) = verification.check_all(root, tsa=tsa.root).runs  # an auditor who knows another authority
    assert not found.holds
    assert "certificate verify error" in found.report()


def test_a_run_that_nobody_signed_is_not_stamped(root: Path, tsa: Authority) -> None:
    before = tsa.asked
    with tampering.signing_with(root / "no-key"):
        kept = signing.keep(root, PLAN)
    assert (kept.signed_by, kept.stamped, kept.unstamped) == ("", "", "")
    with pytest.raises(RecordNotStamped, match="it is not signed") as error:
        stamping.stamp(root, PLAN)
    assert f"runbook records sign {PLAN}" in str(error.value)
    assert tsa.asked == before


def test_the_command_stamps_and_says_where_no_authority_is_named(
    root: Path, tmp_path: Path, tsa: Authority
) -> None:
    tsa.answers = b""
    signing.keep(root, PLAN)
    tsa.answers = None
    environment = {"RUNBOOK_RECORDS": str(root), "RUNBOOK_RUN": ""}
    words = ["records", "stamp", PLAN, "--inventory", str(tmp_path / "site.yaml")]
    done = command_line.runbook(*words, cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{PLAN}: time-stamped {stamped_at(root, PLAN)}\n"
    write_inventory(tmp_path, "mail1", site="records: {signing: offered}")
    done = command_line.runbook(*words, cwd=tmp_path, environment=environment)
    assert done.returncode == 1
    assert "the inventory names no time-stamping authority" in done.stderr


@pytest.mark.parametrize("url", ["ftp://tsa.example.jp/", "file:///etc/passwd", "http://tsa example.jp/"])
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    said = f'records: {{timestamp: {{url: "{url}", root: /etc/ssl/tsa.pem}}}}'
    with pytest.raises(InventoryError, match="url"):
        inventory.load(str(write_inventory(tmp_path, "mail1", site=said)))
