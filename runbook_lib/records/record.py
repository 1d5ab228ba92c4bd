"""A record writes itself while a chapter works, so that a crash leaves all that happened before it."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from runbook_lib import credentials, display
from runbook_lib.excerpt import excerpt
from runbook_lib.messages import Message
from runbook_lib.records import files, model, origin, seal
from runbook_lib.records.model import Approval, Failure, Made, RecordData
from runbook_lib.records.redaction import masked, refuse_secrets

_FACT_CHARACTERS_MAX = 4000

Finish = Literal["passed", "planned", "not proven", "failed", "interrupted"]


class Record:
    """The record of one chapter on one host.

    Each event is masked, checked for secrets and on disk (fsynced) before the method returns. An event that
    would bring a secret raises RecordError and leaves the file as it was.
    """

    def __init__(self, path: Path, data: RecordData, began: origin.Moment | None = None) -> None:
        self.path = path
        self.data = data
        self.began = began
        self._known: Collection[credentials.Secret] = ()  # the secrets that what is written was searched for

    @classmethod
    def begin(
        cls,
        root: Path,
        run: str,
        host: str,
        chapter: str,
        *,
        title: str,
        mode: Literal["plan", "apply"],
        reason: str,
        operator: str,
        lab: bool,
        facts: Mapping[str, str],
        inventory_sha256: str,
        emergency: str = "",
        approval: Approval | None = None,
        review_by: str | None = None,
    ) -> "Record":
        """Start the record of a chapter; what it left in the same run before is set aside, not lost.

        Args:
            root: the folder of all records (`records.root()`).
            run: the run (`records.current_run()`).
            chapter: the notebook's stem, as "11-key-and-csr".
            emergency: the freeze or window that is passed over, since a person called it an emergency; '': none.
            approval: of the plan that the chapter is bound to.
            review_by: when the run is to be reviewed, since no approval was waited for.
        Raises:
            UsageError: run, host or chapter cannot be a file's name.
            RecordError: reason, title or a fact holds a secret that masking does not cover.
        """
        folder = root / origin.plain_name(run, "run") / origin.plain_name(host, "host")
        origin.plain_name(chapter, "chapter")
        code = origin.code_state()
        fields = {
            "run": run,
            "host": host,
            "chapter": chapter,
            "title": title,
            "mode": mode,
            "reason": reason,
            "emergency": emergency,
            "approval": approval.model_dump() if approval else None,
            "review_by": review_by,
            "operator": operator,
            "lab": lab,
            "started_at": origin.now_text(),
            "library": origin.library_version(),
            "commit": code.commit,
            "clean_tree": code.clean_tree,
            "inventory_sha256": inventory_sha256,
            "facts": {name: _kept(value) for name, value in facts.items()},
        }
        path = folder / f"{chapter}.json"
        began = origin.Moment.now()
        messages = _clean(_messages(fields), path)
        data = RecordData.model_validate({**_clean(fields, path), "messages": messages})
        if origin.chapters_of_run():  # a batch has begun the run, and holds it
            files.prepare_root(root)
            files.give_up_when_full(seal.reserve_of(root, run))
        else:
            seal.begin(root, run)
        files.set_aside(folder, chapter)
        record = cls(path, data, began)
        record._write()
        return record

    @classmethod
    def open(cls, path: Path, began: origin.Moment | None = None) -> "Record":
        """A record that is on disk already, to close it where its chapter could not.

        Args:
            began: when its chapter began; None: nobody knows, so how long it took is not said.
        """
        return cls(path, model.read(path), began)

    @property
    def sha256(self) -> str:
        """Digest of the record's file as it is now."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def add_plan(
        self,
        title: str,
        digest: str,
        changes: Sequence[Mapping[str, str]],
        script: str = "",
        withheld: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Add what a plan showed.

        Args:
            changes: for each title, kind, diff and commands.
            script: all of them as a person types them.
            withheld: for each that is not made here title, kind, diff, owner, why, and the lines for the owner.
        """
        step = {"kind": "plan", "title": title, "digest": digest, "script": script}
        self._add(step | {"changes": list(changes), "withheld": list(withheld)})

    def add_apply(self, digest: str, done: Sequence[str], journal: str | None) -> None:
        """Add what was made: the titles of the changes, and the journal's path on the host."""
        self._add({"kind": "apply", "digest": digest, "done": list(done), "journal": journal})

    def add_verify(self, claim: str, rows: Sequence[Mapping[str, object]], verdict: str) -> None:
        """Add a proposition, what was measured for it, and how it came out."""
        self._add({"kind": "verify", "claim": claim, "rows": list(rows), "verdict": str(verdict)})

    def add_flow(self, ports: Sequence[Mapping[str, object]]) -> None:
        """Add what a sampler outside saw of mail while changes were made: for each port the fields of `PortFlow`."""
        self._add({"kind": "flow", "ports": list(ports)})

    def add_undo(self, run: str, put_back: Sequence[str], left: Sequence[str]) -> None:
        """Add that a run was put back on the host: what is back, and what was left alone."""
        self._add({"kind": "undo", "run": run, "put_back": list(put_back), "left": list(left)})

    def add_open_decisions(self, places: Mapping[str, str], refusal: str | None) -> None:
        """Add what a person has to decide before apply goes on: each place with what is found there.

        Args:
            refusal: what apply says of them, with what to write; None: it would go on.
        """
        self._update({"open_decisions": dict(places), "refusal": refusal})

    def add_note(self, text: str) -> None:
        """Add a sentence for the reader of the record."""
        self._add({"kind": "note", "text": text})

    def finish(
        self,
        outcome: Finish,
        summary: str | display.Shown | None,
        undo: str | None = None,
        error: BaseException | Failure | None = None,
        needed_root: Mapping[str, str] | None = None,
    ) -> None:
        """End the record.

        Args:
            summary: what the summary cell shows; None when the chapter did not reach it.
            undo: the command that puts back what was changed; None when nothing was.
            error: what stopped the chapter, or what is known of it.
            needed_root: the looks of a plan that needed root, name to command.
        """
        text = display.in_english(summary) if isinstance(summary, display.Shown) else summary
        shown = vars(summary) if isinstance(summary, display.Shown) else {}
        failure = (
            Failure(type=type(error).__name__, message=str(error))
            if isinstance(error, BaseException)
            else error
        )
        self._update(
            {
                "outcome": outcome,
                "summary": text,
                "undo": undo,
                "error": failure.model_dump() if failure else None,
                "ended_at": origin.now_text(),
                "took_s": self.began.took_s() if self.began else None,
                "clock_set_by_s": self.began.clock_set_by_s() if self.began else None,
                "needed_root": dict(needed_root or {}),
            },
            shown,
        )

    def _add(self, step: Mapping[str, object]) -> None:
        """What is written already was searched and checked when it was added, and is not again for each step."""
        self._search_again()
        added = (*self.data.steps, model.step(_clean(step, self.path)))
        self._replace(self.data.model_copy(update={"steps": added, "messages": self._with_messages(step)}))

    def _update(self, fields: Mapping[str, object], shown: Mapping[str, object] | None = None) -> None:
        """Write fields anew; `shown` is what they were made text of."""
        self._search_again()
        messages = self._with_messages({**fields, **(shown or {})})
        written = {**self.data.model_dump(), **_clean(fields, self.path)}
        self._replace(RecordData.model_validate({**written, "messages": messages}))

    def _with_messages(self, new: Mapping[str, object]) -> dict[str, Made]:
        made = _clean(_messages(new), self.path)
        return {**self.data.messages, **{text: Made.model_validate(one) for text, one in made.items()}}

    def _search_again(self) -> None:
        """Search what is written where another secret is known by now, which may stand in it."""
        known = credentials.resolved()
        if known == self._known:
            return
        self._known = known
        written = self.data.model_dump()
        kept = {text: made for text, made in written["messages"].items() if masked(text) == text}
        self.data = RecordData.model_validate(_clean({**written, "messages": kept}, self.path))

    def _replace(self, data: RecordData) -> None:
        if self.data.ended_at:
            self._keep_sealed()
        self.data = data
        self._write()

    def _keep_sealed(self) -> None:
        """A cell that is run again adds to a record that had ended: where a seal has that, it stays beside it."""
        run = self.path.parents[1]
        sealed = self.path.relative_to(run).as_posix()
        try:
            listed, _ = seal.read_sums(run / seal.SUMS)
        except ValueError:  # not sealed; or not as a seal is, which the next one refuses
            return
        if listed.get(sealed) == self.sha256:
            files.keep_aside(self.path)

    def _write(self) -> None:
        files.write_atomically(self.path, model.to_bytes(self.data))


def _kept(fact: str) -> str:
    """A fact as the record has it: of a very long one the ends, its length and its digest."""
    return fact if len(fact) <= _FACT_CHARACTERS_MAX else excerpt(fact.encode("utf-8", "surrogatepass"))


def _messages(fields: Mapping[str, object]) -> dict[str, object]:
    """How each message among what is written was made, by its text as the record has it.

    One whose text is another once secrets are masked is left out: people read it in English then.
    """
    found = {str(one): one for one in _among(fields)}
    return {text: Made.of(one).model_dump() for text, one in found.items() if masked(text) == text}


def _among(value: object) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _among(key)
            yield from _among(one)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        for one in value:
            yield from _among(one)


def _clean(fields: Mapping[str, object], path: Path) -> dict[str, Any]:
    """The fields without secrets.

    Raises: RecordError when masking left one.
    """
    clean = masked(fields)
    refuse_secrets(
        clean, str(path), "keep the secret out of what is shown: files that hold one are compared by digest"
    )
    return cast(dict[str, Any], clean)
