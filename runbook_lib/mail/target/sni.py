"""Certificates that Postfix chooses by the name that a client sends: tls_server_sni_maps.

Such an entry goes before all that chapter 2 writes. One for a name that users type shows them another
certificate than the one that was signed, and the verification would fail, after everything was made.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runbook_lib.mail.configuration.state import MailState
from runbook_lib.mail.target.decisions import Ruling
from runbook_lib.messages import joined, message
from runbook_lib.remote.change import quote
from runbook_lib.x509.certificate import spelled_serial

NAME = "tls_server_sni_maps"
_OTHERS = message("it has nothing for any of the names that users type: it stays")


@dataclass(frozen=True)
class Chosen:
    """What a table has for a name.

    Args:
        name: a name that users type.
        key: what stands in the table: the name, or a domain above it that begins with a dot.
        table: type and name, as main.cf has it.
        serial: of the first certificate; '' where it cannot be read.
    """

    name: str
    key: str
    table: str
    serial: str

    @property
    def told(self) -> str:
        """In a few words: which name, by which entry of which table."""
        if self.key == self.name:
            return f"{self.name} ({self.table})"
        return message("{name} ({table}, entry {entry})", name=self.name, table=self.table, entry=self.key)


def facts(names: Iterable[str]) -> dict[str, str]:
    """A read-only command: a line `NAME KEY TABLE SERIAL` for each name that a table has something for.

    The values have keys in them, and never leave the host. A name is looked for as Postfix does it: as it is, then as
    each domain above it with a dot before it, in all tables at each step (tls_misc.c; TLS_README, 'Server-side SNI').

    Args:
        names: those that users type.
    """
    listed = " ".join(map(quote, names))
    return {
        "chosen_by_name": f"m=$(postconf -hx {NAME} 2>/dev/null | tr , ' '); test -n \"$m\" || exit 0; set -f; "
        'for t in $m; do e=$(postmap -q no.invalid -F "$t" 2>&1 >/dev/null) || :; '
        'if [ -n "$e" ]; then echo "- - $t -"; fi; done; '
        f"for n in {listed}; do k=$n; while :; do for t in $m; do "
        'if v=$(postmap -q "$k" -F "$t" 2>/dev/null) && [ -n "$v" ]; then '
        "s=$(printf '%s\\n' \"$v\" | openssl x509 -noout -serial 2>/dev/null) || :; "
        'echo "$n $k $t ${s#serial=}"; break 2; fi; done; '
        "r=${k#?}; case $r in *.*) k=.${r#*.} ;; *) break ;; esac; done; done"
    }


def chosen(state: MailState) -> Iterator[Chosen]:
    """The names that a table has something for; '-' for a name stands for a table that cannot be read."""
    for row in state.facts["chosen_by_name"].value.splitlines():
        name, key, table, serial = (*row.split(" "), "")[:4]
        yield Chosen(name, key, table, serial)


def rulings(state: MailState) -> dict[str, Ruling]:
    """Whether the tables can stay: they do where no name of the inventory is shown another certificate by them."""
    if NAME not in state.main_cf or not state.main_cf[NAME]:
        return {}
    rows = tuple(chosen(state))
    if unread := [one.table for one in rows if one.name == "-"]:
        why = message(
            "{tables} cannot be read, so which certificate users would be shown is not known: make it with postmap -F",
            tables=", ".join(unread),
        )
        return {NAME: Ruling(False, why)}
    right = {name: _right(one) for one in state.by_certificate for name in one.host.names.all}
    wrong = [one for one in rows if one.serial not in right.get(one.name, set())]
    if wrong:
        why = message(
            "for {names} it has another certificate than the one that chapter 2 puts in place, and goes before it: "
            "users would be shown that one, and chapter 2 would fail and be put back. Take the entry out, or put the "
            "new certificate into it",
            names=_listed(wrong),
        )
        return {NAME: Ruling(False, why)}
    if rows:
        why = message(
            "for {names} it has the certificate that is there now; a table keeps a copy, so each renewal has to be put "
            "into it: postmap -F",
            names=_listed(rows),
        )
        return {NAME: Ruling(True, why)}
    return {NAME: Ruling(True, _OTHERS)}


def _right(state: MailState) -> set[str]:
    """Serials that users are to be shown."""
    there = state.certificate
    if there and there.serves:
        return {spelled_serial(leaf.serial_number) for leaf in there.found.leaves}
    return set() if state.pair_comes else {state.facts["certificate_serial"].value} - {""}


def _listed(found: Iterable[Chosen]) -> str:
    return joined(", ", (one.told for one in found))
