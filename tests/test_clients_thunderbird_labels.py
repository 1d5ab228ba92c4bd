"""What the page calls a menu, a field or a message is what the installed Thunderbird calls it."""

import functools
import re
import zipfile

import pytest
from clients_samples import NAMES, settings

from runbook_lib.clients import CLIENTS

ARCHIVE = "/usr/lib/thunderbird/omni.ja"
_PLACE = re.compile(r"%(?:\d\$)?[Ss]")


@functools.cache
def words_of_thunderbird() -> str:
    """Every English word that Thunderbird shows, places for names made alike."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        texts = [
            archive.read(name).decode(errors="replace")
            for name in archive.namelist()
            if "en-US" in name and name.endswith((".ftl", ".dtd", ".properties"))
        ]
    return _PLACE.sub("…", "\n".join(texts)).replace("’", "'")


def guide_words() -> str:
    guide = CLIENTS["thunderbird"](settings())
    parts = (guide.values_shown(), guide.trust_shown(), guide.steps_shown(), guide.troubles_shown())
    return " ".join(" ".join(part.text() for part in parts).split())


@pytest.mark.parametrize(
    "label",
    [
        "Tools",
        "Account Settings",
        "Outgoing Server",
        "Edit…",
        "Add…",
        "Server Name",
        "Port",
        "Connection security",
        "Authentication method",
        "Normal password",
        "User Name",
        "STARTTLS",
        "SSL/TLS",
        "Security and Authentication",
        "Settings",
        "Privacy & Security",
        "Manage Certificates…",
        "Authorities",
        "Import…",
        "Trust this CA to identify websites.",
        "Peer's Certificate issuer is not recognized.",
        "The configuration related to … must be corrected.",
        "Add Security Exception",
        "Login to server … with username … failed.",
        "The message could not be sent because the connection to Outgoing server (SMTP) … timed out.",
        "Cannot communicate securely with peer: no common encryption algorithm(s).",
    ],
)
def test_label_is_on_the_page_and_in_the_program(label: str) -> None:
    assert label in guide_words().replace(NAMES[0], "…")
    assert label in words_of_thunderbird()
