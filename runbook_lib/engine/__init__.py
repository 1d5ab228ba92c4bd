"""An engine for papermill that runs a notebook's cells in the process that calls papermill: no kernel.

    papermill --engine in-process in.ipynb out.ipynb
    papermill.execute_notebook("in.ipynb", "out.ipynb", engine_name="in-process")

It needs nothing else of this package. A kernel is a second process, five sockets, a heartbeat, and a start of half a
second; for many short notebooks that is nearly all the time they take. Here IPython's own shell runs the cells, and
what they put out becomes outputs of the notebook directly. See docs/engine.md for what is the same, and what is not.
"""

from runbook_lib.engine.in_process import InProcessEngine

__all__ = ["InProcessEngine"]
