"""Logins that are checked already, by Dovecot or by a SASL that somebody set up: they stay, where they can work.

Chapter 2 then touches no package, file or unit of SASL; its services take logins and inherit who checks them.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.families import Family
from runbook_lib.inventory.place import Place
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import mechanisms
from runbook_lib.mail.target.decisions import Ruling
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import quote
from runbook_lib.remote.files import FileState
from runbook_lib.remote.variables import lines_of

_MEND = message("mend it, or take it away: then this chapter sets up saslauthd")
_DEFAULT_PATH = message("smtpd, the default of smtpd_sasl_path")
_TYPE, _PATH = "smtpd_sasl_type", "smtpd_sasl_path"
_METHODS = ("saslauthd", "auxprop")
_LEFT = message("it leaves PLAIN and LOGIN to log in by")
_PART = message("part of the login that stays")
_SAID = {
    "smtpd_sasl_type": message("it says who checks logins, and that stays"),
    "smtpd_sasl_path": message("it says where logins are checked, and that stays"),
    "smtpd_sasl_local_domain": _PART,
    "smtpd_sasl_service": _PART,
}


@dataclass(frozen=True)
class OtherLogin:
    """Logins that something else than this runbook checks.

    Args:
        by: who, for a person: 'Dovecot at private/auth', 'saslauthd (shadow)'.
        where: the place that says so.
        lacks: why it cannot work for the submission services; "" where nothing speaks against it.
    """

    by: str
    where: Place
    lacks: str = ""

    @property
    def works(self) -> bool:
        """True where the submission services can use it."""
        return not self.lacks

    @property
    def told(self) -> str:
        """One sentence."""
        if self.works:
            return message("Logins are checked by {checker}; that stays.", checker=self.by)
        return message(
            "Logins are to be checked by {checker}, and that is half-made: {reason}.",
            checker=self.by,
            reason=self.lacks,
        )

    @property
    def half_made(self) -> str:
        """Why it cannot work, and what a person does about it."""
        return joined(": ", (self.lacks, _MEND))


def facts(family: Family) -> dict[str, str]:
    """Read-only commands: `KIND STATE PATH` for each place where a login may be checked, as smtpd sees it.

    Source: SASL_README (paths are relative to the queue directory, and inside the chroot where there is one);
    proc(5) and unix(7): a socket that listens has the flag 00010000.
    """
    conf = quote(family.smtpd_sasl_conf)
    root = "$q" if family.chroot == "y" else ""
    mine = "setpriv --reuid=postfix --regid=postfix --init-groups test"
    return {
        "login_places": (
            "q=$(postconf -h queue_directory); "
            f'conf() {{ sed -n "s/^$1[[:space:]]*:[[:space:]]*//Ip" {conf} 2>/dev/null | '
            '{ l=; while IFS= read -r n || [ -n "$n" ]; do l=$n; done; printf "%s\\n" "$l"; }; }; '
            'at() { case $1 in inet:*) printf %s "$1" ;; '
            f'/*) printf %s "{root}$1" ;; *) printf %s "$q/$1" ;; esac; }}; '
            'listens() { test -n "$(awk \'$4 == "00010000" { print $8 }\' /proc/net/unix | while read -r l; do '
            'if [ "$l" -ef "$1" ]; then echo "$l"; fi; done)"; }; '
            "look() { s=open; case $2 in inet:*) ;; *) "
            'if [ ! -S "$2" ]; then s=absent; elif ! listens "$2"; then s=deaf; '
            f'elif ! {mine} -w "$2"; then s=shut; fi ;; esac; echo "$1 $s $2"; }}; '
            'p=$(postconf -hx smtpd_sasl_path); look dovecot "$(at "${p#unix:}")"; '
            "for p in $(postconf -P '*/inet/smtpd_sasl_path' 2>/dev/null | sed -n 's/.* = //p' | sort -u); do "
            'look "dovecot:$p" "$(at "${p#unix:}")"; done; '
            'p=$(conf saslauthd_path); look saslauthd "$(at "${p:-/var/run/saslauthd/mux}")"; '
            f'p=$(conf sasldb_path); p=$(at "${{p:-{family.sasldb}}}"); s=open; '
            f'if [ ! -e "$p" ]; then s=absent; elif ! {mine} -r "$p"; then s=shut; fi; echo "sasldb $s $p"'
        ),
        "plain_plugin": "for p in /usr/lib/*/sasl2/libplain.so* /usr/lib*/sasl2/libplain.so*; do "
        "if [ -e $p ]; then echo $p; break; fi; done",
    }


def other_login(state: MailState) -> OtherLogin | None:
    """Who checks logins where this runbook did not set that up; None: nobody does, or this runbook did."""
    if not state.installed:
        return None
    if state.main_cf.get("smtpd_sasl_type") == "dovecot":
        path = state.main_cf.get("smtpd_sasl_path", _DEFAULT_PATH)
        return OtherLogin(_dovecot(path), Place.main(_TYPE), _place_lacks(state, "dovecot"))
    for port in state.host.submission.ports:
        for name in state.service_on_port(port):
            if own := own_options(state, name):
                given = dict(one.split("=", 1) for one in own)
                if given.get(_TYPE) == "dovecot":
                    path = given.get(_PATH, state.main_cf.get(_PATH, _DEFAULT_PATH))
                    kind = f"dovecot:{path}" if _PATH in given else "dovecot"
                    return OtherLogin(_dovecot(path), Place.master(name), _place_lacks(state, kind))
    family = state.family
    conf = state.seen[family.smtpd_sasl_conf]
    own_conf = (
        conf.is_absent or conf.line in state.left_files or _content(conf.file) == family.smtpd_sasl_text
    )
    own_defaults = not foreign_variables(state)
    if own_conf and own_defaults:
        return None
    where = Place(str(family.saslauthd_defaults if own_conf else family.smtpd_sasl_conf))
    return _cyrus(state, _content(conf.file), where)


def _dovecot(path: str) -> str:
    return message("Dovecot at {path}", path=path)


def own_options(state: MailState, name: str) -> tuple[str, ...]:
    """Options of a service by which it asks somebody else than main.cf says whether a password is right.

    Args:
        name: 'submission/inet'.
    """
    return tuple(
        f"{option.name}={option.value}"
        for service in state.master
        if service.name == name
        for option in service.options
        if option.name in (_TYPE, _PATH)
    )


def of_services(state: MailState, name: str) -> tuple[str, ...]:
    """Those options for a service that this runbook writes, where Dovecot checks logins by master.cf alone.

    Args:
        name: the service that is there, whose own count before those of the other one; '' where there is none.
    """
    others = (other for port in (587, 465) for other in state.service_on_port(port))
    found = (own_options(state, one) for one in (name, *others))
    return next((options for options in found if f"{_TYPE}=dovecot" in options), ())


def foreign_variables(state: MailState) -> tuple[tuple[str, str, str], ...]:
    """Variables of saslauthd's settings file that somebody else set: name, what is there, what it means here."""
    defaults = state.seen[state.family.saslauthd_defaults]
    if defaults.file is None or defaults.line in state.left_files:
        return ()
    content = _content(defaults.file)
    found = []
    for name, text, _ in variables(state):
        lines = lines_of(content, name)
        left = state.release.saslauthd_left.get(name)
        if lines not in ([text], [left] if left else []):
            found.append((name, " / ".join(lines) or message("no line"), message("this chapter writes it")))
    for line in lines_of(content, "MECHANISMS"):
        if line != 'MECHANISMS="pam"':
            found.append(("MECHANISMS", line, message("logins are checked elsewhere")))
    return tuple(found)


