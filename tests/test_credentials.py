"""Secrets come from where a reference says, or not at all with a reason, and never into a text."""

import base64
import html
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from pydantic import TypeAdapter, ValidationError

from runbook_lib import credentials
from runbook_lib.credentials import LOGIN_PASSWORD_MAX_BYTES, SecretRef, resolve
from runbook_lib.errors import SecretUnavailable, SecretUnusable

HARD = """a "b' \\c&d;$e %f!<ü€"""


def keep(folder: Path, content: bytes, mode: int = 0o600) -> str:
    """A reference to a file with this content."""
    path = folder / "secret file"
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


def refusal(reference: str, **options: int) -> SecretUnavailable:
    """The error that resolving raises; it names who asked and the reference."""
    with pytest.raises(SecretUnavailable) as refused:
        resolve(reference, "mail1, sudo.password", **options)
    assert refused.value.exit_code == 2
    assert refused.value.where == f"mail1, sudo.password ({reference})"
    return refused.value


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"horse-a", "horse-a"),
        (b"horse-b\n", "horse-b"),
        (b"horse-c\r\n", "horse-c"),
        (b" horse d \n", " horse d "),
        (b"horse-e\t", "horse-e\t"),
        (b"\xef\xbb\xbfhorse-f\r\n", "horse-f"),
        (HARD.encode() + b"\n", HARD),
    ],
)
def test_exactly_one_line_end_of_a_file_is_cut(tmp_path: Path, content: bytes, secret: str) -> None:
    """Editors and echo add one; blanks belong to the secret."""
    assert resolve(keep(tmp_path, content), "lab").reveal() == secret


@pytest.mark.parametrize("content", [b"horse\n\n", b"horse\nmore", b"horse\r", b"ho\0rse"])
def test_a_second_line_is_refused_and_not_cut(tmp_path: Path, content: bytes) -> None:
    """A file with more than a password in it is a mistake, whatever its first line is."""
    assert "a second is not" in refusal(keep(tmp_path, content)).problem


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """As ssh does with a private key; the mode is said, and the command that mends it works."""
    reference = keep(tmp_path, b"horse-mode", mode)
    refused = refusal(reference)
    assert f"{mode:04o}, expected 0600" in refused.problem
    subprocess.run(["sh", "-c", refused.remedy], check=True)
    assert resolve(reference, "lab").reveal() == "horse-mode"


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Whoever owns the file could change the secret under us."""
    reference = keep(tmp_path, b"horse-owner")
    os.chown(reference.removeprefix("file:"), 65534, 65534)
    assert "belongs to another user (uid 65534" in refusal(reference).problem


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """Nothing there, a folder, a FIFO that would never answer: each is said at once."""
    assert "No such file" in refusal(f"file:{tmp_path}/none").problem
    assert "not a regular file" in refusal(f"file:{tmp_path}").problem
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in refusal(f"file:{tmp_path}/fifo").problem


def test_a_file_of_a_units_credentials_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd's LoadCredential= names its folder in a variable."""
    keep(tmp_path, b"horse-unit")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert resolve("file:${CREDENTIALS_DIRECTORY}/secret file", "timer").reveal() == "horse-unit"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert "variable that is not set" in refusal("file:${CREDENTIALS_DIRECTORY}/secret file").problem


def test_a_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value as it is, a line end excepted by refusal; not set, and empty, are said."""
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", HARD)
    assert resolve("env:RUNBOOK_TEST_SECRET", "lab").reveal() == HARD
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", "\ufeffhorse-marked")
    assert resolve("env:RUNBOOK_TEST_SECRET", "lab").reveal() == "horse-marked"
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", "")
    assert "is empty" in refusal("env:RUNBOOK_TEST_SECRET").problem
    monkeypatch.delenv("RUNBOOK_TEST_SECRET")
    assert "RUNBOOK_TEST_SECRET is not set" in refusal("env:RUNBOOK_TEST_SECRET").problem


def test_a_secret_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Guessing a charset would make a right password a wrong one."""
    assert "not UTF-8: its byte 3 does" in refusal(keep(tmp_path, "Abü".encode("latin-1"))).problem


