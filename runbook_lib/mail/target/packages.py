"""What Postfix leaves on a host beside the files of its packages: what a rollback of them has to know."""

from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.families import Family
from runbook_lib.remote.system import Traces

_FUNCTIONS = resources.files(__package__).joinpath("packages.sh").read_text()


def traces(family: Family) -> Traces:
    """What Postfix and its login service leave on a system of this family."""
    return Traces(
        service="postfix",
        package="postfix",
        settings=PurePosixPath("/etc/postfix"),
        paths=family.script_paths,
        folders=family.folders_left,
        remade=tuple(path for path in family.script_paths if path.stem == "aliases" and path.suffix),
        purged=family.purged,
        functions=_FUNCTIONS,
    )
