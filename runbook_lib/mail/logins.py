"""Logins that are checked already, by Dovecot or by a SASL that somebody set up: they stay, where they can work.

Chapter 2 then touches no package, file or unit of SASL; its services take logins and inherit who checks them.
"""

import re
from dataclasses import dataclass

from runbook_lib import inventory
from runbook_lib.families import Family, Release
from runbook_lib.mail.ruling import Ruling
from runbook_lib.mail.state import MailState
from runbook_lib.remote.change import quote
from runbook_lib.remote.files import FileState
from runbook_lib.remote.variables import lines_of

MEND = "mend it, or take it away: then this chapter sets up saslauthd"
# Words for what the look at a socket or file found; `open` is how it should be.
_STATES = {
    "absent": "is not there",
    "deaf": "is there, but nothing listens on it",
    "shut": "may not be opened by the user postfix",
}
_SAID = {
    "smtpd_sasl_type": "it says who checks logins, and that stays",
    "smtpd_sasl_path": "it says where logins are checked, and that stays",
    "smtpd_sasl_local_domain": "part of the login that stays",
    "smtpd_sasl_service": "part of the login that stays",
}
_OPTIONS = ("smtpd_sasl_security_options", "smtpd_sasl_tls_security_options")


@dataclass(frozen=True)
class OtherLogin:
    """Logins that something else than this runbook checks.

    Args:
        by: who, for a person: 'Dovecot at private/auth', 'saslauthd (shadow)'.
        where: the place that says so.
        lacks: why it cannot work for the submission services; "" where nothing speaks against it.
    """

    by: str
    where: str
    lacks: str = ""

    @property
    def works(self) -> bool:
        """True where the submission services can use it."""
        return not self.lacks

    @property
    def told(self) -> str:
        """One sentence."""
        if self.works:
            return f"Logins are checked by {self.by}; that stays."
        return f"Logins are to be checked by {self.by}, and that is half-made: {self.lacks}."


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
            f'conf() {{ sed -n "s/^$1[[:space:]]*:[[:space:]]*//p" {conf} 2>/dev/null | tail -n 1; }}; '
            'at() { case $1 in inet:*) printf %s "$1" ;; '
            f'/*) printf %s "{root}$1" ;; *) printf %s "$q/$1" ;; esac; }}; '
            "listens() { awk '$4 == \"00010000\" { print $8 }' /proc/net/unix | while read -r l; do "
            'if [ "$l" -ef "$1" ]; then echo "$l"; fi; done | grep -q .; }; '
            "look() { s=open; case $2 in inet:*) ;; *) "
            'if [ ! -S "$2" ]; then s=absent; elif ! listens "$2"; then s=deaf; '
            f'elif ! {mine} -w "$2"; then s=shut; fi ;; esac; echo "$1 $s $2"; }}; '
            'p=$(postconf -hx smtpd_sasl_path); look dovecot "$(at "${p#unix:}")"; '
            'p=$(conf saslauthd_path); look saslauthd "$(at "${p:-/var/run/saslauthd/mux}")"; '
            f'p=$(conf sasldb_path); p=$(at "${{p:-{family.sasldb}}}"); s=open; '
            f'if [ ! -e "$p" ]; then s=absent; elif ! {mine} -r "$p"; then s=shut; fi; echo "sasldb $s $p"'
        ),
        "plain_plugin": "ls /usr/lib/*/sasl2/libplain.so* /usr/lib*/sasl2/libplain.so* 2>/dev/null | head -n 1",
    }


def other_login(
    state: MailState, family: Family, release: Release, host: inventory.Host
) -> OtherLogin | None:
    """Who checks logins where this runbook did not set that up; None: nobody does, or this runbook did."""
    if not state.installed:
        return None
    if state.main_cf.get("smtpd_sasl_type") == "dovecot":
        path = state.main_cf.get("smtpd_sasl_path", "smtpd, the default of smtpd_sasl_path")
        return OtherLogin(f"Dovecot at {path}", "main.cf, smtpd_sasl_type", _place_lacks(state, "dovecot"))
    conf = state.seen[family.smtpd_sasl_conf]
    own_conf = (
        conf.is_absent or conf.line in state.left_files or _content(conf.file) == family.smtpd_sasl_text
    )
    own_defaults = not foreign_variables(state, family, release, host)
    if own_conf and own_defaults:
        return None
    where = str(family.saslauthd_defaults if own_conf else family.smtpd_sasl_conf)
    return _cyrus(state, _content(conf.file), where, family)


