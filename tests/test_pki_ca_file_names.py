"""The files of a CA have the names that docs and people know; those of the first root have no number."""

import pytest

from runbook_lib.pki import storage


@pytest.mark.parametrize(
    ("generation", "names"),
    [(1, ("ca.pem", "ca.key", "crl.crl")), (2, ("ca-2.pem", "ca-2.key", "crl-2.crl"))],
)
def test_each_root_has_its_files(generation: int, names: tuple[str, str, str]) -> None:
    assert (
        storage.certificate_name(generation),
        storage.key_name(generation),
        storage.crl_name(generation),
    ) == names
