"""One fault tried: mail still flows, the run is brought to its end or put back, and the host is as it must be then.

What remains is decided by the state of the host, so the tree is that of a clean run.
"""

import re
import secrets
from collections.abc import Mapping
from functools import cache

import fault_of_the_host
import fault_of_the_run
from fault_mail import a_stranger_writes, somebody_on_the_host_writes
from fault_scene import scene
from faults import Fault
from trees import GOES_ON, MAY_DIFFER, changed, history_is_whole

from lab import Lab
from lab.tree import Entry

# Made anew in each run, at each start, or for each reset: two clean runs differ in the bytes of these files, and in
# nothing else of them.
MADE_ANEW = (
    *("mail-server.key", "mail-server.pem", "mail-server.csr", "/saslauthd.pid", "/mail2013.pem"),
    # Where packages come anew.
    *(
        "sasldb2",
        "/aliases.db",
        "ssl-cert-snakeoil.key",
        "ssl-cert-snakeoil.pem",
        "/postfix.key",
        "/postfix.pem",
    ),
)
MAIN_CF = "/etc/postfix/main.cf"
MAILBOX = ("/var/mail/hanako", "/var/spool/mail/hanako")
# podman mounts over these; a small disk that is given back leaves its text under the mounts.
UNDER_MOUNTS = ("/etc/hostname", "/etc/resolv.conf")
KINDS = fault_of_the_run.KINDS | fault_of_the_host.KINDS
# Where the mails stand that waited before the run: in which queue is Postfix's affair, that all are there is ours.
QUEUES = tuple(f"/var/spool/postfix/{queue}/" for queue in ("active", "defer", "deferred", "incoming"))
ALLOWED = (*MAY_DIFFER, *GOES_ON, *MAILBOX, *UNDER_MOUNTS, *QUEUES)


def tried(lab: Lab, fault: Fault) -> dict[str, str]:
    """Try a fault.

    Returns: what the controller said when it happened, and what was said afterwards; in short.
    """
    clean = clean_end(lab, fault.host, fault.state) if fault.then == "resume" else {}
    lab.reset(fault.host, fault.state)
    before = lab.tree(fault.host)
    kind = KINDS[fault.kind]
    with scene(lab, fault.host, fault.state, f"20991231T000000Z-{secrets.token_hex(2)}") as stage:
        outside, inside = a_stranger_writes(lab, fault.host), somebody_on_the_host_writes(stage)
        listened = listens(lab, fault.host)
        stage.mail_is_delivered()
        with kind.ready(stage):
            stage.start()
            stage.stop_at(fault.at)
            with kind.make(stage) as lasting:
                if lasting.mail:
                    assert somebody_on_the_host_writes(stage) or not inside, f"no mail\n{stage.said}"
                if lasting.refused:
                    refused = stage.run_again("resume")
                    assert refused.returncode == 1, refused.stdout
                    assert re.search(lasting.refused, refused.stdout), refused.stdout
            assert a_stranger_writes(lab, fault.host) or not outside, f"no mail\n{stage.said}"
            stage.mail_is_delivered()
            done = stage.run_again(fault.then)
            assert done.returncode == 0, f"{stage.said}\n---\n{done.stdout}"
        served = a_stranger_writes(lab, fault.host)
        stage.mail_is_delivered()
        stage.what_waited_is_there()
        if fault.then == "resume":
            assert served, "no mail"
            assert (
                f"Found on {fault.host}: " in done.stdout or "there is nothing to go on with" in done.stdout
            )
            left = differing(clean, end(lab, fault.host))
            assert not left, f"not as a clean run leaves it: {left}\n{stage.said}\n---\n{done.stdout}"
            if stage.is_debian:
                audit = lab.exec(fault.host, "dpkg --audit").decode()
                assert not audit, audit
        else:
            assert served == outside, f"{stage.said}\n---\n{done.stdout}"
            assert listens(lab, fault.host) == listened, f"{stage.said}\n---\n{done.stdout}"
            assert somebody_on_the_host_writes(stage) == inside
            assert "all that this run changed is as before it" in done.stdout
            stage.mail_is_delivered()
            left = changed(before, lab.tree(fault.host), ALLOWED)
            assert not left, f"not as before: {left}\n{stage.said}\n---\n{done.stdout}"
            assert history_is_whole(lab, fault.host)
        return {
            "the run": in_short(fault.host, stage.said),
            fault.then: in_short(fault.host, done.stdout),
        }


def listens(lab: Lab, host: str) -> list[str]:
    """Addresses and ports on which mail is taken: what runs may be otherwise than the files say."""
    told = lab.exec(host, "ss -Hltn '( sport = :25 or sport = :465 or sport = :587 )'").decode()
    return sorted(line.split()[3] for line in told.splitlines())


def in_short(host: str, said: str) -> str:
    """What a command said of the host: the last line about it, and the first of its reasons."""
    lines = [
        line
        for line in said.partition("\n\nRecord:")[0].splitlines()
        if line and not line.startswith("If you close the laptop now")
    ]
    about = [number for number, line in enumerate(lines) if line.startswith(f"{host}: ")]
    if not about:
        return lines[-1] if lines else "nothing: it was killed"
    said_last = lines[about[-1]].removeprefix(f"{host}: ")
    reasons = lines[about[-1] + 1 : about[-1] + 2] if " at cell " in said_last else []
    return "; ".join([said_last, *(line.strip().removeprefix(f"{host}: ") for line in reasons)])


@cache
def clean_end(lab: Lab, host: str, state: str) -> Mapping[str, Entry]:
    """A host as a run leaves it to which nothing happens."""
    lab.reset(host, state)
    with scene(lab, host, state, "20991231T000000Z-c1ea") as stage:
        stage.start()
        stage.wait()
        assert stage.status == 0, stage.said
        return end(lab, host)


def end(lab: Lab, host: str) -> dict[str, Entry]:
    """A host's files; of what is made anew in each run only that it is there, whose, and with which mode."""
    tree = {
        path: entry._replace(size_bytes=0, content="") if path.endswith(MADE_ANEW) else entry
        for path, entry in lab.tree(host).items()
    }
    # postconf -e writes several new settings in the order of its own hash, which differs at each start; and where
    # Debian's script for Postfix was cut off, the one that completes it leaves out two that say what holds anyway.
    says = "{ postconf -d | sed p; postconf -n; } | sort | uniq -u"
    lines = (
        lab.exec(host, f"{{ {says}; grep -v '^[a-z]' {MAIN_CF} | sort; }} | sha256sum").decode().split()[0]
    )
    return tree | {MAIN_CF: tree[MAIN_CF]._replace(size_bytes=0, content=lines)}


def differing(clean: Mapping[str, Entry], now: Mapping[str, Entry]) -> list[str]:
    """Paths in which a host is not as a clean run leaves it."""
    return changed(clean, now, ALLOWED)
