"""What a document names of the code, looked up there: modules, functions, classes, and who calls whom (ast)."""

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def path_of(module: str) -> Path:
    """The file of a module of `runbook_lib`, which is left out of its name."""
    path = CHECKOUT.joinpath("runbook_lib", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def definition(named: str) -> Definition | None:
    """What 'module:Name' or 'module:Class.method' names; None where there is no such thing."""
    module, _, name = named.partition(":")
    if not path_of(module).exists():
        return None
    at: ast.AST = tree_of(module)
    for part in name.split("."):
        inside = [one for one in ast.iter_child_nodes(at) if isinstance(one, Definition) and one.name == part]
        if not inside:
            return None
        at = inside[0]
    assert isinstance(at, Definition)
    return at


def reached(named: str) -> frozenset[str]:
    """Every name that a function or class uses, by way of what its module defines, too."""
    module = named.partition(":")[0]
    own = {one.name: one for one in ast.walk(tree_of(module)) if isinstance(one, Definition)}
    found = definition(named)
    assert found is not None, named
    seen: set[str] = set()
    waiting: list[ast.AST] = [found]
    while waiting:
        new = set(_names(waiting.pop())) - seen
        seen |= new
        waiting += [own[name] for name in new if name in own]
    return frozenset(seen)


def imports(module: str, other: str) -> bool:
    """Whether a module imports another one, or the package that hands on what is in it."""
    wanted = f"runbook_lib.{other}"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            those = {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            those = {one.name for one in node.names}
        else:
            continue
        if wanted in those or wanted.rpartition(".")[0] in those - {"runbook_lib"}:
            return True
    return False


def is_notebook(name: str) -> bool:
    return ":" not in name


def cells_of(notebook: str) -> frozenset[str]:
    """Every name that a notebook's code uses."""
    path = CHECKOUT / "notebooks" / f"{notebook}.ipynb"
    cells = json.loads(path.read_bytes())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return frozenset(_names(ast.parse(code)))


def _names(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
        elif isinstance(one, ast.alias):
            yield one.name
