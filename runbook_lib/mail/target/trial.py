"""What Postfix would read, tried before anything is changed: by a second Postfix on the host, for some seconds.

`postconf` and `postfix check` take much that smtpd refuses when it starts: an empty list of ciphers, a key that does
not fit, a restriction list that would make an open relay. smtpd's stand-alone mode (`sendmail -bs`) reads no
certificate. So smtpd runs under a master(8) of its own, on loopback alone, with queue and data in a folder of its own;
no service that could take a mail is there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import PurePosixPath

from runbook_lib.errors import ApplyRefused
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.configuration.parse import port_of
from runbook_lib.mail.configuration.postconf import line
from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target import pairs
from runbook_lib.mail.target.postfix import settings
from runbook_lib.mail.target.services import services
from runbook_lib.messages import message
from runbook_lib.remote.change import here_document, quote
from runbook_lib.remote.connection import Host

TOLD = message(
    "Tried at apply, before the first change: a second Postfix reads this for some seconds, on loopback alone and "
    "without a queue that anything could come into. What smtpd refuses is not written."
)
_SH = resources.files(__package__).joinpath("trial.sh").read_text()
_BESIDE = (
    "postlog unix-dgram n - n - 1 postlogd\n"
    "tlsmgr unix - - n 1000? 1 tlsmgr\n"
    "anvil unix - - n - 1 anvil\n"
    "proxymap unix - - n - - proxymap\n"
)
_FIRST = (3, 4)  # writes a log of its own (postconf(5), maillog_file), so that the site's is left alone
_SAID = re.compile(
    r"(?:smtpd|tlsmgr|master)\[\d+\]: (?:[^:]*: )?(?P<words>(?:fatal|panic|error|warning): .*)"
)
_ABOUT_IT = re.compile(r"^(fatal|panic): |TLS|SSL|certificate|private key|cipher")
_COMMAND = 7  # the eighth column of master.cf


@dataclass(frozen=True)
class Trial:
    """How it came out.

    Args:
        refused: ports that did not do TLS, where Postfix listened.
        said: Postfix's own words.
        why_not: why nothing was tried; "" where it was.
    """

    refused: tuple[int, ...] = ()
    said: tuple[str, ...] = ()
    why_not: str = ""


def run(remote: Host, state: MailState) -> Trial:
    """Try the configuration as it will be.

    While no certificate is there that fits its key, one for the trial alone stands in for it.

    Args:
        remote: the host; its own configuration is only read.
        state: as it is now.
    """
    if state.version < _FIRST:
        return Trial(why_not=message("Postfix {version} keeps no log of its own", version=state.version_text))
    lines = _lines(state)
    if not lines:
        return Trial(why_not=message("no port has a service with smtpd"))
    script = _script(state, lines)
    result = remote.run(script, root=True, timeout_s=90, check=False)
    told, _, log = result.text.partition("\n\n")
    statuses = dict(row.split(" ") for row in told.splitlines() if re.fullmatch(r"\d+ (\d+|closed)", row))
    said = tuple(dict.fromkeys(found["words"] for found in _SAID.finditer(log)))
    if set(statuses) != {str(port) for port in lines} or "closed" in statuses.values():
        return Trial(said=said, why_not=message("the second Postfix did not come up"))
    refused = tuple(port for port in lines if statuses[str(port)] != "0")
    if refused and not any(_ABOUT_IT.search(words) for words in said):
        return Trial(said=said, why_not=message("a client on loopback does not come as far as TLS"))
    if "124" in statuses.values() and not any(words.startswith(("fatal", "panic")) for words in said):
        return Trial(said=said, why_not=message("it did not answer in time"))  # timeout(1); the host is busy
    return Trial(refused, said)


def check(trial: Trial, where: str) -> None:
    """Refuse what smtpd refuses.

    Raises:
        ApplyRefused: with smtpd's own words. Nothing was changed.
    """
    if not trial.refused:
        return
    ports = ", ".join(map(str, trial.refused))
    said = "\n    ".join(trial.said)
    raise ApplyRefused(
        message(
            "smtpd refuses the configuration as it would be (tried beside the running one, port "
            "{ports}):\n    {said}",
            ports=ports,
            said=said,
        ),
        where,
        message("put right on the host what Postfix names; what this chapter writes was in the trial too"),
    )


def _lines(state: MailState) -> Mapping[int, str]:
    """The line of each port's smtpd, as it will be."""
    after = {service.name: service.after for service in services(state) if service.after is not None}
    found = {}
    for port in (25, 465, 587):
        on_port = [name for name in after if port_of(name) == port] or list(state.service_on_port(port))[-1:]
        for name in on_port:
            text = after.get(name) or state.services[name][-1]
            if (
                text.split(" ")[_COMMAND] == "smtpd"
                and next(iter(parse.services(text.encode()))).broken == ""
            ):
                found[port] = text
    return found


