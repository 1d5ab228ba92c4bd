"""Whatever a public CA sends back becomes one chain, or a message that says which file and what to do.

The CA is a stand-in: the small hierarchy of `pki_chains`, root, upper and lower intermediate, server.
"""

import base64
import re
from collections.abc import Sequence

import pki_chains as chains
import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from pki_chains import LEAF, LOWER, NAME, NOW, ROOT, ROOT_PEM, SERVER_KEY, UPPER, certificate, file_of
from pki_returned_files import (
    ALL,
    CSR,
    KEY,
    PLAIN,
    REFUSED,
    SAID,
    SECRET,
    TAKEN,
    Files,
    Format,
    der,
    one,
    one_line,
    p7,
)

from runbook_lib.errors import CertificateRefused, PrivateKeyReturned
from runbook_lib.pki.chain import Chain
from runbook_lib.pki.importing import canonical


def imported(
    files: Files, names: Sequence[str] = (NAME,), also: Sequence[str] = (), roots: bytes = ROOT_PEM
) -> Chain:
    return canonical(files, SERVER_KEY, roots, names, also, 7, NOW, "mail1")


def refusal(files: Files, **more: Sequence[str]) -> str:
    with pytest.raises(CertificateRefused) as refused:
        imported(files, **more)  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize("case", TAKEN)
def test_it_becomes_the_one_chain_in_clean_pem(case: str) -> None:
    chain = imported(TAKEN[case])
    assert chain.pem == ALL
    assert chains.read_by_openssl(chain.pem) == ["server", "lower", "upper"]
    assert [(one.name, one.sha256) for one in chain.originals] == [
        (name, samples.sha256(content)) for name, content in TAKEN[case]
    ]


@pytest.mark.parametrize("case", SAID)
def test_what_was_put_right_is_said(case: str) -> None:
    told = "\n".join(imported(TAKEN[case]).notes)
    lines = len(file_of(LEAF).splitlines())
    assert "__MACOSX" not in told
    for words in SAID[case]:
        assert words.replace("line 9", f"line {lines}") in told


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_refused_with_file_and_reason(case: str) -> None:
    files, words = REFUSED[case]
    told = refusal(files)
    assert re.search(words, told, re.DOTALL), told
    assert told.startswith("mail1: ")
    assert "Nothing was changed." in told
    assert "To do: " in told


def test_a_certificate_that_demands_stapling_is_told() -> None:
    """Postfix staples nothing, so that clients which heed the demand refuse the server."""
    demanding = certificate("server", "lower", ca=False, must_staple=True)
    told = "\n".join(imported((("all.pem", file_of(demanding, LOWER, UPPER)),)).notes)
    assert "it demands a stapled OCSP answer ('must-staple'), and Postfix staples none" in told
    assert "must-staple" not in "\n".join(imported((("all.pem", file_of(LEAF, LOWER, UPPER)),)).notes)


def test_all_faults_of_all_files_come_at_once() -> None:
    told = refusal(
        (("a.pem", b"<html>"), ("b.pem", one_line(b"")), ("c.cer", der(LEAF)[:-1]), ("d.pem", CSR))
    )
    assert [name in told for name in ("- a.pem: ", "- b.pem: line 2", "- c.cer: ", "- d.pem, line 1")] == [
        True
    ] * 4


def test_a_refusal_of_the_chain_lists_what_came_with_its_places() -> None:
    told = refusal((("mail.crt", b"\n\n" + file_of(LEAF)), ("bundle.p7b", p7(UPPER))))
    assert f"- mail.crt, line 3: 'CN=server', issued by 'CN=lower', {NOW:%Y}" in told
    assert "- bundle.p7b: 'CN=upper', issued by 'CN=root'" in told


