"""What an account without any right starts, names or copies on a host is not taken for the administrator's."""

from collections.abc import Iterator

import pytest
from remote_hosts import connected

from lab import Lab
from runbook_lib.doctor.looks import ALWAYS
from runbook_lib.families.debian import DEBIAN
from runbook_lib.mail.certificates import configured
from runbook_lib.mail.configuration.state import questions
from runbook_lib.mail.differences import surroundings
from runbook_lib.mail.target.restrictions import policy
from runbook_lib.remote.facts import Fact, gather

HOST = "debian13"
SNAKEOIL = "/etc/ssl/certs/ssl-cert-snakeoil.pem"
# Programs of these names, a certificate beside lego's file, a folder with a line end, sockets with odd names.
BY_HANAKO = rf"""
cd; mkdir -p bin .lego/certificates ".acme.sh/a
b"
cp /bin/sleep bin/master; cp /bin/sleep bin/saslauthd
cp {SNAKEOIL} .lego/certificates/x.crt; echo '{{"certUrl": "x"}}' > .lego/certificates/x.json
cp {SNAKEOIL} ".acme.sh/a
b/fullchain.cer"; echo Le_Domain=x > ".acme.sh/a
b/x.conf"
printf "Le_Domain='x'\nLe_RealFullChainPath='%s'\n" {SNAKEOIL} > .acme.sh/real.conf
mkdir -p .acme.sh/real; mv .acme.sh/real.conf .acme.sh/real/
for p in master saslauthd; do bin/$p 300 </dev/null >/dev/null 2>&1 & done
perl -MSocket -e 'for (@ARGV) {{
  socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($_)); listen($s, 1); push @k, $s }}
  sleep 300' -- '--printf=inet\x2010031\x20postgrey\x0a' ./postgrey "$HOME/own" </dev/null >/dev/null 2>&1 &
until [ -S own ] && [ "$(pgrep -cu hanako "master|saslauthd")" = 2 ]; do sleep 0.05; done
"""


@pytest.fixture
def seen(lab: Lab) -> Iterator[dict[str, Fact]]:
    lab.reset(HOST, "fresh")
    lab.exec(HOST, f"cat > /root/by-hanako <<'EOF'\n{BY_HANAKO}EOF\nchmod 644 /root/by-hanako")
    lab.exec(HOST, f"postconf -e smtpd_tls_cert_file={SNAKEOIL}")
    lab.exec(HOST, "runuser -u hanako -- env HOME=/home/hanako sh -s < /root/by-hanako")
    wanted = {
        **surroundings.FACTS, **configured.FACTS, **policy.FACTS, "doctor": ALWAYS["masters"],
        "saslauthd_masters": questions(DEBIAN, [DEBIAN.key_directory / "x.pem"])["saslauthd_masters"],
    }  # fmt: skip
    try:
        with connected(lab, HOST) as host:
            yield gather(host, wanted, root=True)
    finally:
        lab.exec(HOST, "pkill -u hanako || :")


def test_programs_sockets_and_copies_of_a_user_count_for_nothing(seen: dict[str, Fact]) -> None:
    assert len(seen["masters"].value.split()) == 1
    assert seen["doctor"].value == "0"
    assert seen["saslauthd_masters"].value == ""
    assert "unix /home/hanako/own hanako" in seen["listeners"].value
    assert "postgrey" not in seen["listeners"].value
    rows = seen["certificate_files"].value.splitlines()
    assert [row.split("\t")[0] for row in rows].count("file") >= 1
    assert [row for row in rows if row.startswith("renewal")] == []
    configured.read(seen, "debian13")
