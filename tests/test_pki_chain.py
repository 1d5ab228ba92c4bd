"""A chain is put in order, proven with the users' root alone, and served by a real TLS server."""

import itertools
import socket
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pki_samples as samples
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pki_chains import (
    LEAF,
    LOWER,
    NAME,
    NOW,
    OTHER_ROOT,
    ROOT,
    ROOT_PEM,
    SERVER_KEY,
    UPPER,
    certificate,
    file_of,
    read_by_openssl,
)

from runbook_lib.errors import CertificateRefused
from runbook_lib.pki import pem
from runbook_lib.pki.chain import Chain, arrange, check_pair, read_pem, verify

WHERE = "mail1, mail-server.pem"


def arranged(*certificates: x509.Certificate) -> Chain:
    return arrange(read_pem(file_of(*certificates), WHERE), SERVER_KEY, WHERE)


def proven(*certificates: x509.Certificate, roots: bytes = ROOT_PEM, name: str = NAME) -> Chain:
    return verify(arranged(*certificates), roots, [name], NOW, WHERE)


@pytest.mark.parametrize(
    "order",
    [(LEAF, UPPER, LOWER), (UPPER, LOWER, LEAF), (LOWER, UPPER, LEAF), (ROOT, UPPER, LOWER, LEAF)],
)
def test_the_order_is_put_right_and_said(order: tuple[x509.Certificate, ...]) -> None:
    chain = proven(*order)
    assert chain.certificates == (LEAF, LOWER, UPPER)
    assert "order put right: 'CN=server', then 'CN=lower', then 'CN=upper'" in chain.notes
    assert read_by_openssl(chain.pem) == ["server", "lower", "upper"]


def test_a_chain_in_order_is_left_as_it_is() -> None:
    chain = proven(LEAF, LOWER, UPPER)
    assert chain.certificates == (LEAF, LOWER, UPPER)
    assert chain.notes == ()


def test_root_repeats_and_strangers_are_left_out_and_said() -> None:
    chain = proven(LEAF, LOWER, UPPER, UPPER, ROOT, OTHER_ROOT)
    assert chain.certificates == (LEAF, LOWER, UPPER)
    assert chain.notes == (
        "1 repeated certificates left out",
        "the root 'CN=root' left out: who trusts it has it",
        "'CN=other root' left out: it issued nothing here",
    )


@pytest.mark.parametrize("present", [(LEAF,), (LEAF, LOWER), (LEAF, UPPER)])
def test_a_chain_with_a_gap_is_refused(present: tuple[x509.Certificate, ...]) -> None:
    with pytest.raises(CertificateRefused, match="unable to get local issuer certificate"):
        proven(*present)


def test_the_gap_is_named() -> None:
    with pytest.raises(
        CertificateRefused, match=r"the chain ends at 'CN=server': .* certificate 'CN=lower' is"
    ):
        proven(LEAF)


def test_another_root_does_not_prove_it() -> None:
    with pytest.raises(CertificateRefused, match="the chain ends at 'CN=upper'"):
        proven(LEAF, LOWER, UPPER, roots=file_of(OTHER_ROOT))


def test_among_the_roots_may_be_one_that_is_hard_to_read() -> None:
    """There are public roots with the serial 0, which RFC 5280 forbids; the list may be long, too."""
    der = OTHER_ROOT.public_bytes(Encoding.DER)
    serial = OTHER_ROOT.serial_number.to_bytes(21, "big").lstrip(b"\0")
    odd = der.replace(serial, b"\0" * len(serial), 1)
    assert odd != der
    roots = b"# a comment\n" * 30_000 + pem.block("CERTIFICATE", odd) + ROOT_PEM
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert proven(LEAF, LOWER, UPPER, roots=roots).certificates == (LEAF, LOWER, UPPER)


def test_the_name_must_be_covered() -> None:
    with pytest.raises(
        CertificateRefused, match=r"pop\.example\.test is not covered .*: mail\.example\.test"
    ):
        proven(LEAF, LOWER, UPPER, name="pop.example.test")


def test_a_wildcard_covers_what_it_stands_for() -> None:
    wild = certificate("server", "root", ca=False, name="*.example.test")
    assert proven(wild, name="*.example.test").certificates == (wild,)
    assert proven(wild, name="mail.example.test").certificates == (wild,)
    with pytest.raises(CertificateRefused, match=r"a\.b\.example\.test is not covered"):
        proven(wild, name="a.b.example.test")


@pytest.mark.parametrize(
    ("days", "words"),
    [((-3, -1), "'CN=server' expired at "), ((1, 3), "'CN=server' is not valid before ")],
)
def test_a_leaf_out_of_its_time_is_refused(days: tuple[int, int], words: str) -> None:
    with pytest.raises(CertificateRefused, match=words):
        proven(certificate("server", "lower", ca=False, days=days), LOWER, UPPER)


def test_an_intermediate_out_of_its_time_is_refused() -> None:
    with pytest.raises(CertificateRefused, match=r"'CN=lower' expired at "):
        proven(LEAF, certificate("lower", "upper", days=(-3, -1)), UPPER)


def test_a_certificate_signed_by_its_own_key_is_refused() -> None:
    own = certificate("server", "server", ca=False)
    with pytest.raises(CertificateRefused, match="signed by its own key, not by a CA"):
        proven(own, roots=file_of(own))


