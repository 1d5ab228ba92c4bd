"""`name@domain` or the bare name: the inventory says which, both are tried, and exactly that one logs in."""

import shlex
from pathlib import Path

import pytest
from applied_host import applied, run_cells
from ruamel.yaml import YAML

from lab import Lab
from runbook_lib.chapters import thunderbird, verification, windows_live_mail
from runbook_lib.mail import probes

HOST = "debian12"
REALM = "example.test"
MUX = "/var/spool/postfix/var/run/saslauthd/mux"


@pytest.fixture
def asked(lab: Lab, tmp_path: Path) -> str:
    """An inventory with a realm, for a host on which the account for checks has it in its name."""
    applied(lab, HOST, "fresh")
    password = shlex.quote(f"kensa@{REALM}:{lab.secret('kensa')}")
    lab.exec(HOST, f"useradd --badname -M kensa@{REALM} 2>/dev/null; echo {password} | chpasswd")
    yaml = YAML()
    book = yaml.load(lab.inventory)
    book["hosts"][HOST]["sasl"] = {"realm": REALM}
    path = tmp_path / "realm.yaml"
    yaml.dump(book, path)
    return str(path)


def seen(inventory: str) -> set[str]:
    rows = verification.verify_host(inventory, HOST)
    return {f"{row.verdict}: {row.seen}" for row in rows if row.claim == probes.RIGHT_PASSWORD_ACCEPTED}


def test_the_form_that_the_inventory_documents_is_the_one_that_logs_in(lab: Lab, asked: str) -> None:
    # Without a realm saslauthd drops what stands behind the '@', and that is said.
    assert "pass: PLAIN, the name with a domain: accepted (235)" in seen("lab")
    lab.exec(HOST, "passwd -l kensa > /dev/null")  # the bare name is no account here
    # The realm is the inventory's, and saslauthd knows nothing of it before chapter 2: that is said, and not 'wrong'.
    hint = "the name has a domain: without -r saslauthd drops the domain of a name, and PAM is asked for what is left"
    assert f"fail: PLAIN: refused as wrong (535); {hint}" in seen(asked)
    shown = run_cells("20-postfix-debian", host=HOST, inventory=asked)
    assert any(f"PAM is asked for the whole name, NAME@{REALM}" in repr(one) for one in shown)
    # PAM must not be asked for the bare name.
    assert seen(asked) == {
        "pass: PLAIN: accepted (235)",
        "pass: LOGIN: accepted (235)",
        "pass: PLAIN in two steps: accepted (235)",
        "pass: LOGIN with the name at once: accepted (235)",
        "pass: PLAIN, the name without a domain: refused (535)",
    }
    by_hand = f"testsaslauthd -u kensa -p {shlex.quote(lab.secret('kensa'))} -s smtp -f {MUX}"
    answers = lab.exec(HOST, f"{by_hand} -r {REALM} && echo whole; {by_hand} && echo bare; :").split()
    assert b"whole" in answers
    assert b"bare" not in answers
    for client in (windows_live_mail, thunderbird):
        assert f"hanako@{REALM}" in client.open(asked, HOST).values().text()
