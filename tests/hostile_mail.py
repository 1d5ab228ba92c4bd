"""Targets: what mail servers answer, what Postfix says of its settings, and what else is read about mail."""

import base64
import functools
import socket
import time
from dataclasses import replace

import hostile_inputs as inputs
from hostile import Target, check_shown, check_texts
from hostile_chains import LEAF
from hostile_host import said_by, written
from hostile_inputs import bent, encoded, mostly, numbers, words
from hypothesis import strategies as st

from runbook_lib import inventory
from runbook_lib.display import Table, escape_bytes
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.certificates import configured, mta_sts
from runbook_lib.mail.configuration.postconf import BLANK
from runbook_lib.mail.differences import surroundings
from runbook_lib.mail.probes.obstacle import Stopped
from runbook_lib.mail.probes.smtp import Conversation
from runbook_lib.mail.probes.target import Endpoint
from runbook_lib.mail.reading import questions, read_mail
from runbook_lib.mail.target import chapter_plans, filters, logins, restrictions
from runbook_lib.mail.target.restrictions.parse import parse
from runbook_lib.mail.target.restrictions.parse import words as split
from runbook_lib.pki import certificate
from runbook_lib.remote.facts import Fact


def take_smtp(content: bytes) -> bool:
    """A server that says this and hangs up, over a real pair of sockets: replies, or one obstacle with its words."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        theirs.send(content)  # as much as the kernel takes
        theirs.shutdown(socket.SHUT_WR)
        talk = Conversation(Endpoint("192.0.2.25", 25), ours, "192.0.2.1", time.monotonic() + 5)
        replies = []
        try:
            with talk:
                replies.append(talk.greeting())
                replies.append(talk.ehlo("client.example.test"))
                replies.append(talk.data(b"Subject: x\r\n\r\n.\r\n"))
        except Stopped as stop:
            check_texts([stop.obstacle.words])
        for reply in replies:
            assert 200 <= reply.code <= 599
            assert reply.code != 421
            reply.extension("AUTH")
            assert len(reply.brief) <= 104
        check_texts(text for reply in replies for text in (reply.brief, *reply.lines))
    return len(replies) == 3


@functools.cache
def host() -> tuple[inventory.Inventory, inventory.Host]:
    """An inventory's host, as a chapter has it."""
    book = inventory.load(written("mail.yaml", inputs.GOOD_INVENTORY.encode()))
    return book, book.host("mail1")


@functools.cache
def asked() -> tuple[str, ...]:
    """Names of the facts that a look at a host's mail asks for, in their order."""
    return tuple(questions(DEBIAN, host()[1]))


FACTS_FOUND = {
    "mail_version": "3.7.11",
    "warnings": "",
    "running": "",
    "packages": "\n".join(DEBIAN.packages),
}
_SEPARATOR = "\x1e"
_SAID = (
    "main_cf",
    "services",
    "expanded",
    "listeners",
    "left",
    "login_places",
    "masters",
    "mail_version",
    "changed",
    "taken_up",
    "certificates_changed",
    "smtpd_started",
)


def answered(content: bytes) -> bytes:
    """The answer of a host whose facts in `_SAID` are the parts of the content, and the others as on a Debian 12."""
    parts = escape_bytes(content).replace("\0", "").split(_SEPARATOR)
    said = FACTS_FOUND | dict(zip(_SAID, parts, strict=False))
    return encoded("".join(f"{name}\0000\0{said.get(name, _state(name))}\0" for name in asked()))


def _state(name: str) -> str:
    return f"absent\n\t{name}\t" if name.startswith("/") else ""


def take_postconf(content: bytes) -> bool:
    """What postconf and its like print: the whole of chapter 2 is planned by it, and every sentence may be shown."""
    state = read_mail(said_by(answered(content)), host()[1], DEBIAN, DEBIAN.releases["12"])
    state = replace(state, facts={**state.facts, "hostname": Fact("mail.example.test", 0)})
    assert all(name == name.strip(BLANK) for name in state.main_cf)
    plans = chapter_plans.all_of(state)
    check_shown(*plans, chapter_plans.taking_up(state, plans, plans))
    other = logins.other_login(state)
    found = {
        **filters.rulings(state),
        **restrictions.rulings(state),
        **logins.rulings(state, other),
    }
    differences = surroundings.differences(state)
    rows = [(name, ruling.why) for name, ruling in found.items()]
    check_shown(
        Table(("setting", "what it means"), [*rows, *((str(one.where), one.why) for one in differences)])
    )
    check_texts((*filters.told(state), *state.warnings, other.told if other else ""))
    return True


