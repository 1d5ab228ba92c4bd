"""Interpreters that multiprocessing starts by `python -c`: they would look for modules in the working directory first.

Whoever may write the folder that somebody stands in (/tmp, a shared one) would have his code run as that person.

Source: Python's documentation, sys.path and PYTHONSAFEPATH.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NAME, _OURS = "PYTHONSAFEPATH", "runbook"  # any value is as good as another


@contextmanager
def never_from_here() -> Iterator[None]:
    """Interpreters that are started meanwhile, and all that they fork, import nothing from the working directory."""
    given = os.environ.get(_NAME)
    if given:
        yield
        return
    os.environ[_NAME] = _OURS
    try:
        yield
    finally:
        del os.environ[_NAME]


def as_given() -> None:
    """In such a process: what it starts itself has the environment that the person gave."""
    if os.environ.get(_NAME) == _OURS:
        del os.environ[_NAME]
