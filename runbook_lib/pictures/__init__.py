"""Pictures for the chapters, where looking beats reading. Each is drawn by hand, as SVG and as plain text."""

from runbook_lib.pictures.authentication import authentication
from runbook_lib.pictures.capture import CaptureLine, capture
from runbook_lib.pictures.certificate import certificate
from runbook_lib.pictures.drawing import Picture
from runbook_lib.pictures.ports import ports

__all__ = ["CaptureLine", "Picture", "authentication", "capture", "certificate", "ports"]
