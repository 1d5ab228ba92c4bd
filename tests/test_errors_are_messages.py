"""What an error says is a message: a notebook shows it in its own language; logs and the command line are English."""

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib import errors, inventory
from runbook_lib.chapters import parameters
from runbook_lib.errors import (
    ApplyRefused,
    CsrRefused,
    InventoryError,
    RunbookError,
    StepInterrupted,
    UsageError,
)
from runbook_lib.messages import Message, message
from runbook_lib.messages.speech import speaking
from runbook_lib.pki.csr import check_csr

LIBRARY = Path(__file__).parents[1] / "runbook_lib"
# What a chapter's reader can meet. The command line and batch are read in English.
PACKAGES = (
    "chapters",
    "mail",
    "remote",
    "site_ca",
    "families",
    "x509",
    "clients",
    "inventory",
    "credentials",
    "pki",
    "records",
    "afterwards",
)
ERRORS = {
    name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, RunbookError)
}


def unknown_parameter() -> UsageError:
    with pytest.raises(UsageError) as raised:
        parameters.check({"hots": "mail1"}, frozenset({"host"}), "20-postfix-debian")
    return raised.value


def test_a_notebook_shows_an_error_in_its_language_and_all_else_is_english() -> None:
    error = unknown_parameter()
    english = (
        "20-postfix-debian: unknown parameter: hots (known: host)\n  Nothing was changed.\n"
        "  To do: check its spelling against the notebook's parameters cell"
    )
    assert error._render_traceback_() == [f"UsageError: {english}"]
    with speaking("ja"):
        assert error._render_traceback_() == [
            "UsageError: 20-postfix-debian：不明なパラメータです：hots（使えるもの：host）\n"
            "  何も変更していません。\n"
            "  対処：ノートブックのパラメータのセルと見比べて、つづりを確かめてください。"
        ]
        assert str(error) == english
        assert type(str(error)) is str


def test_an_error_without_a_word_on_what_was_changed_says_none() -> None:
    error = ApplyRefused("it is so", "mail1", "do that", "")
    assert str(error) == "mail1: it is so\n  To do: do that"
    with speaking("ja"):
        assert error._render_traceback_() == ["ApplyRefused: mail1：it is so\n  対処：do that"]


def test_all_that_is_wrong_with_an_inventory_is_told_in_the_language_of_the_notebook(tmp_path: Path) -> None:
    """Sentences of our own validators, of the schema, and of the file as YAML, each in the list that is the error."""
    wrong = (
        b"site: {name: A, domain: a_b, ca: {passphrase: 'env:P'}}\n"
        b"hosts:\n  a: {address: a.test, port: '22', prot: 1}\n"
    )
    with pytest.raises(InventoryError) as raised:
        inventory.parse(tmp_path / "site.yaml", wrong)
    english = str(raised.value)
    with speaking("ja"):
        (told,) = raised.value._render_traceback_()
    assert str(raised.value) == english
    for line in (
        "site.domain に、ホスト名には使えないアンダースコアがあります。使えるのは英数字とハイフンです。",
        "hosts.a.port の値：'22'（テキスト）。指定できる値：1から65535までの整数（SSHのポート。",
        "省略すると~/.ssh/configのもの、なければ22）。引用符なしで22と書いてください。",
        "hosts.a.prot という項目はありません。portの誤りではありませんか。",
        "  対処：ファイルを修正し、同じコマンドをもう一度実行してください。",
    ):
        assert line in told
    assert not [word for word in ("expected", "is missing", "is not", "without it") if word in told]


def test_what_speaks_against_a_csr_is_told_in_the_language_of_the_notebook() -> None:
    with pytest.raises(CsrRefused) as raised:
        check_csr(b"-----BEGIN CERTIFICATE REQUEST-----\n" * 2, ["mail.example.jp"], "mail1, csr.pem")
    with speaking("ja"):
        (told,) = raised.value._render_traceback_()
    assert told == (
        "CsrRefused: mail1, csr.pem：2件の理由で受け付けません：\n"
        "  - 2行目：ブロックが始まっていますが、1行目からのブロックにENDの行がありません\n"
        "  - 2行目：ブロックに-----END CERTIFICATE REQUEST-----の行がありません\n"
        "  署名はしていません。発行の記録も変わっていません。\n"
        "  対処：1-1章でCSRを作り直し、そのファイルをそのまま持ち帰ってください。"
    )


def test_an_interruption_is_told_in_the_language_of_the_notebook() -> None:
    told = StepInterrupted(
        message("{host}: no change was being made. To do: run the notebook again from the top.", host="mail1")
    )
    english = "mail1: no change was being made. To do: run the notebook again from the top."
    assert (str(told), told._render_traceback_()) == (english, [f"StepInterrupted: {english}"])
    with speaking("ja"):
        assert told._render_traceback_() == [
            "StepInterrupted: mail1：変更の途中ではありませんでした。対処：ノートブックを最初から実行し直してください。"
        ]


def test_an_error_comes_out_of_a_worker_as_it_was() -> None:
    error = unknown_parameter()
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again)) == (UsageError, str(error))
    assert isinstance(again.problem, Message)
    with speaking("ja"):
        assert again._render_traceback_() == error._render_traceback_()


def test_what_acts_on_a_terminal_is_spelled_out_in_each_language() -> None:
    error = ApplyRefused("a name\x1b[31m", "mail1", "do that")
    with speaking("ja"):
        assert "\x1b" not in error._render_traceback_()[0]
        assert "\\x1b" in error._render_traceback_()[0]


def sentences_that_are_no_message(source: str) -> Iterator[int]:
    """Lines on which an error is made of a sentence that no catalogue could have."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for said in (*node.args[:1], *node.args[2:]) if name in ERRORS else ():
            parts = [one.value for one in ast.walk(said) if isinstance(one, ast.Constant)]
            is_plain = isinstance(said, ast.Constant | ast.JoinedStr | ast.BinOp)
            if is_plain and any(isinstance(one, str) and any(map(str.isalpha, one)) for one in parts):
                yield said.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_of_a_package_is_made_of_messages(package: str) -> None:
    files = sorted((LIBRARY / package).rglob("*.py"))
    found = [
        f"{path.name}:{line}" for path in files for line in sentences_that_are_no_message(path.read_text())
    ]
    assert (found, len(files) > 2) == ([], True)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('raise UsageError("it is so", "here", message("do that"))', [1]),
        ('raise UsageError(message("it is so"), f"{here}", f"do {that}")', [1]),
        ('raise UsageError(message("it is so"), "here", message("do that"))', []),
        ('raise UsageError(f"{one}", "here", remedy)', []),
        ('raise ValueError("it is so")', []),
    ],
)
def test_one_that_is_not_would_be_found(source: str, lines: list[int]) -> None:
    assert list(sentences_that_are_no_message(source)) == lines