def test_a_login_password_that_saslauthd_would_cut_is_refused(tmp_path: Path) -> None:
    """Limit and length are in bytes, and it is not called a wrong password."""
    longest = "ü" * 127 + "x"
    assert (
        resolve(keep(tmp_path, longest.encode()), "lab", max_bytes=LOGIN_PASSWORD_MAX_BYTES).reveal()
        == longest
    )
    one_more = keep(tmp_path, ("ü" * 128).encode())
    assert "256 bytes long" in refusal(one_more, max_bytes=LOGIN_PASSWORD_MAX_BYTES).problem
    reference = keep(tmp_path, b"p" * 300)
    assert (
        "300 bytes long; at most 255 bytes" in refusal(reference, max_bytes=LOGIN_PASSWORD_MAX_BYTES).problem
    )
    assert resolve(reference, "CA passphrase").reveal() == "p" * 300


@pytest.mark.parametrize("content", [b"x", b"ab\n", b"abc", "ü".encode(), b"   "])
def test_a_secret_that_is_too_short_to_be_masked_is_refused(tmp_path: Path, content: bytes) -> None:
    """Masked, it would take its letters out of every line; not masked, it would stand in them."""
    refused = refusal(keep(tmp_path, content))
    assert isinstance(refused, SecretUnusable)
    assert "fewer than 4 bytes" in refused.problem
    text = "smtpd_tls_security_level = may; abc, x, ü"
    assert credentials.mask(text) == text


def test_a_secret_by_command() -> None:
    """Run without a shell, with the arguments as quoted, one line end cut."""
    assert resolve("cmd:printf '%s\\n' 'horse of $HOME'", "lab").reveal() == "horse of $HOME"


def test_a_command_that_fails_is_refused_without_its_output() -> None:
    """What a failing command has printed may be the secret."""
    refused = refusal("cmd:sh -c 'echo horse-$((40+2)); echo horse-$((40+2)) >&2; exit 3'")
    assert "status 3" in refused.problem
    assert "horse-42" not in str(refused)
    assert "cannot be started: No such file" in refusal("cmd:no-such-program-here x").problem


def test_a_command_has_a_deadline() -> None:
    """One that waits is ended with all its children, and nobody waits for what holds its output open."""
    mark = f"61.{os.getpid()}"
    before = time.monotonic()
    with pytest.raises(SecretUnavailable, match=r"did not end within 0.3 s"):
        resolve(f"cmd:sh -c 'sleep {mark} & setsid sleep 20 & wait'", "lab", command_timeout_s=0.3)
    assert time.monotonic() - before < 15
    assert (
        mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    )


