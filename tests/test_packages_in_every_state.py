"""Packages as an administrator has them: on hold, half configured, of another source. What they were they are again.

Those that were removed and not purged: test_a_rollback_spares_what_others_made.py.
"""

import secrets

import pytest
from applied_host import runbook
from remote_hosts import connected
from trees import MAY_DIFFER, changed

from lab import Lab, Prepared
from runbook_lib.errors import RollbackConflict
from runbook_lib.families.debian import DEBIAN
from runbook_lib.families.package_managers import APT
from runbook_lib.mail.target.packages import traces
from runbook_lib.remote.change import Plan
from runbook_lib.remote.journal import Journal
from runbook_lib.remote.rollback import Rollback, rollback
from runbook_lib.remote.system import PackagesChange, install_is_cut_off

HOST = "debian12"
WITH_LISTS = Prepared("with-lists", "fresh", script="apt-get update -qq > /dev/null")
PACKAGES = ("sasl2-bin", "libsasl2-modules")
STATES = "dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\\n' | grep -v '^un'; apt-mark showhold"
# Unpacked and not set up, as when somebody's install was cut off: a package of his, and one that sasl2-bin needs.
HIS = """
cd /root; mkdir -p his/DEBIAN; chmod 755 his
printf '%s: %s\\n' Package his Version 1 Architecture all Maintainer "x <x@x>" Description x > his/DEBIAN/control
dpkg-deb -b /root/his /root/his.deb > /dev/null; dpkg --unpack /root/his.deb > /dev/null
"""
NEEDED = (
    "cd /root; apt-get -qq download libldap-2.5-0 > /dev/null 2>&1; dpkg --unpack libldap*.deb > /dev/null"
)
# Built on the host from the distribution's own, with a version of its own, as sites do.
LOCAL = """
cd /root; apt-get -qq download libsasl2-modules > /dev/null 2>&1
dpkg-deb -R libsasl2-modules_*.deb /root/local
sed -i 's/^Version: .*/&+local1/' local/DEBIAN/control; echo '# ours' > local/usr/share/doc/libsasl2-modules/site
dpkg-deb -b /root/local /root/local.deb > /dev/null; dpkg -i /root/local.deb > /dev/null 2>&1
apt-mark hold libsasl2-modules > /dev/null
"""


@pytest.fixture
def host(lab: Lab) -> str:
    lab.reset(HOST, WITH_LISTS)
    return HOST


def states(lab: Lab) -> list[str]:
    return lab.exec(HOST, STATES).decode().splitlines()


def there_and_back(lab: Lab) -> tuple[Rollback, tuple[str, ...]]:
    """The packages of chapter 2, as the only step of a run, and its undoing."""
    run = f"20260101T000000Z-{secrets.token_hex(2)}"
    with connected(lab, HOST) as connection:
        there = connection.run(f"{APT.installed.format(names=' '.join(PACKAGES))} || :").text.split()
        missing = tuple(name for name in PACKAGES if name not in there)
        cut_off = install_is_cut_off(connection)
        change = PackagesChange(missing, APT, cut_off=cut_off, traces=traces(DEBIAN))
        Journal(connection, run, "tests").apply(Plan("Packages", (change,)), [])
        assert b"ii " in lab.exec(HOST, "dpkg-query -W -f '${db:Status-Abbrev}\\n' sasl2-bin")
        return rollback(connection, run, "tests"), missing


def test_a_package_on_hold_is_refused_before_the_first_change(lab: Lab, host: str) -> None:
    lab.exec(host, "apt-mark hold sasl2-bin > /dev/null")
    before, was = lab.tree(host), states(lab)
    refused = runbook("apply", "--host", host, "--from", "11", "--reason", "MAIL-1")
    assert refused.returncode == 1, refused.stdout
    assert "cannot be installed (Held packages were changed and -y was used without" in refused.stdout
    assert "on hold: sasl2-bin)" in refused.stdout
    assert "`apt-mark unhold NAME` where a hold is in the way" in refused.stdout
    looked = runbook("doctor", host)
    assert "sasl2-bin" in looked.stdout.partition("cannot be installed (Held packages")[0].splitlines()[-1]
    lab.exec(host, "test ! -e /var/lib/runbook; test ! -e /etc/ssl/private/mail-server.key")
    assert (changed(before, lab.tree(host), tuple(MAY_DIFFER)), states(lab)) == ([], was)


def test_of_another_source_it_stays_as_it_is(lab: Lab, host: str) -> None:
    lab.exec(host, LOCAL, timeout_s=120)
    before, was = lab.tree(host), states(lab)
    assert [line for line in was if line.startswith("hi libsasl2-modules ") and line.endswith("+local1")]
    back, missing = there_and_back(lab)
    assert missing == ("sasl2-bin",)  # on hold, it is there all the same
    assert "all that this run changed is as before it" in back.lines
    assert (changed(before, lab.tree(host), tuple(MAY_DIFFER)), states(lab)) == ([], was)


def test_what_was_half_configured_is_named_and_nothing_else_differs(lab: Lab, host: str) -> None:
    """An install completes it, whoever left it so: the way back says what is whole now, and takes none of it away."""
    lab.exec(host, f"{HIS}{NEEDED}", timeout_s=120)
    before, was = lab.tree(host), states(lab)
    half = [line.split()[1] for line in was if line.startswith("iU ")]
    assert half == ["his", "libldap-2.5-0"]
    with pytest.raises(RollbackConflict) as kept:
        there_and_back(lab)
    assert "KEPT packages: half installed before the run, and whole now: his libldap-2.5-0" in str(kept.value)
    assert changed(before, lab.tree(host), tuple(MAY_DIFFER)) == []
    assert states(lab) == [line.replace("iU ", "ii ") for line in was]
