"""Targets: files that an administrator wrote, read to the byte, and files that a CA sent back."""

import base64
import io
import zipfile

import hostile_chains as chains
import hostile_inputs as inputs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hostile import Target, check_shown, check_texts
from hostile_host import said_by
from hostile_inputs import bent, encoded
from hostile_mail import FACTS_FOUND, asked, host
from hostile_pki import ROOT_PEM, accepted_by_openssl
from hostile_words import PARAMETERS
from hypothesis import strategies as st

from runbook_lib.display import Table
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.configuration import parse
from runbook_lib.mail.differences import settings
from runbook_lib.mail.findings import explained, paths
from runbook_lib.mail.findings.finding import Look
from runbook_lib.mail.reading import read_mail
from runbook_lib.pki import certificate, importing
from runbook_lib.x509.keys import public_key_sha256

_SEPARATOR = b"\x1e"
_TYPES = frozenset(("hash", "btree", "cidr", "pcre", "static", "inline"))
_NAMES = frozenset((*PARAMETERS, "myhostname", "mynetworks", "inet_interfaces"))


def take_configuration(content: bytes) -> bool:
    """main.cf and master.cf as they lie there: every line is accounted for, and every row may be shown."""
    main, _, master = content.partition(_SEPARATOR)
    for found in (parse.entries(main), parse.services(master)):
        numbers = [one.number for one in found]
        assert numbers == sorted(set(numbers))
        assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers)
    said = FACTS_FOUND | {
        "main_cf_file": base64.b64encode(main).decode(),
        "master_cf_file": base64.b64encode(master).decode(),
        "main_cf": "\n".join(f"{one.name} = {one.value}" for one in parse.entries(main) if one.name),
    }
    answer = "".join(
        f"{name}\0000\0{said.get(name, 'absent' if name.startswith('/') else '')}\0" for name in asked()
    )
    ours = host()[1]
    state = read_mail(said_by(encoded(answer)), ours, DEBIAN, DEBIAN.releases["12"])
    defaults = {"default_database_type": "hash", "smtpd_forbid_bare_newline": "no", "elsewhere": ""}
    look = Look(state, main, master, _TYPES, _NAMES, {}, defaults)
    named = paths.named(look)
    check_texts(named)
    told = settings.differences(state)
    rows = explained.explain(look, told)
    check_shown(
        Table(("where", "what", "meaning", "fate"), [(r.where, r.found, r.meaning, r.fate) for r in rows])
    )
    return True


def take_returned(content: bytes) -> bool:
    """A file that came back: what is made of it is for the server's key, and OpenSSL verifies it by the root alone."""
    proven = importing.canonical(
        [("returned", content)], chains.SERVER_KEY, ROOT_PEM, [chains.NAME], (), 30, chains.NOW, "mail1"
    )
    check_texts(proven.notes)
    assert public_key_sha256(proven.leaf.public_key()) == chains.SERVER_KEY
    assert b"PRIVATE KEY" not in proven.pem
    assert accepted_by_openssl(proven.pem)
    return True


def _zipped(contents: list[bytes]) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, one in enumerate(contents):
            archive.writestr(zipfile.ZipInfo(f"{number}.crt"), one)
    return kept.getvalue()


def _forms(one: list[x509.Certificate]) -> st.SearchStrategy[bytes]:
    text = b"".join(map(certificate.as_pem, one))
    der = [each.public_bytes(Encoding.DER) for each in one]
    made = [text, text.replace(b"\n", b"\r\n"), text.decode().encode("utf-16"), b"".join(der), _zipped(der)]
    made += [pkcs7.serialize_certificates(one, form) for form in (Encoding.DER, Encoding.PEM)]
    return st.sampled_from(made)


_right = st.permutations([chains.LEAF, chains.LOWER, chains.UPPER])
_sets = st.one_of(_right, st.lists(st.sampled_from(chains.POOL), min_size=1, max_size=4))
_came = _sets.flatmap(_forms)
_written = st.builds(
    lambda main, master: encoded(main) + _SEPARATOR + encoded(master), inputs.main_cf, inputs.master_cf
)

TARGETS = (
    Target("configuration", take_configuration, st.one_of(_written, bent(_written))),
    Target("returned", take_returned, st.one_of(_came, bent(_came))),
)
