"""Time-stamps over signatures: an authority elsewhere says that a run's signature was there at a moment (RFC 3161).

`SHA256SUMS.tsr` beside the signature is the authority's answer; `tsa-DIGEST.pem` beside the runs are the roots by which
it is checked, and a line of the chain has the digests of both. It is asked for, read and checked by openssl(1).
Source: openssl-ts(1); RFC 3161, 2.4 and 3.4.
"""

import os
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.errors import RecordNotStamped
from runbook_lib.messages import message
from runbook_lib.records import chain, files, origin, seal

ROOTS = "tsa-*.pem"
ANSWER_BYTES_MAX = 1 << 20
_TIMEOUT_S = 15.0
_TIME = "Time stamp: "


@dataclass(frozen=True)
class Stamped:
    """What openssl said of a time-stamp. `told` is the moment, as records have theirs; or why it is not good."""

    good: bool
    told: str


def name_of_roots(digest: str) -> str:
    """The name of the file with the roots that have this digest."""
    return ROOTS.replace("*", digest[:16])


def stamp(root: Path, run: str) -> str:
    """Have a run's signature stamped, and keep that; what was signed anew meanwhile is not stamped.

    Args:
        root: the folder of all records.
    Returns: the moment.
    Raises:
        RecordNotStamped: no authority is named, it did not answer, or its answer is no good; or nobody signed the run.
        RecordNotWritten: nothing can be written there.
    """
    folder = root / run
    sig = folder / seal.SIGNATURE
    where = origin.timestamp()
    if where is None:
        raise _not_stamped(
            run,
            message("the inventory names no time-stamping authority"),
            message("write site.records.timestamp there"),
        )
    if not sig.is_file():
        raise _not_stamped(run, message("it is not signed"), message("runbook records sign {run}", run=run))
    signature, roots = sig.read_bytes(), _roots(where.root)
    with tempfile.TemporaryDirectory() as made:
        data, query, answer, trusted = (Path(made, name) for name in ("sig", "tsq", "tsr", "roots"))
        data.write_bytes(signature)
        trusted.write_bytes(roots)
        asked = _openssl("ts", "-query", "-data", str(data), "-sha256", "-cert", "-out", str(query))
        if asked.returncode:
            raise _not_stamped(run, message("no request could be made: {said}", said=_said(asked)))
        answer.write_bytes(_answer(run, where.url, query.read_bytes()))
        found = _verified(answer, trusted, "-queryfile", str(query))
        if not found.good:
            raise _not_stamped(run, message("{url}: {told}", url=where.url, told=found.told))
        token = answer.read_bytes()
    with chain.locked(root):
        if sig.read_bytes() != signature:
            raise _not_stamped(run, message("the run was signed anew meanwhile"))
        digest = seal.sha256(roots)
        if not (root / name_of_roots(digest)).exists():
            files.write_atomically(root / name_of_roots(digest), roots)
        files.write_atomically(folder / seal.STAMP, token)
        chain.append(root, {"kind": "stamped", "run": run, "tsr": seal.sha256(token), "roots": digest})
    return found.told


def _not_stamped(run: str, why: str, remedy: str = "") -> RecordNotStamped:
    return _error(run, why, remedy or message("runbook records stamp {run} asks again", run=run))


def _error(where: str, why: str, remedy: str) -> RecordNotStamped:
    error = RecordNotStamped(message("not time-stamped: {why}", why=why), where, remedy, "")
    error.why = why
    return error


def _roots(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _error(
            path,
            message("the authority's roots cannot be read: {reason}", reason=error.strerror),
            message("name a file with its root certificates (PEM) in site.records.timestamp.root"),
        ) from None


def _answer(run: str, url: str, query: bytes) -> bytes:
    """Source: RFC 3161, 3.4."""
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    request = urllib.request.Request(url, query, headers)  # noqa: S310 - the inventory takes http and https alone
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
            content: bytes = reply.read(ANSWER_BYTES_MAX)
    except (OSError, ValueError) as error:  # HTTPError and URLError are of the first kind
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _not_stamped(run, message("{url}: {told}", url=url, told=reason)) from None
    return content


def verify(sig: Path, token: Path, roots: Path) -> Stamped:
    """Check a time-stamp as it was at its moment, whatever has ended since.

    Args:
        sig: the signature that it is of.
        token: the authority's answer.
        roots: root certificates (PEM).
    """
    return _verified(token, roots, "-data", str(sig))


def _verified(token: Path, roots: Path, *what: str) -> Stamped:
    try:
        moment = _moment(token)
        if moment is None:
            return Stamped(good=False, told=message("is no time-stamp, or one that was refused"))
        done = _openssl(
            "ts", "-verify", *what, "-in", str(token), "-CAfile", str(roots),
            "-attime", str(int(moment.timestamp())),
        )  # fmt: skip
    except RecordNotStamped as error:
        return Stamped(good=False, told=message("could not be checked: {why}", why=error.why))
    if done.returncode or b"Verification: OK" not in done.stdout:
        return Stamped(good=False, told=_said(done))
    return Stamped(good=True, told=moment.isoformat(timespec="seconds"))


def _moment(token: Path) -> datetime | None:
    """The moment that an answer tells; None where it is none, or has none."""
    done = _openssl("ts", "-reply", "-in", str(token), "-text")
    lines = done.stdout.decode(errors="replace").splitlines()
    said = next((line.removeprefix(_TIME) for line in lines if line.startswith(_TIME)), "")
    words = said.replace(" GMT", "").split()
    if len(words) != 4:
        return None
    words[2] = words[2].partition(".")[0]
    try:
        return datetime.strptime(" ".join(words), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What openssl said of its last error, without its own numbers."""
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if ":" in line]
    reasons = [line.split(":")[5] for line in lines if line.count(":") >= 6]
    told = ", ".join(dict.fromkeys(reason for reason in reasons if reason))
    return told or message("openssl does not take it")


def _openssl(*words: str) -> "subprocess.CompletedProcess[bytes]":
    environment = os.environ | {"TZ": "UTC0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["openssl", *words], capture_output=True, check=False, env=environment, timeout=_TIMEOUT_S
        )
    except FileNotFoundError:
        raise _error("openssl", message("openssl is not there"), message("install it")) from None
    except subprocess.TimeoutExpired:
        raise _error(
            "openssl",
            message("openssl did not answer in {timeout_s} s", timeout_s=f"{_TIMEOUT_S:g}"),
            message("see what this machine is busy with"),
        ) from None
