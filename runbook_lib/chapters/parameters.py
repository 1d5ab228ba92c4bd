"""The parameters of a notebook: none that is unknown, none that is a secret.

papermill writes every parameter into the output notebook, whatever a cell does later, and only warns of an unknown
one. So the first cell looks at what was injected before anything else happens.
"""

from collections.abc import Mapping

from IPython.core.getipython import get_ipython

from runbook_lib import secret_shape
from runbook_lib.errors import SecretInParameter, UsageError
from runbook_lib.messages import message, speech

LANGUAGE = "language"
COMMON = frozenset({"inventory", "host", "mode", "reason", LANGUAGE})


def check(given: Mapping[str, object], known: frozenset[str], notebook: str) -> None:
    """Refuse what a chapter does not know.

    Args:
        given: names and values of the parameters, the injected ones included.
        known: the names this notebook has in its parameters cell.
        notebook: its stem, for the message.
    Raises:
        SecretInParameter: one is shaped like a secret. The value is not repeated.
        UsageError: one is unknown.
    """
    for name, value in given.items():
        if secret_shape.of_parameter(name, value):
            raise SecretInParameter(
                message(
                    "the parameter {name} is shaped like a secret. Parameters are written to the output "
                    "notebook, so that file holds it now: destroy it, and change the secret if anybody may "
                    "have read it",
                    name=name,
                ),
                notebook,
                message(
                    "name the secret by reference in the inventory (env:, file:, keyring:, cmd:); it is no "
                    "parameter"
                ),
            )
    unknown = sorted(set(given) - known)
    if unknown:
        raise UsageError(
            message(
                "unknown parameter: {unknown} (known: {known})",
                unknown=", ".join(unknown),
                known=", ".join(sorted(known)),
            ),
            notebook,
            message("check its spelling against the notebook's parameters cell"),
        )


def take(known: frozenset[str], notebook: str) -> None:
    """Look at what this notebook was given, before anything else; from here on it is shown in its language.

    Args:
        known: names of its own parameters beside the common ones.
        notebook: its stem, for the message.
    Raises:
        SecretInParameter, UsageError: as `check`; or there is no such language.
    """
    given = of_this_notebook()
    check(given, known | COMMON, notebook)
    language = given.get(LANGUAGE) or speech.ENGLISH
    if language not in speech.languages():
        there = " or ".join(map(repr, speech.languages()))
        raise UsageError(
            message("{name} is {value}", name=LANGUAGE, value=repr(language)),
            notebook,
            message("give {there}", there=there),
        )
    speech.speak(str(language))


def of_this_notebook() -> dict[str, object]:
    """Simple values that stand in the notebook's name space: its parameters, and those that papermill injected."""
    shell = get_ipython()
    if shell is None:
        return {}
    return {
        name: value
        for name, value in shell.user_ns.items()
        if not name.startswith("_")
        and name not in shell.user_ns_hidden
        and isinstance(value, str | int | float | bool | None)
    }
