"""Everything that reads what others wrote, as one table. A new one is a function and a line."""

import hostile_host
import hostile_mail
import hostile_pki
from hostile import Target

TARGETS: dict[str, Target] = {
    target.name: target for target in (*hostile_pki.TARGETS, *hostile_mail.TARGETS, *hostile_host.TARGETS)
}