def take_restrictions(content: bytes) -> bool:
    """A list's words are those of its elements, none lost and none made up; read again they are the same."""
    value = escape_bytes(content)
    try:
        elements = parse("smtpd_recipient_restrictions", value)
    except ValueError:  # as it says itself
        assert value.count("{") > value.count("}") or "}" in value
        return False
    taken = [word for element in elements for word in element.words]
    given = list(split(value))
    assert taken == given[: len(taken)]
    assert all(word.lower() == "warn_if_reject" for word in given[len(taken) :])
    assert parse("smtpd_recipient_restrictions", " ".join(taken)) == elements
    check_texts(element.text for element in elements)
    return True


def take_sts_policy(content: bytes) -> bool:
    """A policy that the web server of a mail domain hands out."""
    try:
        policy = mta_sts.parse(content.decode("utf-8", errors="replace"))
    except mta_sts.Unanswered as error:
        check_texts([str(error)])
        return False
    assert policy.mode in ("enforce", "testing", "none")
    policy.covers("mail.example.test")
    return True


def take_found_certificate(content: bytes) -> bool:
    """What the look at a host's certificate files and renewal programs printed."""
    entries, _, rows = escape_bytes(content).partition(_SEPARATOR)
    found = configured.read(
        {"certificate_entries": Fact(entries, 0), "certificate_files": Fact(rows, 0)}, "mail1"
    )
    if found is None:
        return False
    check_texts(str(path) for file in found.files for path in (file.path, file.real))
    check_texts(renewal.program for renewal in found.renewed_by)
    return bool(found.chain)


_left = st.lists(st.builds("{}\t{}\t{}".format, words, words, words), max_size=2).map("\n".join)
_places = st.lists(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(("dovecot", "saslauthd", "sasldb")),
        st.sampled_from(("open", "shut", "deaf", "absent", "x")),
        words,
    ),
    max_size=3,
).map("\n".join)
_postconf = st.builds(
    lambda *parts: encoded(_SEPARATOR.join(parts)),
    inputs.main_cf,
    inputs.master_cf,
    inputs.main_cf,
    mostly("", inputs.master_cf),
    mostly("", st.one_of(_left, words)),
    st.one_of(_places, words),
    mostly("", words),
    mostly("3.7.11", st.one_of(words, numbers)),
    mostly("1.5", st.one_of(words, numbers)),
    mostly("2", st.one_of(words, numbers)),
)
_sts = st.lists(
    st.builds(
        "{}{}{}".format,
        st.sampled_from(("version: ", "mode: ", "mx: ", "max_age:", "")),
        st.one_of(st.sampled_from(("STSv1", "enforce", "testing", "*.example.test")), words),
        st.sampled_from(("\r\n", "\n", "\r")),
    ),
    max_size=6,
).map(lambda lines: encoded("".join(["version: STSv1\nmode: testing\n", *lines])))
_PEM = base64.b64encode(certificate.as_pem(LEAF)).decode()
_file_row = st.builds("file\t{}\t{}\t600 root:root\t\t{}".format, words, words, st.sampled_from(("", _PEM)))
_certificate_row = st.builds(
    "{}\t{}\t{}\t{}\t{}\t{}".format,
    st.sampled_from(("file", "file", "certbot", "x")), words, words, words, words,
    st.one_of(st.sampled_from(("", _PEM, "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", "YQ==")), words),
)  # fmt: skip
_found = st.builds(
    lambda entries, good, rows: encoded(entries + _SEPARATOR + "\n".join([*good, *rows])),
    inputs.main_cf,
    st.lists(_file_row, max_size=3),
    st.lists(st.one_of(_certificate_row, words), max_size=1),
)

TARGETS = (
    Target("smtp", take_smtp, st.one_of(inputs.smtp, bent(inputs.smtp))),
    Target("postconf", take_postconf, _postconf),
    Target("restrictions", take_restrictions, inputs.restriction_lists),
    Target("sts-policy", take_sts_policy, st.one_of(_sts, bent(_sts))),
    Target("found-certificate", take_found_certificate, st.one_of(_found, bent(_found))),
)
