"""Everything that reads what others wrote, as one table. A new one is a function and a line."""

import hostile_files
import hostile_firewall
import hostile_host
import hostile_looks
import hostile_mail
import hostile_pki
import hostile_records
import hostile_ssh
from hostile import Target

_PARTS = (
    hostile_pki,
    hostile_mail,
    hostile_files,
    hostile_firewall,
    hostile_host,
    hostile_looks,
    hostile_records,
    hostile_ssh,
)
TARGETS: dict[str, Target] = {target.name: target for part in _PARTS for target in part.TARGETS}
