"""Users get a page for each client, the CA's file, and Thunderbird's own file where there is a server to fetch from."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from clients_samples import NAMES, settings

from runbook_lib import inventory
from runbook_lib.chapters.client import one_alone_is_served
from runbook_lib.clients import files_for_users

XML = "config-v1.1.xml"


@pytest.mark.parametrize(
    ("clients", "pop_name", "has_xml"),
    [
        (["thunderbird"], NAMES[1], True),
        (["thunderbird"], None, False),  # without a server to fetch from Thunderbird takes no such file
        (["windows-live-mail"], NAMES[1], False),
        (["windows-live-mail", "thunderbird"], NAMES[1], True),
        ([], NAMES[1], False),
    ],
)
def test_thunderbirds_file_is_for_thunderbird_with_a_server_to_fetch_from(
    clients: Sequence[str], pop_name: str | None, has_xml: bool
) -> None:
    files = files_for_users(settings(pop_name=pop_name), clients)
    assert (XML in files) == has_xml
    assert {name for name in files if name.endswith(".html")} == {f"{client}.html" for client in clients}


@pytest.mark.parametrize(
    ("of_the_other", "is_told"),
    [
        ("names: {smtp: mail2.example.jp, pop: pop2.example.jp}, clients: [thunderbird]", True),
        ("names: {smtp: mail2.example.jp}, clients: [thunderbird]", False),
        ("names: {smtp: mail2.example.jp, pop: pop2.example.jp}, clients: [windows-live-mail]", False),
        ("", False),
    ],
)
def test_of_several_files_for_one_domain_one_alone_is_served(
    of_the_other: str, is_told: bool, tmp_path: Path
) -> None:
    """Programs ask autoconfig.DOMAIN, and know of no second server."""
    one = "{address: 192.0.2.%d, user: kanri, certificate: {key_passphrase: 'env:KEY'}, %s}"
    first = one % (1, "names: {smtp: mail1.example.jp, pop: pop1.example.jp}, clients: [thunderbird]")
    other = f"\n  mail2: {one % (2, of_the_other)}" if of_the_other else ""
    path = tmp_path / "site.yaml"
    path.write_text(
        "site: {name: E, domain: example.jp, ca: {passphrase: 'env:CA'}}\n"
        f"hosts:\n  mail1: {first}{other}\n"
    )
    book = inventory.load(path)
    told = one_alone_is_served(book, book.hosts["mail1"])
    assert bool(told) is is_told
    if is_told:
        assert "is made for mail2, too, and one alone can be served: autoconfig.example.jp" in told
        assert "This one names mail1.example.jp and pop1.example.jp." in told
