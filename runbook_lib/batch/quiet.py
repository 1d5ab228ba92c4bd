"""No line of noise: what libraries say of themselves is not for the person at the terminal.

Import this before papermill or nbformat.
"""

import logging
import sys
import warnings

# jsonschema imports rfc3987_syntax wherever it is installed; it builds a grammar for four fifths of a second
# (python-jsonschema/jsonschema#1392). None makes the import fail at once; only its check of IRIs is lost.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# Cells without an id, and ports chosen by the kernel's manager: both are told for authors of libraries.
warnings.filterwarnings(
    "ignore", module=r"(nbformat|papermill|nbclient|jupyter_client|zmq|tornado|traitlets)"
)
# Unknown parameters and a missing parameters cell are errors of ours, told once and with what to do.
logging.getLogger("papermill").setLevel(logging.ERROR)
logging.getLogger("traitlets").setLevel(logging.ERROR)
