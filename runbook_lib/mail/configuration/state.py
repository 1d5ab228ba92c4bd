"""What a host's Postfix and saslauthd are now, read in one round trip; on a bare host, what the package will leave."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from runbook_lib import inventory
from runbook_lib.errors import CommandFailed
from runbook_lib.families import Family, Release
from runbook_lib.inventory.purposes import MAIL
from runbook_lib.mail.certificates.configured import ENTRIES
from runbook_lib.mail.certificates.on_port_25 import CertificateOnPort25
from runbook_lib.mail.configuration import parse, unreadable
from runbook_lib.mail.configuration.bare_newlines import GUARDS
from runbook_lib.mail.configuration.mail_files import MailFiles
from runbook_lib.mail.configuration.parse import port_of
from runbook_lib.mail.configuration.postconf import BLANK, MAIN_CF, MASTER_CF, VERSION, folded
from runbook_lib.messages import message
from runbook_lib.remote import alternative
from runbook_lib.remote.change import quote
from runbook_lib.remote.facts import Fact
from runbook_lib.remote.files import FileState, Seen, seen_in

# Functions and variables of the look, for several of its questions.
# started: when the oldest of some processes began, in seconds since the epoch; nothing where none of them runs.
# newest: of times with nine digits behind the point, as stat(1) prints them, so that they compare as whole numbers.
# children: processes that master(8) started. `read` is the shell's own: a program for each process of a host would take
# longer than all else that is asked.
FUNCTIONS = r"""
started() {
  set -- $(for p; do [ ! -r /proc/$p/stat ] || echo /proc/$p/stat; done)
  test $# -gt 0 || return 0
  awk -v hz="${_hz:-$(getconf CLK_TCK)}" -v now="${_now:-$(date +%s.%N)}" -v up="${_up:-}" '
    BEGIN { if (up == "") getline up < "/proc/uptime" }
    { sub(/.*\) /, ""); if (!first || $20 < first) first = $20 }
    END { if (first) printf "%.2f\n", now - up + first / hz }' "$@" 2>/dev/null
}
children() {
  read -r m < /var/spool/postfix/pid/master.pid || return
  for p in /proc/$m/task/*/children; do
    read -r n < $p || :
    echo $n
  done
}
queue_manager() {
  for p in $(children); do
    if read -r n < /proc/$p/comm && [ "$n" = qmgr ]; then echo $p; break; fi
  done
}
newest() {
  m=0 w=
  while read -r t; do
    if [ "${t%.*}${t#*.}" -gt "$m" ]; then m=${t%.*}${t#*.} w=$t; fi
  done
  echo "$w"
}
first_line() { read -r l || :; echo "$l"; }
"""


def ahead(family: Family) -> str:
    """Lines for `gather`: what several of the questions begin with, asked once."""
    # The uptime is read last: it counts in hundredths, and what is late here makes a process older, so nothing that is
    # to be taken up is missed. Who looks as the account reckons with the same clock, else the same process would seem
    # to have begun at another time.
    clock = "_hz=$(getconf CLK_TCK); _now=$(date +%s.%N); read -r _up _ < /proc/uptime; export _hz _now _up"
    return f"_there=$({_installed(family)}); {clock}"


def _installed(family: Family) -> str:
    return family.package_manager.installed.format(names=" ".join(family.packages))


def questions(family: Family, pems: Sequence[PurePosixPath]) -> dict[str, str]:
    """What is asked of a host as root, by name; every command is safe at any moment.

    Args:
        pems: the files that Postfix reads its keys and chains from.
    """
    names, installed = " ".join(family.packages), _installed(family)
    candidate = family.package_manager.candidate.format(names=names)
    refused = family.package_manager.refused.format(names=names) or ":"
    watched = " ".join(quote(path) for path in (MAIN_CF, MASTER_CF, family.smtpd_sasl_conf, *pems))
    certificates = " ".join(ENTRIES)
    # By the number of words: each is one name.
    complete = f"set -- ${{_there-$({installed})}}; test $# -eq {len(family.packages)}"
    group = quote(family.saslauthd_group)
    sasl = " ".join(quote(path) for path in (family.saslauthd_defaults, family.saslauthd_drop_in))
    return {
        **VERSION,
        "guards": f"postconf -d {' '.join(GUARDS)} 2>/dev/null | while read -r n _; do echo $n; done",
        "main_cf": "postconf -n",
        # What stands there, to the byte: with lines, comments, and what is there twice.
        "main_cf_file": f"base64 {MAIN_CF}",
        "master_cf_file": f"base64 {MASTER_CF}",
        "warnings": "postconf -n 2>&1 > /dev/null; postconf -M 2>&1 > /dev/null",
        "services": "postconf -M",
        "services_left": f"cat {quote(family.master_cf_left)}",
        "myhostname": "postconf -h myhostname",
        "mydestination": "postconf -hx mydestination 2>/dev/null || postconf -h mydestination",
        "mynetworks": "postconf -h mynetworks",
        # What `postfix status` asks (postfix-script), without its many programs and its line in the log. Whoever is not
        # root would be refused, after a second of waiting (msg_fatal, msg(3)).
        "running": 'd=$(postconf -h daemon_directory) || exit; [ "$(id -u)" = 0 ] || exit 77; ! "$d"/master -t',
        "taken_up": 'started "$(queue_manager)"',
        # By the time of the inode: who copies a file may keep the time of its bytes.
        "certificates_changed": "IFS=\", $(printf '\\n\\t')\"; "
        f"stat -L -c '%.9Z' $(postconf -hx {certificates}) | newest",
        "smtpd_started": "started $(grep -lxE 'smtpd|tlsproxy' /proc/[0-9]*/comm "
        "| while IFS=/ read -r _ _ p _; do echo $p; done)",
        "changed": f"stat -c '%.9Y' {watched} | newest",
        "in_group": f'case " $(id -nG postfix) " in *" "{group}" "*) echo {group} ;; *) false ;; esac',
        "runs_in_group": f"g=$(getent group {group}); g=${{g#*:*:}}; "
        'while IFS= read -r l; do case $l in Groups:*) break ;; esac; done < "/proc/$(queue_manager)/status" && '
        'case "$l " in *[[:blank:]]"${g%%:*}"[[:blank:]]*) printf "%s\\n" "$l" ;; *) false ;; esac',
        "saslauthd_enabled": "systemctl is-enabled saslauthd 2>/dev/null | first_line",
        "saslauthd_active": "systemctl is-active saslauthd 2>/dev/null | first_line",
        # Root's, or its unit's: a user may call a program of his so.
        "saslauthd_masters": 'for p in /proc/[0-9]*; do read -r n < $p/comm && [ "$n" = saslauthd ] || continue; '
        'while read -r k m n; do [ "$k" != PPid: ] || break; done < $p/status || continue; '
        'read -r n < /proc/$m/comm && [ "$n" != saslauthd ] || continue; '
        "if [ \"$(stat -c %u $p)\" = 0 ] || grep -qs '/saslauthd[.]service$' $p/cgroup; then "
        "tr '\\0' ' ' < $p/cmdline; echo; fi; done",
        "saslauthd_started": f"{{ read -r p || :; }} < {family.saslauthd_socket_directory}/saslauthd.pid "
        '&& started "$p"',
        "saslauthd_changed": f"stat -c '%.9Y' {sasl} | newest",
        "socket_directory": f"stat -L -c '%a %U:%G' {family.saslauthd_socket_directory}",
        "socket_override": f"dpkg-statoverride --list {family.saslauthd_socket_directory}",
        "logins": "getent shadow | awk -F: '$2 ~ /^[$]/ { print $1 }' | while read -r n; do id -u \"$n\"; done",
        "packages": f'printf "%s\\n" "${{_there-$({installed})}}"',
        # Only where a package is missing: to ask a package manager takes a second.
        "candidates": f"{complete} || {{ {candidate}; }}",
        "install_refused": f"{complete} || {{ {refused}; }}",
        "unfinished": family.package_manager.unfinished or ":",
        "install_open": "for b in /var/lib/runbook/*/*.brought; do n=${b%.brought}; "
        'if [ -e "$b" ] && [ ! -e "$n.done" ] && [ ! -e "$n.undone" ]; then echo "$n"; fi; done',
        "rivals": family.package_manager.rivals or ":",
        # A message each in the queues of exim4 and sendmail.
        "rivals_queue": "find /var/spool/exim4/input /var/spool/mqueue -name '*-H' -o -name 'qf*' | wc -l",
        "enabled": "systemctl is-enabled postfix",
        "port_25_listens": "ss -Hltn 'sport = :25' | awk '{ print $4 }'",
        "alternative": alternative.look("mta") if family.mta_program else ":",
        "left": "cat /var/lib/runbook/*/*.settings /var/lib/runbook/*/*.services",
        "left_files": "cat /var/lib/runbook/*/*.is",
    }


