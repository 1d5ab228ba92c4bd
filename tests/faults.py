"""The table of faults: what happens to a run, on which host, where in the run, and what is asked for afterwards.

A new fault is a line. `make faults` tries all of them and writes docs/faults-survived.md; `make test` tries those that
are marked as a sample.
"""

from dataclasses import dataclass
from typing import Literal

from fault_scene import At


@dataclass(frozen=True)
class Fault:
    """A line of the table.

    Args:
        kind: a name in fault_kinds.KINDS.
        host, state: a lab host, and what the run meets there.
        at: where in the run.
        then: what is asked for afterwards.
        sample: tried by `make test` too.
    """

    kind: str
    host: str
    state: str
    at: At
    then: Literal["resume", "rollback"]
    sample: bool = False

    def __str__(self) -> str:
        return f"{self.kind}, {self.host} {self.state}, {self.at}, {self.then}"


# The changes of a run on fresh Enterprise Linux, in their order; each by a part of its title.
KEY, CSR, CERTIFICATE, PACKAGES = "a private key", "asks for", "mail-server.pem is made", "packages "
PAM, SASL, SASLAUTHD, PAIR = "pam.d", "/etc/sysconfig/saslauthd", "saslauthd is enabled", "has key and chain"
MAIN_CF, MASTER_CF, FIREWALL, RESTART = "main.cf: ", "master.cf: ", "firewalld", "Postfix is restarted"

FAULTS = (
    # Between two changes: each boundary.
    Fault("controller killed", "el9", "fresh", At(MAIN_CF), "resume", sample=True),
    Fault("power cut", "el9", "fresh", At(MAIN_CF), "rollback", sample=True),
    Fault("network cut", "el9", "fresh", At(SASL), "resume", sample=True),
    Fault("network cut for 8 s", "el9", "fresh", At(PAIR), "rollback", sample=True),
    Fault("command killed, its worker not", "el9", "fresh", At(KEY), "resume", sample=True),
    Fault("worker killed", "el9", "fresh", At(MASTER_CF), "rollback", sample=True),
    Fault("SIGTERM", "el9", "fresh", At(PACKAGES, 0.2), "resume", sample=True),
    Fault("disk full: /etc", "el9", "fresh", At(PAIR), "resume", sample=True),
    Fault("disk full: the journal's", "el9", "fresh", At(PAM), "rollback", sample=True),
    Fault("disk full: /", "el9", "fresh", At(CERTIFICATE), "resume", sample=True),
    Fault("package lock held for 40 s", "el9", "fresh", At(CERTIFICATE), "rollback"),
    Fault("package lock held for good", "el9", "fresh", At(CERTIFICATE), "resume", sample=True),
    Fault("second run", "el9", "fresh", At(SASL), "rollback", sample=True),
    Fault("stale lock", "el9", "fresh", At(PAM), "resume", sample=True),
    Fault("host key changed", "el9", "fresh", At(PACKAGES), "resume", sample=True),
    Fault("sudo taken away", "el9", "fresh", At(SASLAUTHD), "rollback", sample=True),
    Fault("clock 4 minutes ahead", "el9", "fresh", At(KEY), "resume", sample=True),
    Fault("clock 2 days ahead", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("mirror broken", "el9", "fresh", At(CERTIFICATE), "resume", sample=True),
)