def test_where_the_missing_one_is_is_said_by_the_certificate_and_nothing_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 5280 4.2.2.1: caIssuers. It may lead anywhere, so a person follows it."""
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("something was fetched"))
    leaf = certificate("server", "lower", ca=False, issuer_at="http://ca.example.test/lower.cer")
    told = refusal(one(file_of(leaf)))
    assert "To do: get the certificate of 'CN=lower' from http://ca.example.test/lower.cer" in told
    assert "nothing was fetched" in told
    assert imported((("a", file_of(leaf)), ("lower.cer", der(LOWER)), ("upper.cer", der(UPPER)))).leaf == leaf


@pytest.mark.parametrize("case", SECRET)
def test_a_private_key_is_refused_and_nothing_of_it_is_told(case: str) -> None:
    content = SECRET[case]()
    with pytest.raises(PrivateKeyReturned) as refused:
        imported((("mail.pem", ALL), ("oops.bin", content)))
    told = str(refused.value)
    assert "oops.bin" in told
    assert "treat that key as exposed" in told
    assert "Delete the file" in told
    encoded = base64.b64encode(KEY.private_bytes(Encoding.DER, Format.PKCS8, PLAIN)).decode()
    pieces = {encoded[at : at + 16] for at in range(40, len(encoded) - 16, 4)}
    assert not [piece for piece in pieces if piece in told]
    assert refused.value.__cause__ is None
    if "PKCS #12" in case:
        assert "openssl pkcs12 -nokeys" in told


def test_every_file_is_looked_through_for_a_key_even_after_a_fault() -> None:
    with pytest.raises(PrivateKeyReturned, match=r"b\.key is or holds a private key"):
        imported((("a.pem", b"<html>"), ("b.key", samples.private_pem(KEY))))


def test_a_name_that_somebody_decided_to_accept_is_no_difference() -> None:
    more = certificate("server", "lower", ca=False, name=f"{NAME},www.example.test")
    chain = imported(one(file_of(more, LOWER, UPPER)), also=("www.example.test",))
    assert chain.leaf == more
    wild = certificate("server", "lower", ca=False, name="*.example.test")
    assert imported(one(file_of(wild, LOWER, UPPER)), also=("*.example.test",)).leaf == wild
    told = refusal(one(file_of(wild, LOWER, UPPER)), names=("a.b.example.test",), also=("*.example.test",))
    assert "a.b.example.test is not covered" in told


def test_an_address_in_the_certificate_is_a_difference_too() -> None:
    """It stands in a field of its own, and is told apart from a DNS name."""
    leaf = certificate("server", "lower", ca=False, name=f"{NAME},192.0.2.10,2001:db8::1")
    told = refusal(one(file_of(leaf, LOWER, UPPER)))
    assert "+ IP 192.0.2.10\n" in told
    assert "+ IP 2001:db8::1\n" in told
    accepted = imported(one(file_of(leaf, LOWER, UPPER)), also=("IP 192.0.2.10", "IP 2001:db8::1"))
    assert accepted.leaf == leaf
    for address, does in (("192.0.2.10", True), ("2001:DB8:0::0:1", True), ("192.0.2.11", False)):
        said = samples.openssl("x509", "-noout", "-checkip", address, stdin=accepted.pem)
        assert ("does match" in said) is does


def test_an_end_that_is_near_and_one_that_comes_before_the_leafs_are_said() -> None:
    soon = certificate("server", "lower", ca=False, days=(-1, 5))
    assert "it ends in 5 days" in imported(one(file_of(soon, LOWER, UPPER))).notes[-1]
    short = certificate("lower", "upper", days=(-1, 10))
    (told,) = [
        note for note in imported(one(file_of(LEAF, short, UPPER))).notes if "before the certificate" in note
    ]
    assert told.startswith(f"'CN=lower' ends at {short.not_valid_after_utc.isoformat()}")


def test_of_a_cross_signed_root_the_path_of_the_new_root_is_kept() -> None:
    """The new root, and the same key certified by an older root that clients may hold, too."""
    old = certificate("old root", "old root", days=(-30, 20))
    crossed = certificate("root", "old root", days=(-30, 15))
    came = one(file_of(LEAF, LOWER, UPPER, crossed))
    for roots in ((ROOT,), (old, ROOT), (ROOT, old)):
        assert imported(came, roots=file_of(*roots)).pem == ALL
    for_old_clients = imported(came, roots=file_of(old))
    assert for_old_clients.certificates == (LEAF, LOWER, UPPER, crossed)
    for roots in ((ROOT,), (old, ROOT), (old,)):
        for option in ((), ("-trusted_first",)):
            chains.verify_by_openssl(for_old_clients.pem, file_of(*roots), *option)
    for roots in ((ROOT,), (old, ROOT)):
        for option in ((), ("-trusted_first",)):
            chains.verify_by_openssl(ALL, file_of(*roots), *option)


@pytest.mark.parametrize("leaf_days", [10, 30])
def test_of_two_roots_that_are_both_good_the_one_that_lasts_is_chosen(leaf_days: int) -> None:
    """The intermediate under both: whichever stands first in the store, and whether the leaf outlives it or not."""
    leaf = certificate("server", "lower", ca=False, days=(-1, leaf_days))
    old = certificate("old root", "old root", days=(-30, 20))
    by_old, by_new = certificate("lower", "old root"), certificate("lower", "root")
    for roots in ((old, ROOT), (ROOT, old)):
        for order in ((by_old, by_new), (by_new, by_old)):
            assert imported(one(file_of(leaf, *order)), roots=file_of(*roots)).certificates == (leaf, by_new)


def test_a_weak_certificate_of_a_path_that_is_not_used_stops_nothing() -> None:
    crossed = x509.load_pem_x509_certificate(chains.SHA1_UPPER)
    assert imported(one(file_of(LEAF, LOWER, UPPER, crossed))).pem == ALL


PIECES = [content for files in TAKEN.values() for _, content in files] + [make() for make in SECRET.values()]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happened_to_a_file_it_is_the_chain_or_a_refusal(data: st.DataObject) -> None:
    """Bytes altered, lost, brought in: never another error, and never another chain."""
    content = bytearray(data.draw(st.sampled_from(PIECES)))
    for at, lost, brought in data.draw(
        st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 9), st.binary(max_size=4)), max_size=4)
    ):
        content[at % (len(content) + 1) : at % (len(content) + 1) + lost] = brought
    try:
        chain = imported((("altered", bytes(content)), ("rest.pem", file_of(LOWER, UPPER))))
    except CertificateRefused:
        return
    assert chain.pem == ALL