# Facts that are times, in seconds since the epoch, or nothing.
_SASL_TIMES = ("saslauthd_changed", "saslauthd_started")
_TIMES = ("changed", "taken_up", "certificates_changed", "smtpd_started", *_SASL_TIMES)
_VERSION = r"([0-9]{1,3})\.([0-9]{1,3})"


@dataclass(frozen=True)
class MailState:
    """Postfix and SASL on a host at one step: what was read there, and what every plan and rule judges it by.

    Args:
        host: what the inventory asks of it, and what a person decided.
        family, release: which system it is, and what the package leaves there.
        facts: every fact as it was read.
        seen: files of the chapter by path.
        missing_packages: those of the family's that are to come.
        certificate: what main.cf names for port 25, with what holds it there; None: nothing, or ours.
        pair_comes: in a plan, why the chapters before will leave another key or certificate; '' where they will not.
        others_come: the same of the host's further certificates, by purpose.
        chosen_for: a version to choose settings for in place of its own (tests alone).
    """

    host: inventory.Host
    family: Family
    release: Release
    facts: Mapping[str, Fact]
    seen: Mapping[PurePosixPath, Seen]
    missing_packages: tuple[str, ...]
    certificate: CertificateOnPort25 | None = None
    pair_comes: str = ""
    others_come: Mapping[str, str] = field(default_factory=dict)
    chosen_for: tuple[int, int] | None = None

    @cached_property
    def files(self) -> MailFiles:
        """Where the document's files are, of the one certificate that the host is seen with."""
        return MailFiles.of(self.family, self.host)

    @cached_property
    def by_certificate(self) -> tuple["MailState", ...]:
        """This state once for each of the host's certificates, with the facts about that one; the first is itself."""
        further = self.host.by_certificate[1:]
        return (self, *(
            replace(
                self,
                host=one,
                facts={**self.facts, **facts_of(self.facts, one.purpose)},
                pair_comes=self.others_come.get(one.purpose, ""),
            )
            for one in further
        ))  # fmt: skip

    @property
    def on_25(self) -> "MailState":
        """The state by the certificate that port 25 shows, where that is one of ours."""
        return next(one for one in self.by_certificate if 25 in one.host.certificate_ports)

    @property
    def joined_files(self) -> tuple[PurePosixPath, ...]:
        """The file that Postfix reads of each certificate."""
        return tuple(one.files.joined for one in self.by_certificate)

    @cached_property
    def undecided(self) -> "MailState":
        """As it would be if nobody had decided anything."""
        return replace(self, host=self.host.model_copy(update={"decisions": ()}))

    @property
    def installed(self) -> bool:
        """Whether Postfix is there; if not, what is said of it here is what its package will leave.

        Where an install was cut off, what is there is not what will be left.
        """
        cut_off = self.facts["unfinished"].value and "postfix" not in self.facts["packages"].value.split()
        return self.facts["mail_version"].status == 0 and not cut_off

    @property
    def version(self) -> tuple[int, int]:
        """(3, 7)."""
        if self.chosen_for is not None:
            return self.chosen_for
        major, minor = re.findall(_VERSION, self._version)[0]
        return int(major), int(minor)

    @property
    def version_text(self) -> str:
        """'3.7.11', or '3.7 (expected)' on a bare host."""
        if self.chosen_for is None:
            return self._version
        chosen = ".".join(map(str, self.chosen_for))
        return message("chosen for {chosen}, run on {version}", chosen=chosen, version=self._version)

    @property
    def _version(self) -> str:
        if self.installed:
            return self.facts["mail_version"].value
        known = re.search(f"^postfix: {_VERSION}", self.facts["candidates"].value, flags=re.MULTILINE)
        if known:
            return ".".join(known.groups())
        return message("{version} (expected)", version=self.release.postfix)

    @cached_property
    def main_cf(self) -> Mapping[str, str]:
        """Explicit entries of main.cf."""
        if not self.installed:
            return {name: values[0] for name, values in self.release.main_cf.items() if values[0] is not None}
        return dict(_entry(line) for line in self.facts["main_cf"].value.split("\n") if "=" in line)

    @cached_property
    def services(self) -> Mapping[str, tuple[str, ...]]:
        """Lines of master.cf by 'name/type', in order, white space folded."""
        found: dict[str, tuple[str, ...]] = {}
        for line in self.facts["services"].value.split("\n") if self.installed else ():
            if text := folded(line):
                name = "/".join(text.split(" ")[:2])
                found[name] = (*found.get(name, ()), text)
        return found

    @cached_property
    def main(self) -> tuple[parse.Entry, ...]:
        """The entries of main.cf as they stand there, with their lines."""
        return parse.entries(base64.b64decode(self.facts["main_cf_file"].value))

    @cached_property
    def master(self) -> tuple[parse.Service, ...]:
        """The services of master.cf as they stand there, with their lines."""
        return parse.services(base64.b64decode(self.facts["master_cf_file"].value))

    @cached_property
    def left(self) -> Mapping[str, frozenset[str]]:
        """Entries and services that earlier runs of ours left: each name with all of its lines."""
        found: dict[str, frozenset[str]] = {}
        for name, _, after in self._changed_by_us:
            found[name] = found.get(name, frozenset()) | {after}
        return found

    @cached_property
    def found(self) -> Mapping[str, str]:
        """Entries and services as the first run of ours that changed them found them; '-' for not set."""
        found: dict[str, str] = {}
        for name, before, _ in self._changed_by_us:
            found.setdefault(name, before)
        return found

    @cached_property
    def _changed_by_us(self) -> tuple[list[str], ...]:
        rows = self.facts["left"].value.split("\n")
        # What has fewer was cut off (a full disk): its change was never begun.
        return tuple(row.split("\t", 2) for row in rows if row.count("\t") >= 2)

    @cached_property
    def left_files(self) -> frozenset[str]:
        """States of files that earlier runs of ours left."""
        return frozenset(self.facts["left_files"].value.splitlines())

    def service_on_port(self, port: int) -> tuple[str, ...]:
        """Names ('submission/inet') of the services that listen on a port, however they are spelled."""
        return tuple(name for name in self.services if name.endswith("/inet") and port_of(name) == port)

    @property
    def refused(self) -> str:
        """Why no command of Postfix works here, in its own words; "" where they do, or where it is not installed."""
        return unreadable.told(self.facts)

    @property
    def guards(self) -> frozenset[str]:
        """Of `bare_newlines.GUARDS`, those that this Postfix knows."""
        return frozenset(self.facts["guards"].value.split()) if self.installed else frozenset()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What postconf warned of before anything was touched, without its prefix."""
        found = self.facts["warnings"].value.splitlines() if self.installed else []
        return tuple(dict.fromkeys(line.split("warning: ", 1)[1] for line in found if "warning: " in line))

    @property
    def is_running(self) -> bool:
        return self.installed and self.facts["running"].status == 0

    @property
    def is_enabled(self) -> bool:
        """Whether it starts with the host; also where the package enables it."""
        return self.facts["enabled"].value in ("enabled", "enabled-runtime", "static", "generated", "alias")

    @property
    def listens_on_loopback(self) -> bool:
        """Whether it runs, and its service on port 25, which names no address, is open to this host alone."""
        where = self.facts["port_25_listens"].value.split()
        return (
            "smtp/inet" in self.services
            and self.is_running
            and bool(where)
            and all(one.startswith(("127.", "[::1]")) for one in where)
        )

    @property
    def is_stale(self) -> bool:
        """True when a file that Postfix reads is newer than the last start or reload (the queue manager's age)."""
        return self.is_running and newer(self.facts["changed"].value, self.facts["taken_up"].value)

    @property
    def shows_old_certificate(self) -> bool:
        """True when key or certificate changed since the last reload, and a process that read the old ones is left.

        A new process reads the new ones (postconf(5), smtpd_tls_cert_file); one that is kept busy goes on for long.
        """
        changed, taken_up = self.facts["certificates_changed"].value, self.facts["taken_up"].value
        return newer(changed, taken_up) and newer(changed, self.facts["smtpd_started"].value)

    @property
    def saslauthd_is_stale(self) -> bool:
        """True when its settings are newer than the running saslauthd."""
        return newer(self.facts["saslauthd_changed"].value, self.facts["saslauthd_started"].value)


def newer(changed: str, started: str) -> bool:
    """Whether one time is later than another, both in seconds since the epoch, as a host said them; '': not known."""
    return bool(changed) and bool(started) and float(changed) > float(started) + 0.05


def asked_of(facts: Mapping[str, str], purpose: str) -> dict[str, str]:
    """Questions about one certificate, by names of their own where it is a further one."""
    return {name if purpose == MAIL else f"{purpose}: {name}": command for name, command in facts.items()}


def facts_of(facts: Mapping[str, Fact], purpose: str) -> dict[str, Fact]:
    """The answers to `asked_of` for a further certificate, by the names that they have of the first."""
    begin = f"{purpose}: "
    return {name.removeprefix(begin): fact for name, fact in facts.items() if name.startswith(begin)}


def looked_at(
    family: Family, host: inventory.Host
) -> tuple[tuple[PurePosixPath, ...], tuple[PurePosixPath, ...]]:
    """Files of SASL and PAM, whose bytes are read, with their folders; those of which only the state is read."""
    conf, drop_in = family.smtpd_sasl_conf, family.saslauthd_drop_in
    whole = (conf, conf.parent, family.pam_service, family.saslauthd_defaults, drop_in, drop_in.parent)
    joined = (MailFiles.of(family, one).joined for one in host.by_certificate)
    return whole, (*joined, MAIN_CF, MASTER_CF)


def understood(
    host: inventory.Host, family: Family, release: Release, facts: Mapping[str, Fact]
) -> MailState:
    """What the host's answers say.

    Args:
        facts: with the answers to `questions`, and the looks at `looked_at`.
    Raises:
        CommandFailed: what the host says is not understood.
    """
    missing = tuple(name for name in family.packages if name not in facts["packages"].value.split())
    seen = seen_in(facts, *looked_at(family, host))
    state = MailState(host, family, release, facts, seen, missing)
    _refuse_odd(state)
    return state if state.installed else replace(state, seen=seen | _left(family, seen))


def _refuse_odd(state: MailState) -> None:
    facts = state.facts
    odd: list[tuple[str, str]] = [
        (message("the time '{name}'", name=name), facts[name].value)
        for name in _TIMES
        if not re.fullmatch(r"([0-9]+(\.[0-9]+)?)?", facts[name].value)
    ]
    lines = (line for lines in state.services.values() for line in lines)
    odd += [("postconf -M", line) for line in lines if " " not in line]
    if state.installed and not re.match(_VERSION, facts["mail_version"].value):
        odd.append(("postconf -h mail_version", facts["mail_version"].value))
    for asked, said in odd:
        raise CommandFailed(
            message("{asked}: the answer is not understood: '{said}'", asked=asked, said=said[:200]),
            state.host.name,
            message("run it on the host, as root, and see what it prints"),
        )


def _left(family: Family, seen: Mapping[PurePosixPath, Seen]) -> dict[PurePosixPath, Seen]:
    """The chapter's files that are not there yet, as the packages will leave them."""
    left = {path: FileState.wanted(text.encode()) for path, text in family.files_left.items()}
    missing = {path: Seen(file.line, file) for path, file in left.items() if seen[path].is_absent}
    folders = {path.parent for path in missing if path.parent in seen and seen[path.parent].is_absent}
    return missing | {folder: Seen("dir 755 root:root") for folder in folders}


def _entry(line: str) -> tuple[str, str]:
    # A blank is what isspace(3) calls so in the C locale, as for Postfix: U+2028 is part of a value.
    name, _, value = line.partition("=")
    return name.strip(BLANK), value.strip(BLANK)


def candidates(state: MailState) -> str:
    """The versions that would be installed of the packages that are missing, a line 'NAME: VERSION' each."""
    lines = state.facts["candidates"].value.splitlines()
    return "\n".join(line for line in lines if line.split(":")[0] in state.missing_packages)