def variables(state: MailState) -> list[tuple[str, str, str]]:
    """Name, line and reason of each variable that this runbook wants in saslauthd's settings file.

    saslauthd takes what stands behind the '@' of a login name for a realm, which PAM never sees: everybody is known by
    the bare name, whatever stands behind it. Where users have names with a realm it must not (saslauthd(8), -r).
    """
    wanted = state.host.sasl
    whole_name = "-r " if wanted.realm else ""
    return [
        (name, text.format(workers=wanted.workers, whole_name=whole_name), why)
        for name, text, why in state.release.saslauthd_variables
    ]


def rulings(state: MailState, other: OtherLogin | None) -> dict[str, Ruling]:
    """What a login that is there means for the entries of main.cf that this chapter reads, by parameter."""
    found = _of_mechanisms(state, other)
    if other is None:
        return found
    if other.where == Place.main(_TYPE):
        found |= {
            name: Ruling(other.works, why if other.works else other.half_made) for name, why in _SAID.items()
        }
    if other.works and not state.host.submission.auth_on_25:
        found["smtpd_sasl_auth_enable"] = _auth_on_25(state)
    return found


def settings_of_mechanisms(state: MailState) -> dict[str, str]:
    """The entries of main.cf that say by which mechanisms users log in, with every `$name` expanded."""
    rows = (line.split(" = ", 1) for line in state.facts["expanded"].value.splitlines() if " = " in line)
    return {name: value for name, value in rows if name in (*mechanisms.SETTINGS, _TYPE)}


