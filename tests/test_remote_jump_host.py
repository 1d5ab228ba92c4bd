"""A jump host is a field of the inventory only, so far: a host that has one is not reached past it."""

import pytest

from lab import Lab
from runbook_lib import inventory, remote
from runbook_lib.errors import HostUnreachable


def test_a_host_behind_a_jump_host_is_refused_and_not_reached_directly(lab: Lab) -> None:
    assert lab.inventory.exists()
    book = inventory.load("lab")
    host = book.host("debian12").model_copy(update={"jump": "debian13"})
    with pytest.raises(HostUnreachable, match=r"hosts\.debian12\.jump names debian13, .* not built yet"):
        remote.connect(book.site, host)