def foreign_variables(
    state: MailState, family: Family, release: Release, host: inventory.Host
) -> tuple[tuple[str, str, str], ...]:
    """Variables of saslauthd's settings file that somebody else set: name, what is there, what it means here."""
    defaults = state.seen[family.saslauthd_defaults]
    if defaults.file is None or defaults.line in state.left_files:
        return ()
    content = _content(defaults.file)
    found = []
    for name, text, _ in variables(release, host):
        lines = lines_of(content, name)
        left = release.saslauthd_left.get(name)
        if lines not in ([text], [left] if left else []):
            found.append((name, " / ".join(lines) or "no line", "this chapter writes it"))
    for line in lines_of(content, "MECHANISMS"):
        if line != 'MECHANISMS="pam"':
            found.append(("MECHANISMS", line, "logins are checked elsewhere"))
    return tuple(found)


def variables(release: Release, host: inventory.Host) -> list[tuple[str, str, str]]:
    """Name, line and reason of each variable that this runbook wants in saslauthd's settings file.

    saslauthd takes what stands behind the '@' of a login name for a realm, which PAM never sees: everybody is known by
    the bare name, whatever stands behind it. Where users have names with a realm it must not (saslauthd(8), -r).
    """
    whole_name = "-r " if host.sasl.realm else ""
    return [
        (name, text.format(workers=host.sasl.workers, whole_name=whole_name), why)
        for name, text, why in release.saslauthd_variables
    ]


def rulings(state: MailState, other: OtherLogin | None, host: inventory.Host) -> dict[str, Ruling]:
    """What a login that is there means for the entries of main.cf that this chapter reads, by parameter."""
    if other is None:
        return {}
    found: dict[str, Ruling] = {}
    if other.where.endswith("smtpd_sasl_type"):
        half_made = f"{other.lacks}: {MEND}"
        found |= {name: Ruling(other.works, why if other.works else half_made) for name, why in _SAID.items()}
    if other.works:
        expanded = dict(
            line.split(" = ", 1) for line in state.facts["expanded"].value.splitlines() if " = " in line
        )
        for name in _OPTIONS:
            safe = "noanonymous" in expanded.get(name, "")
            why = (
                "part of the login that stays"
                if safe
                else "without noanonymous it may let in who has no password"
            )
            found[name] = Ruling(safe, why)
        if not host.submission.auth_on_25:
            found["smtpd_sasl_auth_enable"] = _auth_on_25(state)
    return found


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
        return Ruling(True, "port 25 takes logins under TLS, and that stays")
    return Ruling(
        False,
        "port 25 takes logins in clear, which smtpd_tls_auth_only = yes ends; submission.auth_on_25 in the inventory "
        "says that it goes on taking them under TLS",
    )


def _cyrus(state: MailState, text: str, where: str, family: Family) -> OtherLogin:
    conf = dict(re.findall(r"^(\w+)[ \t]*:[ \t]*(.*?)[ \t]*$", text, flags=re.MULTILINE))
    method = conf.get("pwcheck_method", "auxprop")
    mechanisms = re.findall(r" -a ?(\S+)", state.facts["saslauthd_masters"].value)
    lacks = ""
    if method == "saslauthd":
        by = f"saslauthd ({', '.join(mechanisms) or 'not running'})"
        lacks = _place_lacks(state, "saslauthd")
        narrowed = "mech_list" in conf or "smtpd_sasl_mechanism_filter" in state.main_cf
        if not lacks and not narrowed:
            lacks = "without mech_list smtpd offers mechanisms that saslauthd cannot check"
    elif method == "auxprop":
        plugin = conf.get("auxprop_plugin", "sasldb")
        by = f"SASL's auxprop plug-in {plugin}"
        if plugin == "sasldb":
            lacks = _place_lacks(state, "sasldb")
    else:
        by, lacks = f"SASL's {method}", f"pwcheck_method {method} is not known here"
    if not text:
        lacks = f"smtpd finds nothing in {family.smtpd_sasl_conf}, so it does not ask saslauthd"
    if not state.facts["plain_plugin"].value:
        lacks = "SASL's plug-in for PLAIN is not installed"
    return OtherLogin(by, where, lacks)


def _place_lacks(state: MailState, kind: str) -> str:
    for row in state.facts["login_places"].value.splitlines():
        found, seen, path = row.split(" ", 2)
        if found == kind:
            return f"{path} {_STATES[seen]}" if seen in _STATES else ""
    return f"nobody could look where {kind} is"


def _content(file: FileState | None) -> str:
    return (file.content or b"").decode("utf-8", errors="replace") if file else ""
