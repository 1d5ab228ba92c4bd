"""SELinux on a host: the labels of files beside what the policy gives their places, and what it refused."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runbook_lib.mail.probes.row import Row, Verdict
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import quote
from runbook_lib.remote.connection import Host
from runbook_lib.remote.facts import gather
from runbook_lib.visible import one_line

LABELS = message("Each file has the label that SELinux's policy gives its place")
DENIALS = message("SELinux has refused Postfix and saslauthd nothing since this chapter began")


def label_rows(host: Host, paths: Iterable[PurePosixPath]) -> list[Row]:
    """A row a file that is there; matchpathcon(8) knows the policy, stat(1) the label."""
    asked = {str(path): f"matchpathcon -V {quote(path)}" for path in paths}
    facts = gather(
        host, {path: f"test ! -e {quote(path)} || {look}" for path, look in asked.items()}, root=True
    )
    found = []
    for path, look in asked.items():
        fact = facts[path]
        if fact.status == 0 and not fact.value:
            continue
        verdict = Verdict.PASS if fact.value.endswith(" verified.") else Verdict.FAIL
        words = (
            message("as the policy has it")
            if verdict is Verdict.PASS
            else fact.value.removeprefix(f"{path} ")
        )
        if fact.status not in (0, 1):
            verdict = Verdict.UNTESTED
            words = message("nobody could look (status {status})", status=fact.status)
        found.append(Row(LABELS, None, "", "-", verdict, joined(": ", (path, words)), look))
    return found


@dataclass(frozen=True)
class Denial:
    """What SELinux refused to a process of Postfix or saslauthd, or would have refused if it enforced.

    Args:
        process: the name of the process, as `smtpd`.
        what: what it wanted, as 'read, open of file mail-server.pem'.
        label: the type of the thing, as `user_home_t`.
        is_port: a network port, whose type is given by `semanage port` and not by a label.
        enforced: whether it was refused; False: noted only, as a permissive host or domain does.
    """

    process: str
    what: str
    label: str
    is_port: bool
    enforced: bool

    @property
    def told(self) -> str:
        """In words, with what to look at."""
        fields = {"process": self.process, "what": self.what, "type": self.label}
        refused = (
            message("{process} was refused: {what}, of type {type}", **fields)
            if self.enforced
            else message("{process} will be refused where SELinux enforces: {what}, of type {type}", **fields)
        )
        shows = (
            message("`semanage port -l` shows which ports it may use")
            if self.is_port
            else message("`restorecon -nv FILE` shows the label that the policy gives the place")
        )
        return joined("; ", (refused, shows))


def denial_rows(host: Host, since_s: int) -> list[Row]:
    """A row for each thing that was refused; one that passes where nothing was.

    Args:
        host: where to look, in the audit log and, for what was noted while no auditd ran, in the kernel's journal.
        since_s: seconds since 1970 by the host's own clock.
    """
    # ausearch(8) reads a date as the locale writes one, and ends with 1 for no match as for an error.
    audit = (
        f"LC_ALL=C ausearch --input-logs -m AVC,USER_AVC "
        f"-ts $(LC_ALL=C date -d @{since_s} '+%m/%d/%y %H:%M:%S') 2>&1"
    )
    facts = gather(
        host,
        {
            "has_audit": "command -v ausearch",
            "audit": f"{audit} | tail -c 262144",
            "has_kernel": "journalctl -q -k -n 0",
            "kernel": f"journalctl -q -k -o cat --since=@{since_s} | grep -F avc: | tail -c 262144",
        },
        root=True,
    )
    found = denials(facts["audit"].value, facts["kernel"].value)
    if found:
        return [_row(denial, times, audit) for denial, times in Counter(found).items()]
    said = facts["audit"].value
    verdict, words = Verdict.PASS, message("the audit log and the kernel's journal have no such line")
    if facts["has_kernel"].status != 0:  # what is refused while no auditd runs stands there alone
        verdict, words = Verdict.UNTESTED, message("the kernel's journal cannot be read on this host")
    elif facts["has_audit"].status != 0:
        words = message("the kernel's journal has no such line; there is no audit log (the package audit)")
    elif "<no matches>" not in said and "type=" not in said:  # its status is 1 for that and for an error
        verdict = Verdict.UNTESTED
        words = message(
            "ausearch could not read the audit log: {answer}", answer=one_line(said) or message("no answer")
        )
    return [Row(DENIALS, None, "", "-", verdict, words, audit)]


def explained(rows: Sequence[Row], host: Host, since_s: int) -> list[Row]:
    """`rows`, and behind each one that failed what SELinux refused meanwhile: it may be why."""
    if not any(row.verdict is Verdict.FAIL for row in rows):
        return list(rows)
    refused = [row.seen for row in denial_rows(host, since_s) if row.verdict is Verdict.FAIL]
    words = [message("SELinux, meanwhile: {seen}", seen=seen) for seen in refused]
    return [
        replace(row, seen=joined("; ", (row.seen, *words))) if row.verdict is Verdict.FAIL else row
        for row in rows
    ]


_EVENT = re.compile(
    r"audit\((?P<serial>[\d.]+:\d+)\).*?avc: +denied +\{ (?P<wanted>[^}]*) \}(?P<fields>.*)", re.ASCII
)
_FIELD = re.compile(r"""\b([a-z]+)=(?:"([^"]*)"|(\S+))""")
_OURS = ("postfix_", "saslauthd_")  # the domains of selinux-policy's postfix.te and sasl.te


