"""Targets: records, their manifests, and the notebooks that are added to them."""

import json
import re
from typing import Any

import tampering
from hostile import ACTS, Target, check_texts
from hostile_host import folder, written
from hostile_inputs import bent, encoded, mostly, words
from hypothesis import strategies as st

from runbook_lib.records import attachment, index, manifest, model, pages, verification


def take_record(content: bytes) -> bool:
    """A record and its page: whatever stands in it is text there."""
    path = written("20261101T000000Z-0000/mail1/00-preparation.json", content)
    model.read(path)
    run = index.read_run(path.parents[1])
    check_texts((run.headline(), *(command for _, command in run.next_commands())))
    for page in (pages.index_page(run), *(pages.chapter_page(entry, run) for entry in run.entries)):
        assert "<img" not in page
        assert "<script" not in page
        assert not ACTS.search(page)
    return True


def take_manifest(content: bytes) -> bool:
    """A run's manifest, compared with a folder that has one file."""
    run = folder() / "20261102T000000Z-0000"
    written(f"{run.name}/mail1/x.json", b"{}\n")
    written(f"{run.name}/{manifest.NAME}", content)
    found = verification.check(run)
    check_texts([found.report()])
    assert not found.holds or found.unchanged == ("mail1/x.json",)
    return found.holds


def take_notebook(content: bytes) -> bool:
    """An executed notebook that a person adds to a record: what it ran with is literal, and no code of it is run."""
    path = written("12-signing.ipynb", content)
    notebook = attachment.read_notebook(path)
    values = attachment.parameters(notebook, path)
    assert all(type(value) in _LITERALS for value in values.values())
    check_texts((*values, *map(str, values.values()), attachment.chapter_of(path, notebook)))
    return bool(values)


_site: list[tampering.Site] = []  # made once a process


def take_tampering(content: bytes) -> bool:
    """Records that somebody altered, as these bytes say, are found to be so; unaltered ones are not."""
    if not _site:
        _site.append(tampering.make(folder() / "site"))
    is_told, what = tampering.tried(_site[0], content, folder() / "altered")
    assert is_told, what
    return not content


_LITERALS = (str, bytes, bool, int, float, complex, type(None), type(...))

_row = st.fixed_dictionaries(
    {
        "claim": words, "port": st.one_of(st.none(), st.integers()), "address": words, "client": words,
        "verdict": st.sampled_from(("pass", "fail", "maybe")), "seen": words, "command": words,
    }
)  # fmt: skip
_change = st.fixed_dictionaries({"title": words, "kind": words, "diff": words, "commands": words})
_steps = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.just("plan"), "title": words, "digest": words, "changes": st.lists(_change, max_size=2)}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("verify"), "claim": words, "rows": st.lists(_row, max_size=2), "verdict": st.just("pass")}
    ),
    st.fixed_dictionaries({"kind": st.sampled_from(("note", "x")), "text": words}),
)  # fmt: skip
_times = mostly("2026-11-01T00:00:00+00:00", st.one_of(st.just("2026-11-01T00:00:00"), words))
_record = st.fixed_dictionaries(
    {
        "run": words, "host": words, "chapter": words, "title": words, "mode": st.sampled_from(("plan", "apply")),
        "reason": words, "operator": words, "lab": st.booleans(), "started_at": _times,
        "library": words, "commit": st.one_of(st.none(), words), "clean_tree": st.just(True),
        "inventory_sha256": words, "facts": st.dictionaries(words, words, max_size=2),
        "steps": st.lists(_steps, max_size=3), "outcome": st.sampled_from(("passed", "failed", "running", "x")),
    },
    optional={
        "ended_at": _times, "summary": words, "undo": words, "format": st.sampled_from((1, 2, "1")),
        "error": st.fixed_dictionaries({"type": words, "message": words}),
    },
)  # fmt: skip
_file = st.fixed_dictionaries(
    {"path": st.one_of(st.sampled_from(("mail1/x.json", "../../etc/passwd", "/etc/passwd", "")), words),
     "sha256": st.one_of(st.just("ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"), words),
     "size_bytes": st.sampled_from((3, 3, 4, -1))}
)  # fmt: skip
_source = st.one_of(
    st.sampled_from(
        ('host = "mail1"', "mode = open('x')", f"x = {'-' * 9999}1", "%magic", "a: int = 1", "\0")
    ),
    words,
)
_cell = st.fixed_dictionaries(
    {
        "cell_type": st.just("code"), "execution_count": st.none(), "outputs": st.just([]), "source": _source,
        "metadata": st.one_of(
            st.builds(lambda tag: {"tags": [tag]}, st.sampled_from(("parameters", "injected-parameters", "x"))),
            st.sampled_from(({}, {"tags": 5}, {"tags": "parameters"})),
        ),
    }
)  # fmt: skip
_notebook = st.fixed_dictionaries(
    {
        "nbformat": mostly("4", st.sampled_from(("3", "5", '"4"'))).map(json.loads), "nbformat_minor": st.just(4),
        "metadata": st.sampled_from(({}, {}, {"papermill": {"input_path": "a/12-signing.ipynb"}}, {"papermill": 5})),
        "cells": st.lists(_cell, max_size=3),
    }
)  # fmt: skip
_manifest = st.fixed_dictionaries(
    {
        "run": words, "made_at": words, "started_at": words, "ended_at": words, "operator": words, "reason": words,
        "library": words, "commit": words, "clean_tree": st.just(None), "inventory_sha256": words, "lock_sha256": words,
        "files": st.lists(_file, max_size=2),
    }
)  # fmt: skip


# A lone surrogate, which no JSON that is UTF-8 has, would hide everything behind it.
_LONE = re.compile(r"\\ud[89a-f][0-9a-f]{2}")


def _as_json(documents: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    texts = documents.map(lambda document: encoded(_LONE.sub("?", json.dumps(document))))
    return st.one_of(texts, texts, texts, bent(texts))


TARGETS = (
    Target("record", take_record, _as_json(_record)),
    Target("notebook", take_notebook, _as_json(_notebook)),
    Target("manifest", take_manifest, _as_json(_manifest)),
    Target("tampering", take_tampering, st.one_of(st.just(b""), st.binary(min_size=4, max_size=16))),
)