def _script(state: MailState, lines: Mapping[int, str]) -> str:
    wanted = settings(state)
    own = {one.files.joined: f"$1/etc/pem{ending}" for one, ending in _each(state)}
    pems = "; ".join(f'{_pem(one)} > "$1{ending}"' for one, ending in _each(state))
    edits = [_at_trial(line(s.name, s.after), own) for s in wanted if s.after is not None]
    gone = " ".join(quote(s.name) for s in wanted if s.after is None)
    edit = f'postconf -c "$1/etc" -e {" ".join(edits)}\n' if edits else ""
    edit += f'postconf -c "$1/etc" -X {gone}\n' if gone else ""
    table = _BESIDE + "".join(_line(port, text) for port, text in lines.items())
    ports = " ".join(map(str, lines))
    replaced = "; ".join(f"s|{path}|{trial_s}|g" for path, trial_s in own.items())
    return (
        "command -v openssl > /dev/null || exit 0\n"
        "trap '' HUP PIPE\n"  # a cut connection leaves nothing behind
        f"trial_ports='{ports}'\n"
        f"trial_pem() {{ {pems}; }}\n"
        f"trial_edit() {{\n{edit}:\n}}\n"
        f'trial_services() {{\nsed "{replaced}" {here_document(table)}\n}}\n'
        f"{_SH}\ntrial"
    )


def _each(state: MailState) -> list[tuple[MailState, str]]:
    """The state by each certificate, with the ending that its file has at the trial."""
    return [(one, "" if number == 0 else f".{number}") for number, one in enumerate(state.by_certificate)]


def _pem(state: MailState) -> str:
    """A command that prints key and certificate; where none are there that fit, one for the trial alone."""
    files = state.files
    if state.certificate is not None and state.certificate.serves:
        return ":"
    if pairs.ours_fit(state):
        return f"cat {quote(files.key)} {quote(files.certificate)}"
    kind = {"rsa": "rsa:2048", "p256": "ec -pkeyopt ec_paramgen_curve:prime256v1"}[
        state.host.certificate.key_type
    ]
    return f"openssl req -x509 -newkey {kind} -nodes -subj /CN=trial -days 2 -keyout - 2>/dev/null"


def _at_trial(entry: str, own: Mapping[PurePosixPath, str]) -> str:
    """An entry as a word of the shell, with the trial's own files in place of those that are not made yet."""
    for path, trial_s in own.items():
        if str(path) in entry:
            return f'"{trial_s}"'.join(quote(part) if part else "" for part in entry.split(str(path)))
    return quote(entry)


def _line(port: int, text: str) -> str:
    """A service on loopback, outside the chroot; no filter is asked, and no login taken."""
    columns = text.split(" ")
    columns[0] = f"127.87.25.1:10{port:03d}"
    columns[4] = "n"
    return " ".join(columns) + " -o smtpd_sasl_auth_enable=no -o smtpd_milters=\n"