def in_python(script: str, stdin: str = "", **environment: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_command_does_not_read_what_a_person_types() -> None:
    """Its input is empty, so that it neither waits for an answer nor takes one meant for us."""
    said = in_python(
        "from runbook_lib.credentials import resolve; resolve('cmd:cat', 'mail1')", stdin="horse-typed"
    )
    assert "the secret is empty" in said


ASK_KEYRING = "from runbook_lib.credentials import resolve; resolve('keyring:mail/kanri', 'mail1')"


def test_a_machine_without_a_keyring_is_told_what_else_there_is() -> None:
    """A server has no D-Bus; the own message of keyring proposes a backend that keeps secrets in clear."""
    said = in_python(ASK_KEYRING, PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    assert "SecretUnavailable: mail1 (keyring:mail/kanri): this machine has no keyring" in said
    assert "use file: or env: here" in said
    assert "keyrings.alt" not in said


def test_a_keyring_without_the_entry_says_how_to_make_it() -> None:
    """The command in the message is the one that stores the secret."""
    said = in_python(ASK_KEYRING, PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring")
    assert "no entry for service 'mail' and user 'kanri'" in said
    assert "To do: keyring set mail kanri" in said


def test_without_the_package_keyring_the_extra_is_named() -> None:
    """keyring is an extra: most sites use files."""
    said = in_python(f"import sys; sys.modules['keyring'] = None; {ASK_KEYRING}")
    assert "pip install 'runbook-lib[keyring]'" in said


def test_a_keyring_that_has_the_entry_gives_it(tmp_path: Path) -> None:
    """Through keyring's own interface, with a backend of a few lines."""
    (tmp_path / "one_entry.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, username):\n"
        "        return 'horse-' + service + '-' + username\n"
        "    def set_password(self, service, username, password): ...\n"
        "    def delete_password(self, service, username): ...\n"
    )
    script = f"{ASK_KEYRING.replace('resolve(', 'print(resolve(')}.reveal())"
    said = in_python(script, PYTHON_KEYRING_BACKEND="one_entry.Keyring", PYTHONPATH=str(tmp_path))
    assert said == "horse-mail-kanri\n"


def test_a_secret_shows_itself_only_when_asked(tmp_path: Path) -> None:
    """Not in a repr, a format or a container, not by pickling, not among its attributes."""
    secret = resolve(keep(tmp_path, b"horse-shown"), "lab")
    assert {str(secret), repr(secret), f"{secret}", f"{secret:>3}", "%s" % secret} == {"***"}  # noqa: UP031
    assert repr([secret]) == "[***]"
    with pytest.raises(TypeError, match="does not leave the process"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "JSON": lambda secret: json.dumps({"value": secret}),
    "JSON with letters": lambda secret: json.dumps({"value": secret}, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "Python": lambda secret: repr({"value": secret}),
    "HTML": html.escape,
    "HTML text": lambda secret: html.escape(secret, quote=False),
    "sh": shlex.quote,
    "URL": lambda secret: quote(secret, safe=""),
    "URL path": quote,
    "form": quote_plus,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "URL-safe base64": lambda secret: base64.urlsafe_b64encode(b"\0u\0" + secret.encode()).decode(),
    **{
        f"AUTH PLAIN of a user of {len(user)}": lambda secret, user=user: base64.b64encode(  # type: ignore[misc]
            f"\0{user}\0{secret}".encode()
        ).decode()
        for user in ("u", "us", "use", "kensa")
    },
    "hex": lambda secret: secret.encode().hex(),
    "hex in capitals": lambda secret: secret.encode().hex(":").upper(),
    "hex of Python": lambda secret: "".join(f"\\x{byte:02x}" for byte in secret.encode()),
    "base64 of UTF-16": lambda secret: base64.b64encode(secret.encode("utf-16-le")).decode(),
    "hex of UTF-16": lambda secret: secret.encode("utf-16-le").hex(),
    "base32": lambda secret: base64.b32encode(secret.encode()).decode(),
    "bytes of Python": lambda secret: repr(secret.encode()),
    "what is not ASCII as \\x": lambda secret: secret.encode().decode("ascii", "backslashreplace"),
    "octal": lambda secret: "".join(f"\\{byte:03o}" for byte in secret.encode()),
    "octal as sudo writes it": lambda secret: "".join(
        chr(byte) if 32 <= byte < 127 else f"#{byte:03o}" for byte in secret.encode()
    ),
    "cat -v": lambda secret: subprocess.run(
        ["cat", "-v"], input=secret.encode(), capture_output=True, check=True
    ).stdout.decode(),
    "a list of numbers": lambda secret: str(list(secret.encode())),
    "letters and digits as they are": lambda secret: "".join(
        character
        if character.isascii() and character.isalnum()
        else quote(character, safe="").replace("-", "%2D")
        for character in secret
    ),
    "references of HTML": lambda secret: "".join(f"&#{ord(character)};" for character in secret),
    "references of HTML in hex": lambda secret: "".join(f"&#x{ord(character):x};" for character in secret),
    "each letter escaped": lambda secret: "".join(f"\\u{ord(character):04x}" for character in secret),
    "a regular expression": re.escape,
    "decomposed": lambda secret: unicodedata.normalize("NFD", secret),
    "AUTH PLAIN with an authorization name": lambda secret: base64.b64encode(
        f"kensa\0kensa\0{secret}".encode()
    ).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [HARD, "horse battery", "Kä5e", "q7#Z", "x" * 200 + "/+?"])
def test_a_secret_is_masked_in_every_form(secret: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it travels, what is left is *** and nothing of the secret."""
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", secret)
    resolve("env:RUNBOOK_TEST_SECRET", "lab")
    written = FORMS[form](secret)
    masked = credentials.mask(f"before {written} after")
    assert written not in masked
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    if "PLAIN" in form or "base64" in form:
        assert all(part not in masked for part in (written[-12:-4], written[-4:]))


LOOSE: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "base64 in lines": lambda secret: base64.encodebytes(b"\0u\0" + secret.encode() * 4).decode(),
    "base64 in lines of a diff": lambda secret: (
        "+" + "\n+".join(re.findall(".{1,10}", base64.b64encode(secret.encode()).decode()))
    ),
    "a soft line break": lambda secret: secret[:5] + "=\n" + secret[5:],
    "a terminal's colours": lambda secret: f"{secret[:4]}\x1b[31;1m{secret[4:]}\x1b[0m",
    "a terminal's colours, spelled out": lambda secret: f"{secret[:4]}\\x1b[31m{secret[4:]}",
    "blanks between letters": " ".join,
    "halves on two lines": lambda secret: secret[:6] + "\n" + secret[6:],
}


@pytest.mark.parametrize("form", LOOSE)
@pytest.mark.parametrize("secret", [HARD, "horse-battery", "Kä5e+/staple"])
def test_a_secret_is_masked_with_something_inside(
    secret: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end, a colour or another case leave a secret readable."""
    monkeypatch.setenv("RUNBOOK_TEST_SECRET", secret)
    resolve("env:RUNBOOK_TEST_SECRET", "lab")
    masked = credentials.mask(f"before {LOOSE[form](secret)} after")
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert len(masked) < len("before *** after") + 8  # what stands around a core


def test_the_mask_leaves_other_texts_alone(tmp_path: Path) -> None:
    """Only secrets go."""
    resolve(keep(tmp_path, b"horse-other"), "lab")
    text = "smtpd_tls_security_level = may\nAUTH PLAIN LOGIN\n" + base64.b64encode(b"\0kensa\0pony").decode()
    assert credentials.mask(text) == text


def test_secrets_that_overlap_leave_nothing_of_either(tmp_path: Path) -> None:
    """The text of one may hold the begin of another, or itself again."""
    for content in (b"stall-mare", b"mare-foal", b"neighneigh"):
        resolve(keep(tmp_path, content), "lab")
    assert credentials.mask("a stall-mare-foal b") == "a *** b"
    assert credentials.mask("a stall-maremare-foal b") == "a ****** b"
    assert credentials.mask("neighneighneigh") == "***"


def test_every_resolved_secret_is_known_for_the_scan_of_a_record(tmp_path: Path) -> None:
    """A record is scanned for all of them before it is written."""
    secret = resolve(keep(tmp_path, b"horse-known"), "lab")
    assert [known for known in credentials.resolved() if known.reveal() == "horse-known"] == [secret]
    assert resolve(keep(tmp_path, b"horse-known"), "lab") is secret


@pytest.mark.parametrize("value", ["env:A", "file:~/a", "keyring:a/b", "cmd:pass show 'a b'"])
def test_a_reference_is_taken_as_it_is(value: str) -> None:
    """What is right is not altered."""
    assert TypeAdapter(SecretRef).validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    ["horse", "horse:battery", "env:", "env:A B", "file:", "file:folder/", "keyring:a", "cmd: ", "ENV:A"],
)
def test_what_is_no_reference_is_refused(value: str) -> None:
    """The table of references is the whole of it."""
    with pytest.raises(ValidationError, match="expected"):
        TypeAdapter(SecretRef).validate_python(value)