def _of_mechanisms(state: MailState, other: OtherLogin | None) -> dict[str, Ruling]:
    """What is left to log in by, whoever checks the password; our own saslauthd is asked by PLAIN and by LOGIN."""
    given = settings_of_mechanisms(state)
    if other is not None and other.by.startswith("Dovecot"):
        given[_TYPE] = "dovecot"
    lacks = mechanisms.lacks(given, ("PLAIN",) if other is not None else ("PLAIN", "LOGIN"))
    stays = _PART if other is not None and other.works else _LEFT
    return {
        name: Ruling(name not in lacks, lacks.get(name, stays))
        for name in mechanisms.SETTINGS
        if name in given
    }


def auth_on_25_stays(state: MailState, other: OtherLogin | None) -> bool:
    """True where port 25 takes logins, under TLS only, as somebody set it up: this chapter alters nothing about it."""
    entry = state.main_cf
    return bool(
        other
        and other.works
        and entry.get("smtpd_sasl_auth_enable") == "yes" == entry.get("smtpd_tls_auth_only")
    )


def _auth_on_25(state: MailState) -> Ruling:
    if state.main_cf.get("smtpd_tls_auth_only") == "yes":
        return Ruling(True, message("port 25 takes logins under TLS, and that stays"))
    return Ruling(
        False,
        message(
            "port 25 takes logins in clear, which smtpd_tls_auth_only = yes ends; submission.auth_on_25 in the "
            "inventory says that it goes on taking them under TLS"
        ),
    )


def _cyrus(state: MailState, text: str, where: Place) -> OtherLogin:
    # SASL does not mind in which case a key stands there (config.c of Cyrus SASL).
    conf = {
        name.lower(): value
        for name, value in re.findall(r"^(\w+)[ \t]*:[ \t]*(.*?)[ \t]*$", text, flags=re.MULTILINE)
    }
    # Several are tried in their order until one says yes (checkpw.c).
    methods = conf.get("pwcheck_method", "auxprop").lower().split()
    judged = [_by_method(method, conf, state) for method in methods]
    by = functools.reduce(_then, (by for by, _ in judged)) if judged else ""
    works = any(not lacks for _, lacks in judged) and all(method in _METHODS for method in methods)
    lacks = "" if works else joined("; ", (lacks for _, lacks in judged if lacks))
    narrowed = "mech_list" in conf or "smtpd_sasl_mechanism_filter" in state.main_cf
    if works and "mech_list" in conf and "PLAIN" not in conf["mech_list"].upper().split():
        lacks = message("mech_list has no PLAIN, by which mail programs log in")
    if works and "saslauthd" in methods and not narrowed:
        lacks = message("without mech_list smtpd offers mechanisms that saslauthd cannot check")
    if not text:
        lacks = message(
            "smtpd finds nothing in {path}, so it does not ask saslauthd", path=state.family.smtpd_sasl_conf
        )
    if not state.facts["plain_plugin"].value:
        lacks = message("SASL's plug-in for PLAIN is not installed")
    return OtherLogin(by, where, lacks)


def _then(first: str, second: str) -> str:
    return message("{first}, then {second}", first=first, second=second)


def _by_method(method: str, conf: Mapping[str, str], state: MailState) -> tuple[str, str]:
    """Who checks by a method of `pwcheck_method`, and what it lacks ('': nothing)."""
    if method == "saslauthd":
        mechanisms = re.findall(r" -a ?(\S+)", state.facts["saslauthd_masters"].value)
        by = message("saslauthd ({mechanisms})", mechanisms=", ".join(mechanisms) or message("not running"))
        return by, _place_lacks(state, "saslauthd")
    if method == "auxprop":
        plugin = conf.get("auxprop_plugin", "sasldb")
        by = message("SASL's auxprop plug-in {plugin}", plugin=plugin)
        return by, _place_lacks(state, "sasldb") if plugin == "sasldb" else ""
    return (
        message("SASL's {method}", method=method),
        message("pwcheck_method {method} is not known here", method=method),
    )


def _place_lacks(state: MailState, kind: str) -> str:
    for row in state.facts["login_places"].value.splitlines():
        found, seen, path = row.split(" ", 2)
        if found == kind:
            return _is_amiss(path, seen)
    return message("nobody could look where {kind} is", kind=kind)


def _is_amiss(path: str, seen: str) -> str:
    """What the look at a socket or file found; '' where it is open, as it should be."""
    if seen == "absent":
        return message("{path} is not there", path=path)
    if seen == "deaf":
        return message("{path} is there, but nothing listens on it", path=path)
    return message("{path} may not be opened by the user postfix", path=path) if seen == "shut" else ""


def _content(file: FileState | None) -> str:
    return (file.content or b"").decode("utf-8", errors="replace") if file else ""
