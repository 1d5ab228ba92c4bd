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
        kind: a name in fault_trial.KINDS.
        host, state: a lab host, and what the run meets there.
        at: where in the run.
        then: what is asked for afterwards.
        sample: tried by `make test` too; of each kind one, but where most of a minute is spent waiting.
    """

    kind: str
    host: str
    state: str
    at: At
    then: Literal["resume", "rollback"]
    sample: bool = False

    def __str__(self) -> str:
        return f"{self.kind}, {self.host} {self.state}, {self.at}, {self.then}"


# The changes of a run, in their order, each by a part of its title; PAIR and later ones are those of Postfix.
KEY, CSR, CERTIFICATE, PACKAGES = "a private key", "asks for", "mail-server.pem is made", "packages "
SMTPD_CONF, PAM, GROUP = "smtpd.conf", "pam.d", "joins group"
SASL, SASLAUTHD, PAIR = "saslauthd sets", "saslauthd is enabled", "has key and chain"
MAIN_CF, MASTER_CF, FIREWALL, TAKEN_UP = "main.cf: ", "master.cf: ", "firewalld", "Postfix is re"

FAULTS = (
    # Between two changes: each boundary, killed and without power.
    Fault("controller killed", "el9", "fresh", At(KEY), "resume"),
    Fault("controller killed", "el9", "fresh", At(CSR), "rollback"),
    Fault("controller killed", "el9", "fresh", At(CERTIFICATE), "resume"),
    Fault("controller killed", "el9", "fresh", At(PACKAGES), "rollback"),
    Fault("controller killed", "el9", "fresh", At(PAM), "resume"),
    Fault("controller killed", "el9", "fresh", At(SASL), "rollback"),
    Fault("controller killed", "el9", "fresh", At(SASLAUTHD), "resume"),
    Fault("controller killed", "el9", "fresh", At(PAIR), "rollback"),
    Fault("controller killed", "el9", "fresh", At(MAIN_CF), "resume", sample=True),
    Fault("controller killed", "el9", "fresh", At(MASTER_CF), "rollback"),
    Fault("controller killed", "el9", "fresh", At(FIREWALL), "resume"),
    Fault("controller killed", "el9", "fresh", At(TAKEN_UP), "rollback"),
    Fault("power cut", "el9", "fresh", At(KEY), "rollback"),
    Fault("power cut", "el9", "fresh", At(CSR), "resume"),
    Fault("power cut", "el9", "fresh", At(CERTIFICATE), "rollback"),
    Fault("power cut", "el9", "fresh", At(PACKAGES), "resume"),
    Fault("power cut", "el9", "fresh", At(PAM), "rollback"),
    Fault("power cut", "el9", "fresh", At(SASL), "resume"),
    Fault("power cut", "el9", "fresh", At(SASLAUTHD), "rollback"),
    Fault("power cut", "el9", "fresh", At(PAIR), "resume"),
    Fault("power cut", "el9", "fresh", At(MAIN_CF), "rollback", sample=True),
    Fault("power cut", "el9", "fresh", At(MASTER_CF), "resume"),
    Fault("power cut", "el9", "fresh", At(FIREWALL), "rollback"),
    Fault("power cut", "el9", "fresh", At(TAKEN_UP), "resume"),
    # Inside what takes long: packages, a service that starts.
    Fault("controller killed", "el9", "fresh", At(PACKAGES, 0.1), "resume"),
    Fault("controller killed", "el9", "bare", At(PACKAGES, 0.5), "resume"),
    Fault("controller killed", "el9", "fresh", At(TAKEN_UP, 0.05), "resume"),
    Fault("controller killed", "debian12", "bare", At(PACKAGES, 0.5), "resume"),
    Fault("controller killed", "debian13", "fresh", At(PACKAGES, 0.5), "rollback"),
    Fault("power cut", "el9", "fresh", At(PACKAGES, 0.3), "resume"),
    Fault("power cut", "el9", "bare", At(PACKAGES, 1.0), "rollback"),
    Fault("power cut", "el9", "fresh", At(SASLAUTHD, 0.3), "resume"),
    Fault("power cut", "el9", "fresh", At(TAKEN_UP, 0.1), "rollback"),
    Fault("power cut", "debian12", "bare", At(PACKAGES, 4.0), "resume"),
    Fault("power cut", "debian13", "fresh", At(PACKAGES, 2.5), "rollback"),
    # Other hosts at some of the boundaries.
    Fault("controller killed", "debian13", "fresh", At(GROUP), "resume"),
    Fault("controller killed", "el10", "fresh", At(MAIN_CF), "rollback"),
    Fault("power cut", "debian13", "fresh", At(MASTER_CF), "resume"),
    Fault("power cut", "el10", "fresh", At(PAIR), "resume"),
    # Servers with a past.
    Fault("controller killed", "debian12", "lived-in", At(MASTER_CF), "resume"),
    Fault("controller killed", "el9", "lived-in-postscreen", At(PAIR), "rollback"),
    Fault("power cut", "debian12", "lived-in", At(MAIN_CF), "rollback"),
    Fault("power cut", "el9", "lived-in-postscreen", At(MASTER_CF), "resume"),
    Fault("network cut", "debian13", "lived-in", At(MAIN_CF), "resume"),
    Fault("disk full: /etc", "debian12", "lived-in", At(PAIR), "rollback"),
    # Processes that end one by one.
    Fault("command killed, its worker not", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("command killed, its worker not", "debian13", "fresh", At(SMTPD_CONF), "rollback"),
    Fault("worker killed", "el9", "fresh", At(MASTER_CF), "resume"),
    Fault("worker killed", "el9", "fresh", At(CSR), "rollback", sample=True),
    Fault("SIGTERM", "el9", "fresh", At(PACKAGES, 0.1), "rollback", sample=True),
    Fault("SIGTERM", "debian13", "fresh", At(PACKAGES, 1.0), "resume"),
    Fault("SIGTERM", "el9", "fresh", At(MAIN_CF), "resume"),
    # The network.
    Fault("network cut", "el9", "fresh", At(SASL), "resume"),
    Fault("network cut", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("network cut", "el9", "fresh", At(PACKAGES, 0.1), "rollback"),
    Fault("network cut", "el9", "fresh", At(MAIN_CF), "resume"),
    Fault("network cut", "debian13", "fresh", At(PACKAGES, 1.0), "resume"),
    Fault("network cut for 8 s", "el9", "fresh", At(PAIR), "rollback"),
    Fault("network cut for 8 s", "el9", "fresh", At(TAKEN_UP, 0.05), "resume"),
    # No space.
    Fault("disk full: /etc", "el9", "fresh", At(PAIR), "resume"),
    Fault("disk full: /etc", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("disk full: /etc", "debian13", "fresh", At(CERTIFICATE), "rollback"),
    Fault("disk full: the journal's", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("disk full: the journal's", "el9", "fresh", At(PAIR), "resume"),
    Fault("disk full: /", "el9", "fresh", At(CERTIFICATE), "resume"),
    Fault("disk full: /", "el9", "fresh", At(KEY), "rollback", sample=True),
    # Others at work, and what they leave.
    Fault("package lock held for 40 s", "el9", "fresh", At(CERTIFICATE), "rollback", sample=True),
    Fault("package lock held for 40 s", "debian13", "fresh", At(CERTIFICATE), "resume"),
    Fault("package lock held for good", "el9", "fresh", At(CERTIFICATE), "rollback"),
    Fault("package lock held for good", "debian13", "fresh", At(CERTIFICATE), "resume"),
    Fault("second run", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("second run", "debian13", "fresh", At(MAIN_CF), "resume"),
    Fault("stale lock", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("stale lock", "el10", "fresh", At(MASTER_CF), "resume"),
    # The ground shifts.
    Fault("host key changed", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("host key changed", "debian13", "fresh", At(MAIN_CF), "resume"),
    Fault("sudo taken away", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("sudo taken away", "debian12", "fresh", At(PAM), "resume"),
    Fault("clock 2 days ahead", "el9", "fresh", At(KEY), "rollback", sample=True),
    Fault("mirror broken", "el9", "fresh", At(CERTIFICATE), "rollback", sample=True),
    Fault("mirror broken", "debian13", "fresh", At(CERTIFICATE), "resume"),
)
