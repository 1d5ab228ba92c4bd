"""IPython's shell, with outputs that go into the notebook."""

import atexit
import builtins
import contextlib
import getpass
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from runbook_lib.engine.outputs import Outputs


class _ToOutputs:
    """A part of the shell that puts something into the notebook."""

    shell: Any

    @property
    def outputs(self) -> Outputs:
        outputs: Outputs = self.shell.outputs
        return outputs


class _Publisher(_ToOutputs, DisplayPublisher):
    """`display(…)`, its updates, and `clear_output()`."""

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: object = None,  # noqa: ARG002  # IPython ignores it too
        *,
        transient: Any = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        self._validate_data(data, metadata)
        sys.stdout.flush()
        display_id = (transient or {}).get("display_id")
        outputs = self.outputs
        if not update:
            outputs.display(data, metadata or {}, display_id)
        elif display_id:
            outputs.update_display(data, metadata or {}, display_id)

    def clear_output(self, wait: bool = False) -> None:
        sys.stdout.flush()
        self.outputs.clear(wait)


class _Results(_ToOutputs, DisplayHook):
    """The value of a cell's last line."""

    _bundle: tuple[Any, Any] | None = None

    def start_displayhook(self) -> None:
        self._bundle = None

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self._bundle = format_dict, md_dict or {}

    def finish_displayhook(self) -> None:
        sys.stdout.flush()
        if self._bundle and self._bundle[0]:
            self.outputs.display(*self._bundle, execution_count=self.prompt_count)
        self._bundle = None


# The class's name is what rich, tqdm and others ask for when they decide whether they may draw HTML.
class ZMQInteractiveShell(InteractiveShell):
    """The shell of one notebook."""

    displayhook_class = Type(_Results)
    display_pub_class = Type(_Publisher)

    def __init__(self, outputs: Outputs) -> None:
        self.outputs = outputs
        config = Config()
        config.HistoryManager.enabled = False  # no file: In and Out of this notebook are enough
        config.IPKernelApp.in_process = True  # tqdm.auto looks for the section
        super().__init__(config=config)
        self.configurables.append(self)

    def init_environment(self) -> None:
        """What a kernel sets for the programs that a cell starts."""
        os.environ |= {
            "TERM": "xterm-color",
            "CLICOLOR": "1",
            "FORCE_COLOR": "1",
            "CLICOLOR_FORCE": "1",
            "PAGER": "cat",
            "GIT_PAGER": "cat",
        }
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

    def init_virtualenv(self) -> None:
        """The process has its environment already."""

    def ask_exit(self) -> None:
        """`exit` in a cell ends a kernel; here it is an error like SystemExit."""
        raise SystemExit

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        sys.stdout.flush()
        self.outputs.error(etype.__name__, str(evalue), stb)


@contextlib.contextmanager
def shell_for(outputs: Outputs) -> Iterator[ZMQInteractiveShell]:
    """A shell for one notebook; afterwards the process is as it was, but for what the cells did to libraries.

    Environment, working directory, `sys.path`, `sys.argv`, `sys.modules['__main__']`, warning filters and IPython's
    own singleton are put back.
    """
    before = dict(os.environ), Path.cwd(), list(sys.path), list(sys.argv), sys.modules.get("__main__")
    singletons = {cls: cls.__dict__.get("_instance") for cls in InteractiveShell._walk_mro()}
    with warnings.catch_warnings():
        InteractiveShell.clear_instance()
        shell = ZMQInteractiveShell(outputs)
        for cls in ZMQInteractiveShell._walk_mro():
            cls._instance = shell  # type: ignore[assignment]  # traitlets declares None
        if "" not in sys.path and not sys.flags.safe_path:
            sys.path.insert(0, "")  # as a kernel does: a notebook finds modules in its working directory
        try:
            yield shell
        finally:
            atexit.unregister(shell.atexit_operations)
            shell.restore_sys_module_state()
            ZMQInteractiveShell._instance = None
            for cls, instance in singletons.items():
                cls._instance = instance
            environ, folder, path, argv, main = before
            os.environ.clear()
            os.environ |= environ
            os.chdir(folder)
            sys.path[:], sys.argv[:] = path, argv
            if main is not None:
                sys.modules["__main__"] = main


@contextlib.contextmanager
def nobody_answers() -> Iterator[None]:
    """Refuse `input()` and `getpass()`, as a kernel does that has nobody to ask."""

    def refuse(*_: object, **__: object) -> str:
        raise StdinNotImplementedError(
            "raw_input was called, but this frontend does not support input requests."
        )

    before = builtins.input, getpass.getpass
    builtins.input = getpass.getpass = refuse
    try:
        yield
    finally:
        builtins.input, getpass.getpass = before


class RootLogger:
    """A root logger of the notebook's own: it has no handlers at first, whatever the process has set up for itself."""

    def __init__(self) -> None:
        self._handlers: list[logging.Handler] = []
        self._level = logging.WARNING

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Have it while a cell runs."""
        root = logging.getLogger()
        before = list(root.handlers), root.level
        root.handlers[:] = self._handlers
        root.setLevel(self._level)
        try:
            yield
        finally:
            self._handlers, self._level = list(root.handlers), root.level
            root.handlers[:] = before[0]
            root.setLevel(before[1])
