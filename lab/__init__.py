"""Real hosts on one machine, to try the runbook on: `python -m lab up|status|reset|down`.

From Python: `from lab import Lab; lab = Lab.load(); lab.reset("debian12", "bare")`.
"""

from lab.hosts import LabHost
from lab.lab import Lab
from lab.prepared import Prepared

__all__ = ["Lab", "LabHost", "Prepared"]
