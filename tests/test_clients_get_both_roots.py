"""While one root takes another's place, users' pages and files have both."""

from pathlib import Path

import pki_samples
import pytest
from clients_samples import settings

from runbook_lib.clients import CLIENTS, CaFile, ClientSettings, files_for_users, render_page
from runbook_lib.pki.authority import begin_roll_over, read_roots


@pytest.fixture
def in_between(tmp_path: Path) -> ClientSettings:
    place = pki_samples.fresh_ca(tmp_path).directory
    begin_roll_over(place, pki_samples.PASSPHRASE, "Example mail CA", 3650)
    return settings(cas=CaFile.all_from_pem(read_roots(place), "Example Corp."))


@pytest.mark.parametrize("client", CLIENTS)
def test_the_page_has_both_files_with_their_fingerprints_and_says_why(
    in_between: ClientSettings, client: str
) -> None:
    page = render_page(CLIENTS[client](in_between), in_between)
    for file in in_between.cas:
        assert file.name in page
        assert file.sha256 in page
    assert "a new CA takes the old one" in page
    assert "認証局の切り替え中は両方が必要です" in page
    assert "a new CA takes the old one" not in render_page(CLIENTS[client](settings()), settings())


def test_both_files_are_among_those_for_users(in_between: ClientSettings) -> None:
    files = files_for_users(in_between, tuple(CLIENTS))
    assert {"example-mail-ca.cer", "example-mail-ca-2.cer"} <= set(files)
    assert files["example-mail-ca.cer"] != files["example-mail-ca-2.cer"]
