"""Of several chains that clients accept the best one is served: the one that lasts, and of equals the short one."""

from itertools import permutations

from cryptography import x509
from pki_chains import LEAF, LOWER, NAME, NOW, ROOT, SERVER_KEY, UPPER, certificate, file_of

from runbook_lib.pki.chain import Chain, arrange, read_pem, verify

WHERE = "mail1"
Certificates = tuple[x509.Certificate, ...]


def served(came: Certificates, roots: Certificates) -> Chain:
    arranged = arrange(read_pem(file_of(*came), WHERE), SERVER_KEY, WHERE)
    return verify(arranged, file_of(*roots), [NAME], NOW, WHERE)


def test_of_two_that_end_on_the_same_day_the_shorter_is_served() -> None:
    """An old root that certifies the new one ends with it: each further certificate is one more that may fail."""
    old = certificate("old root", "old root")
    crossed = certificate("root", "old root")
    for roots in permutations((old, ROOT)):
        for rest in permutations((LOWER, UPPER, crossed)):
            assert served((LEAF, *rest), roots).certificates == (LEAF, LOWER, UPPER)


def test_the_one_that_lasts_is_served_although_it_is_longer() -> None:
    soon = certificate("old root", "old root", days=(-1, 5))
    by_soon = certificate("lower", "old root")
    for roots in permutations((soon, ROOT)):
        for rest in permutations((by_soon, LOWER, UPPER)):
            chain = served((LEAF, *rest), roots)
            assert chain.certificates == (LEAF, LOWER, UPPER)
            assert [note for note in chain.notes if "another path validates" in note] == [
                "'CN=lower', issued by 'CN=old root', left out: another path validates, from 'CN=root'"
            ]


def test_a_chain_lasts_as_long_as_what_ends_first_in_it() -> None:
    """The root that lasts is no use behind an intermediate that does not."""
    long_root = certificate("old root", "old root", days=(-1, 300))
    short_lower = certificate("lower", "old root", days=(-1, 10))
    for roots in permutations((long_root, ROOT)):
        for rest in permutations((short_lower, LOWER, UPPER)):
            assert served((LEAF, *rest), roots).certificates == (LEAF, LOWER, UPPER)


def test_the_newest_certificate_for_the_key_is_served() -> None:
    newest = certificate("server", "lower", ca=False, days=(-1, 90))
    for came in permutations((LEAF, newest, LOWER, UPPER)):
        assert served(came, (ROOT,)).certificates == (newest, LOWER, UPPER)
