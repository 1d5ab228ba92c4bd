"""What a notebook is given: only parameters that it has, each of its type, and never a secret."""

from collections.abc import Callable, Mapping, Sequence

from runbook_lib import secret_shape
from runbook_lib.batch.notebooks import Notebook
from runbook_lib.errors import SecretInParameter, UsageError
from runbook_lib.records.redaction import secret_in

Value = str | int | float | bool

# Given by the batch itself, each by an option of its own.
OWN = {"inventory": "--inventory", "host": "--host", "mode": "plan or apply", "reason": "--reason"}
_BOOLEANS = {"true": True, "false": False}


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]


_TYPES: dict[str, Callable[[str], Value]] = {"str": str, "int": int, "float": float, "bool": _boolean}


def refuse_secret(name: str, value: str) -> None:
    """Raise SecretInParameter when a parameter is shaped like a secret, by its name or by its value.

    Parameters are written into the executed notebook, its page and its metadata, where all can read them.
    """
    known = secret_in(value)
    what = f"holds {known}" if known else secret_shape.of_parameter(name, value)
    if what:
        raise SecretInParameter(
            f"{what}; parameters are written into the record, for everybody to read",
            f"parameter {name}",
            "put the secret where a reference can name it (env:, file:, keyring:, cmd:) and name it in the inventory",
            "Nothing was written and nothing was run.",
        )


def given_parameters(
    pairs: Sequence[tuple[str, str]], notebooks: Sequence[Notebook]
) -> dict[str, dict[str, Value]]:
    """Which notebook gets which of the parameters that a person gave.

    Args:
        pairs: names and values, as typed.
    Returns: for each chapter the values it takes, typed as its parameters cell declares.
    Raises:
        SecretInParameter: one is shaped like a secret.
        UsageError: no chapter of these has such a parameter, or the value is of another type.
    """
    for name, value in pairs:
        refuse_secret(name, value)
    for name, _ in pairs:
        if name in OWN:
            raise UsageError("is given by an option of its own", f"parameter {name}", f"use {OWN[name]}")
        if not any(name in notebook.parameters for notebook in notebooks):
            known = sorted({known for notebook in notebooks for known in notebook.parameters} - OWN.keys())
            raise UsageError(
                "no chapter that runs has such a parameter",
                f"parameter {name}",
                f"use one of {', '.join(known)}"
                if known
                else "leave it out: these chapters have none to give",
            )
    return {
        notebook.chapter: {
            name: _typed(name, value, notebook) for name, value in pairs if name in notebook.parameters
        }
        for notebook in notebooks
    }


def own_parameters(notebook: Notebook, values: Mapping[str, str]) -> dict[str, Value]:
    """Those of the batch's own values that a notebook has a parameter for."""
    return {name: value for name, value in values.items() if name in notebook.parameters}


def _typed(name: str, value: str, notebook: Notebook) -> Value:
    declared = notebook.parameters[name]
    where = f"parameter {name} of {notebook.chapter}"
    if declared not in _TYPES:
        raise UsageError(
            f"is of type {declared or 'unknown'}, which cannot be given on the command line",
            where,
            "set it in the inventory, or work through this chapter in JupyterLab",
        )
    try:
        return _TYPES[declared](value)
    except (ValueError, KeyError):
        raise UsageError(
            f"{value!r} is not of type {declared}", where, f"give a value of type {declared}"
        ) from None
