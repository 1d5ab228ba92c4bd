"""paramiko, without what it imports for `Match exec` of an ssh_config, which it is never given to read here.

That is invoke, and with it a twentieth of all that a worker imports. Import this before paramiko.

Source: paramiko.config, which goes without where invoke cannot be imported.
"""

import sys

_is_ours_to_hide = "invoke" not in sys.modules
if _is_ours_to_hide:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # makes the import fail at once
import paramiko  # noqa: E402, F401

if _is_ours_to_hide:
    del sys.modules["invoke"]  # whoever else wants it in this process gets it
