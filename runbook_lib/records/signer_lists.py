"""Whether the lists of signers are as they were taken in: each signed by somebody whom the one before allows to."""

from collections.abc import Iterable
from pathlib import Path

from runbook_lib.errors import UsageError
from runbook_lib.records import chain, seal, signers, signing


def check(root: Path, streams: Iterable[chain.Stream]) -> tuple[str, list[str]]:
    """Who signed the first list of signers, and what is wrong with the lists.

    Args:
        root: the folder of all records.
        streams: the chain, as far as each line follows the one before.
    """
    entries = {
        line.entry.number: line.entry
        for stream in streams
        for line in stream.lines
        if isinstance(line.entry, chain.Signers)
    }
    wrong: list[str] = []
    first = ""
    there = {int(path.suffix[1:]): path for path in signers.lists(root)}
    names = {f"{signers.NAME}{n}{end}" for n in entries for end in ("", ".sig")}
    for path in sorted(root.glob(f"{signers.NAME}*")):
        if path.name not in names or path.is_symlink():
            wrong.append(f"{path.name}: the chain does not have it")
    for number in sorted(entries):
        told = _checked(root, number, entries[number], there)
        if told.good and number == 1:
            first = f"{entries[1].by} with {told.told}"
        elif not told.good:
            wrong.append(f"{signers.NAME}{number}: {told.told}")
    if sorted(entries) != list(range(1, len(entries) + 1)):
        wrong.append(f"{signers.NAME}N: a list is missing in the chain")
    return first, wrong


def another(root: Path, own: Path) -> list[str]:
    """That the last list is another than one's own copy; nothing where it is that."""
    lists = signers.lists(root)
    if not lists or (lists[-1].is_file() and own.is_file() and lists[-1].read_bytes() == own.read_bytes()):
        return []
    return [f"{lists[-1].name}: is another list of signers than the one that was given"]


def _checked(root: Path, number: int, entry: chain.Signers, there: dict[int, Path]) -> signing.Verified:
    path = there.get(number)
    sig = root / f"{signers.NAME}{number}.sig"
    if path is None or not path.is_file() or not sig.is_file():
        return signing.Verified(good=False, told="is missing")
    content = path.read_bytes()
    if (seal.sha256(content), seal.sha256(sig.read_bytes())) != (entry.sha256, entry.sig):
        return signing.Verified(good=False, told="is not the one of the chain")
    before = path if number == 1 else there.get(number - 1)
    if before is None or not before.is_file():
        return signing.Verified(good=False, told="the list before it is missing")
    try:
        listed = signers.parse(content, path.name)
        if number > 1:
            signers.refuse_removal(signers.parse(before.read_bytes(), before.name), listed, path.name)
    except UsageError as error:
        return signing.Verified(good=False, told=error.problem)
    done = signing.verify(content, sig, entry.by, entry.at, before, signers.CHANGE)
    return done if done.good else signing.Verified(good=False, told=f"signature: {entry.by}: {done.told}")