def test_an_intermediate_that_is_no_ca_is_refused() -> None:
    false = certificate("lower", "upper", ca=False)
    with pytest.raises(CertificateRefused, match=r"does not validate for mail\.example\.test"):
        proven(LEAF, false, UPPER)


def test_of_a_cross_signed_pair_the_path_that_validates_is_kept() -> None:
    """Intermediate under a good root, and under an expired one that some stores still hold."""
    old_root = certificate("old root", "old root", days=(-30, -1))
    crossed = certificate("lower", "old root")
    lower = certificate("lower", "root")
    chain = proven(LEAF, crossed, lower)
    assert chain.certificates == (LEAF, lower)
    assert (
        chain.notes[-1]
        == "'CN=lower', issued by 'CN=old root', left out: another path validates, from 'CN=root'"
    )
    for roots in ((ROOT,), (old_root, ROOT), (ROOT, old_root)):
        assert proven(LEAF, crossed, lower, roots=file_of(*roots)).certificates == (LEAF, lower)


def test_of_two_intermediates_with_one_key_the_longer_lasting_is_served() -> None:
    """Whatever the order they came in: at the lower level, one level up, and where the two pull apart."""
    leaf = certificate("server", "lower", ca=False, days=(-1, 20))
    short, long = certificate("lower", "upper", days=(-1, 5)), certificate("lower", "upper", days=(-1, 300))
    brief, lasting = certificate("upper", "root", days=(-1, 6)), certificate("upper", "root", days=(-1, 200))
    root = certificate("root", "root", days=(-1, 400))
    wanted = (leaf, long, lasting)
    for order in itertools.permutations((short, long, brief, lasting)):
        chain = proven(leaf, *order, roots=file_of(root))
        assert chain.certificates == wanted
        assert sum("left out: another path validates" in note for note in chain.notes) == 2
    # The one that lasts longest itself hangs from an issuer that does not: the path counts, not the certificate.
    by_brief = certificate("lower", "other", days=(-1, 390))
    other = certificate("other", "root", days=(-1, 3))
    for order in itertools.permutations((by_brief, other, long, lasting)):
        assert proven(leaf, *order, roots=file_of(root)).certificates == wanted


def test_a_certificate_for_another_key_is_refused_with_both_fingerprints() -> None:
    with pytest.raises(CertificateRefused) as refused:
        arrange(read_pem(file_of(LEAF, LOWER, UPPER), WHERE), "ab" * 32, WHERE)
    assert SERVER_KEY in str(refused.value)
    assert "ab" * 32 in str(refused.value)
    assert "'CN=server' is for another key" in str(refused.value)
    check_pair(LEAF, SERVER_KEY, WHERE)


def test_of_an_old_and_a_renewed_leaf_the_newer_is_served() -> None:
    renewed = certificate("server", "lower", ca=False, days=(0, 60))
    chain = proven(LEAF, renewed, LOWER, UPPER)
    assert chain.certificates == (renewed, LOWER, UPPER)


@contextmanager
def serving(folder: Path, chain: Chain) -> Iterator[str]:
    """A TLS server of OpenSSL's own with the chain; its address."""
    (folder / "leaf.pem").write_bytes(file_of(chain.leaf))
    (folder / "intermediates.pem").write_bytes(file_of(*chain.certificates[1:]))
    (folder / "leaf.key").write_bytes(samples.private_pem(samples.p256_key("server")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", address, "-cert", "leaf.pem", "-key", "leaf.key",
         "-cert_chain", "intermediates.pem"],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert any(line.startswith("ACCEPT") for line in server.stdout)
        yield address
    finally:
        server.kill()
        server.communicate(timeout=10)


def seen_by_client(folder: Path, address: str, roots: bytes, *options: str) -> str:
    """What a client with these roots, and none of the system's, sees; it must accept the server."""
    (folder / "roots.pem").write_bytes(roots)
    seen = samples.openssl(
        "s_client", "-connect", address, "-CAfile", str(folder / "roots.pem"), "-no-CApath", "-no-CAstore",
        "-verify_return_error", "-verify_hostname", NAME, "-showcerts", *options,
    )  # fmt: skip
    assert "Verify return code: 0 (ok)" in seen
    return seen


def test_a_real_server_serves_the_chain_to_a_client_that_has_only_the_root(tmp_path: Path) -> None:
    """From the worst file: glued, in the wrong order, root included, CRLF here and there."""
    worst = file_of(ROOT).rstrip() + file_of(UPPER, LEAF, LOWER).replace(b"\n", b"\r\n")
    chain = verify(arrange(read_pem(worst, WHERE), SERVER_KEY, WHERE), ROOT_PEM, [NAME], NOW, WHERE)
    with serving(tmp_path, chain) as address:
        seen = seen_by_client(tmp_path, address, ROOT_PEM)
    assert read_by_openssl(seen.encode()) == ["server", "lower", "upper"]


def test_a_real_server_of_a_cross_signed_ca_serves_old_and_new_clients(tmp_path: Path) -> None:
    """The old root expired yesterday and is still in the store of some."""
    old_root = certificate("old root", "old root", days=(-30, -1))
    lower = certificate("lower", "root")
    chain = proven(LEAF, certificate("lower", "old root"), lower, roots=file_of(old_root, ROOT))
    assert chain.certificates == (LEAF, lower)
    with serving(tmp_path, chain) as address:
        for roots in ((ROOT,), (old_root, ROOT)):
            for option in ((), ("-trusted_first",)):
                seen_by_client(tmp_path, address, file_of(*roots), *option)