def denials(*logs: str) -> list[Denial]:
    """What the lines of an audit log or of the kernel say was refused to Postfix and saslauthd, an event once.

    Source: the kernel's security/selinux/avc.c (fields), audit_log_untrustedstring (a name with blanks, quotes or
    controls in it stands there in hex, without quotes).
    """
    found: dict[tuple[str, str], Denial] = {}
    for line in "\n".join(logs).splitlines():
        event = _EVENT.search(line)
        if event is None:
            continue
        quoted = {name: text for name, text, _ in _FIELD.findall(event["fields"]) if text}
        plain = {name: text for name, _, text in _FIELD.findall(event["fields"]) if text}
        if not _type_of(plain.get("scontext", "")).startswith(_OURS):
            continue
        kind = plain.get("tclass", "thing")
        port = plain.get("src") or plain.get("dest")
        thing = (
            quoted.get("path")
            or quoted.get("name")
            or _from_hex(plain.get("path") or plain.get("name") or "")
        )
        wanted = ", ".join(event["wanted"].split())
        denial = Denial(
            process=one_line(quoted.get("comm") or _from_hex(plain.get("comm", ""))) or message("a process"),
            what=_what(one_line(wanted), one_line(kind), one_line(port or thing)),
            label=one_line(_type_of(plain.get("tcontext", ""))),
            is_port=port is not None,
            enforced=plain.get("permissive") != "1",
        )
        found.setdefault((event["serial"], denial.what), denial)
    return list(found.values())


def _row(denial: Denial, times: int, command: str) -> Row:
    seen = denial.told
    if times > 1:
        seen = message("{seen} ({times} times)", seen=seen, times=times)
    if denial.enforced:
        return Row(DENIALS, None, "", "-", Verdict.FAIL, seen, command)
    return Row(DENIALS, None, "", "-", Verdict.PASS, message("warning: {seen}", seen=seen), command)


def _what(wanted: str, kind: str, thing: str) -> str:
    if not thing:
        return message("{wanted} of {kind}", wanted=wanted, kind=kind)
    return message("{wanted} of {kind} {thing}", wanted=wanted, kind=kind, thing=thing)


def _type_of(context: str) -> str:
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else ""


def _from_hex(text: str) -> str:
    if len(text) % 2 or not re.fullmatch(r"(?:[0-9A-F]{2})+", text):
        return text
    return bytes.fromhex(text).decode("utf-8", "backslashreplace")
