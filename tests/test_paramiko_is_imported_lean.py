"""A worker imports paramiko without what it never uses of it, and takes nothing from whoever else is in the process."""

import subprocess
import sys

CODE = """
import sys
import runbook_lib.remote
assert "paramiko" in sys.modules
assert not {"invoke", "unittest.mock"} & set(sys.modules), sorted(sys.modules)
import invoke
assert invoke.__version__
"""


def test_what_paramiko_wants_invoke_for_is_not_imported_and_invoke_is_there_for_others() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=300)
