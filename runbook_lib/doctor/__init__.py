"""What would stop a run on a host, looked for before one begins. Touches nothing.

`examine` connects, looks, and says of each thing that a run needs how it stands, with the next step.
"""

from runbook_lib.doctor.examine import examine, examine_all
from runbook_lib.doctor.finding import Finding, Standing
from runbook_lib.doctor.judge import would_stop

__all__ = ["Finding", "Standing", "examine", "examine_all", "would_stop"]
