"""On a real host: markup, controls and bidirectional characters in its settings stay text everywhere."""

import base64
import json
import os
import subprocess
from pathlib import Path

import hostile_inputs as inputs
from hostile import ACTS
from hostile_host import said_by
from hostile_mail import answered, host
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lab import Lab
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.configuration.postconf import folded, line
from runbook_lib.mail.reading import read_mail

BIN = Path(__file__).parents[1] / ".venv" / "bin"
# In a value that chapter 2 must show, since it writes this entry; and in one that it must name, since it reads it.
HOSTILE = (
    r"smtpd_tls_security_level = <img src=x onerror=alert(1)>\033[2J\033]0;owned\007\n"
    r"smtpd_sasl_local_domain = \342\200\256gpj.exe\342\200\213\302\2331m\n"
)


def test_a_hostile_main_cf_is_text_on_the_terminal_in_the_notebook_and_on_the_page(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset("debian12", "fresh")
    lab.exec("debian12", f"printf '%b' '{HOSTILE}' >> /etc/postfix/main.cf")
    options = ("--inventory", "lab", "--host", "debian12", "--only", "20-postfix-debian")
    command = [str(BIN / "runbook"), "plan", *options]
    environment = os.environ | {"RUNBOOK_RECORDS": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=300)
    terminal = (done.stdout + done.stderr).decode()
    assert "Traceback" not in terminal
    assert not ACTS.search(terminal), ascii(terminal)
    pages = {path.name: path.read_text() for path in tmp_path.rglob("*.html")}
    assert any("&lt;img src=x onerror=alert(1)&gt;\\x1b[2J" in page for page in pages.values()), list(pages)
    assert any("\\u202egpj.exe\\u200b" in page for page in pages.values())
    for name, page in pages.items():
        assert "<img src=x" not in page, name
        assert not ACTS.search(page), name
    (notebook,) = tmp_path.rglob("*.ipynb")
    outputs = [out for cell in json.loads(notebook.read_text())["cells"] for out in cell.get("outputs", [])]
    shown = ["".join(text) for out in outputs for text in out.get("data", {}).values()]
    assert any("onerror=alert(1)" in text for text in shown)
    assert not any(ACTS.search(text) for text in shown)


def _main_cfs(count: int) -> list[bytes]:
    """The same nearly right files at each run: entries, continued lines, comments, braces, what is no entry at all."""
    found: list[bytes] = []
    broken = st.sampled_from(("\n", "\n  ", "\n\t", "\n# a = b\n", "\r\n"))

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.builds(lambda one, between, two: f"{one}{between}{two}\n", inputs.main_cf, broken, inputs.main_cf)
    )
    def collect(text: str) -> None:
        # Bytes that are not UTF-8 are shown by their escapes; a change of such an entry ends at its guard.
        found.append(text.replace("\0", "").replace("\x1e", "").encode(errors="replace"))

    collect()
    return found


def _asked_of_postfix(lab: Lab, files: list[bytes]) -> list[bytes | None]:
    """What the real `postconf -n` makes of each; None where it refuses the file. One command for all of them."""
    script = ["cd $(mktemp -d); : > master.cf"]
    for content in files:
        # Postfix waits where main.cf is newer than two seconds.
        script.append(
            f"echo '{base64.b64encode(content).decode()}' | base64 -d > main.cf; touch -d '1 hour ago' main.cf"
        )
        script.append(
            "if postconf -c . -n > out 2>/dev/null; then base64 -w0 out; else printf refused; fi; echo"
        )
    said = lab.exec("debian12", "\n".join(script), timeout_s=240).decode().split("\n")[: len(files)]
    return [None if one == "refused" else base64.b64decode(one) for one in said]


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_what_is_read_of_main_cf_means_the_same_to_postfix(lab: Lab) -> None:
    """Read as a chapter reads it, and written back as a chapter writes it, a main.cf is the same to Postfix."""
    lab.reset("debian12", "fresh")
    # postconf spells what it takes for unprintable as '?', byte by byte: what is no UTF-8 any more is another main.cf.
    first = [said for said in _asked_of_postfix(lab, _main_cfs(60)) if said is not None and _is_utf8(said)]
    again = []
    for said in first:
        state = read_mail(said_by(answered(said)), host()[1], DEBIAN, DEBIAN.releases["12"])
        text = "".join(f"{line(name, value)}\n" for name, value in state.main_cf.items())
        again.append(inputs.encoded(text))
    assert len(set(first)) >= 6
    assert _asked_of_postfix(lab, again) == first


def test_a_blank_of_unicode_is_part_of_a_value_as_it_is_to_postfix() -> None:
    assert line("relayhost", "[a]:25 \u2028") == "relayhost = [a]:25 \u2028"
    assert line("relayhost", "") == "relayhost ="
    assert folded("smtp\tinet  n -\u3000- -\u00a0- smtpd") == "smtp inet n -\u3000- -\u00a0- smtpd"
