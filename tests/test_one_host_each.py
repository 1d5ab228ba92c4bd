"""`make test` tries a promise that takes long on one host, `make long` on the others: no host is spared."""

import groups

from lab.releases import RELEASES

LONG = [f"tests/test_a.py::test_{number}[{host}-bare]" for number in range(40) for host in RELEASES]
QUICK = [f"tests/test_b.py::test_it[{host}]" for host in RELEASES]
ALONE = [
    "tests/test_c.py::test_it",
    "tests/test_c.py::test_other[el9]",
    "notebooks/00-preparation.ipynb::Cell 0",
]
TOOK = dict.fromkeys([*LONG, *ALONE], 30.0) | dict.fromkeys(QUICK, 3.0)


def test_each_long_test_has_one_host_and_the_hosts_are_many() -> None:
    others = groups.on_other_hosts([*LONG, *QUICK, *ALONE], TOOK)
    assert others < {*LONG}
    kept = [nodeid for nodeid in LONG if nodeid not in others]
    assert len({nodeid.partition("[")[0] for nodeid in kept}) == len(kept) == 40
    assert {nodeid.partition("[")[2].partition("-")[0] for nodeid in kept} == {*RELEASES}


def test_what_differs_in_more_than_the_host_is_another_test() -> None:
    bare, fresh = (f"tests/test_a.py::test_it[el9-{state}]" for state in ("bare", "fresh"))
    assert groups.on_other_hosts([bare, fresh], {bare: 30.0, fresh: 30.0}) == frozenset()


def test_the_choice_does_not_depend_on_the_order() -> None:
    assert groups.on_other_hosts(LONG, TOOK) == groups.on_other_hosts(reversed(LONG), TOOK)
