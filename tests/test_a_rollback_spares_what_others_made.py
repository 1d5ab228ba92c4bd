"""Packages that a run brought go again, and nothing that others made goes with them, whatever state they were in."""

import pytest
from applied_host import applied, run_chapters, run_of, runbook
from trees import MAY_DIFFER, changed

from lab import Lab

HOST = "debian13"
AS_BEFORE = "all that this run changed is as before it"
# Postfix and sasl2-bin removed, their settings edited and left; those of sasl2-bin were other ones, as dpkg believes,
# as after an update of the package, so that it would ask.
REMOVED = """
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update > /dev/null
apt-get -qq install -y --no-install-recommends sasl2-bin > /dev/null 2>&1
systemctl stop postfix saslauthd
postconf -e 'relayhost = [mail.example.net]'
printf 'a@example.test b@example.test\\n' > /etc/postfix/virtual
printf '# mine\\n' | tee -a /etc/default/saslauthd /etc/network/if-up.d/postfix > /dev/null
apt-get -qq remove -y postfix sasl2-bin > /dev/null 2>&1
sed -i 's,^ /etc/default/saslauthd .*, /etc/default/saslauthd 00000000000000000000000000000000,' /var/lib/dpkg/status
"""
# What a user of the host, or one whom Postfix runs as, may put in the way of a list of names.
VICTIMS = "/root/victim /etc/victim"
TRAPS = r"""
touch /root/victim /etc/victim
mail=/var/mail/hanako; printf 'From: her first\n\n' > $mail; chown hanako:mail $mail
runuser -u postfix -- sh -c 'mkdir -p "/var/lib/postfix/a /etc"; : > "/var/lib/postfix/a /etc/victim"'
runuser -u postfix -- sh -c 'd="/var/lib/postfix/x
/root"; mkdir -p "$d"; : > "$d/victim"'
echo x > /etc/postfix/virtual
"""


def test_settings_of_packages_that_were_removed_come_back(lab: Lab) -> None:
    lab.reset(HOST, "fresh")
    lab.exec(HOST, REMOVED, timeout_s=180)
    before = lab.tree(HOST)
    run, _ = run_chapters(HOST)
    assert lab.exec(HOST, "grep -c '^# mine' /etc/network/if-up.d/postfix; dpkg --audit") == b"1\n"
    done = runbook("rollback", run, "--host", HOST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert AS_BEFORE in done.stdout
    assert changed(before, lab.tree(HOST), tuple(MAY_DIFFER)) == []
    state = lab.exec(HOST, "dpkg-query -W -f '${db:Status-Abbrev}' postfix sasl2-bin")
    assert state == b"rc rc "


@pytest.mark.parametrize("host", [HOST, "el9"])
def test_what_others_made_stays_and_is_named(lab: Lab, host: str) -> None:
    lab.reset(host, "bare")
    before = lab.tree(host)
    applied(lab, host, "bare")
    run = run_of(lab, host)
    lab.exec(host, TRAPS if host == HOST else TRAPS.replace("postfix/virtual", "postfix/mine"))
    mine = "/etc/postfix/virtual" if host == HOST else "/etc/postfix/mine"
    done = runbook("rollback", run, "--host", host)
    assert done.returncode == 1, done.stdout
    assert AS_BEFORE not in done.stdout + done.stderr
    for path in (mine, r"/var/lib/postfix/a\ /etc/victim", r"/var/lib/postfix/x\n/root/victim"):
        assert f"KEPT {path}: made by somebody else" in done.stderr
    assert lab.exec(host, f"ls {VICTIMS} /var/mail/hanako {mine} | wc -l") == b"4\n"
    assert b"inactive" in lab.exec(host, "systemctl is-active postfix || :")
    lab.exec(host, f"rm -r {VICTIMS} /var/mail/hanako {mine} /var/lib/postfix/[ax]*")
    again = runbook("rollback", run, "--host", host)
    assert again.returncode == 0, again.stdout + again.stderr
    assert AS_BEFORE in again.stdout
    assert changed(before, lab.tree(host), tuple(MAY_DIFFER)) == []
