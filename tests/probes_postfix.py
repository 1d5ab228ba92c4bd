"""A lab host with Postfix and saslauthd set up by hand, and the means to break it and mend it again."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from probes_certificates import Pair, make

from lab import Lab, Prepared
from runbook_lib.mail.probes import Account, Row, Survey, Target, Verdict
from runbook_lib.mail.probes.host_view import ShellHostView

# Debian 12, as an administrator would type it. Restarts are rare: a reload is enough after main.cf.
SET_UP = r"""
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null
apt-get -qq -y --no-install-recommends install sasl2-bin libsasl2-modules >/dev/null 2>&1
# What a row's command needs, typed on the host itself.
apt-get -qq -y --no-install-recommends install bind9-dnsutils swaks libnet-ssleay-perl libsocket6-perl \
    libio-socket-inet6-perl netcat-openbsd openssl >/dev/null 2>&1
mkdir -p /etc/postfix/sasl
printf 'pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n' >/etc/postfix/sasl/smtpd.conf
{
    echo 'auth required pam_succeed_if.so quiet uid >= 1'
    echo '@include common-auth'
    echo '@include common-account'
} >/etc/pam.d/smtp
systemctl stop saslauthd
dpkg-statoverride --add root sasl 710 /var/spool/postfix/var/run/saslauthd
sed -i -e 's,^OPTIONS=.*,OPTIONS="-m /var/spool/postfix/var/run/saslauthd",' -e 's,^THREADS=.*,THREADS=10,' \
    /etc/default/saslauthd
echo START=yes >>/etc/default/saslauthd
systemctl -q enable --now saslauthd
usermod -aG sasl postfix
postconf -X smtpd_tls_cert_file smtpd_tls_key_file
postconf -e smtpd_tls_chain_files=/etc/postfix/probes.pem smtpd_tls_security_level=may smtpd_tls_auth_only=yes \
    smtpd_tls_mandatory_ciphers=high \
    'smtpd_tls_mandatory_protocols=!SSLv2, !SSLv3, !TLSv1, !TLSv1.1' \
    'smtpd_tls_mandatory_exclude_ciphers=aNULL, kRSA' smtpd_tls_received_header=yes \
    "mydestination=\$myhostname, example.test, localhost"
common="-o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes \
 -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o smtpd_reject_unlisted_recipient=no"
postconf -M "submission/inet=submission inet n - y - - smtpd -o syslog_name=postfix/submission \
 -o smtpd_tls_security_level=encrypt $common"
postconf -M "submissions/inet=submissions inet n - y - - smtpd -o syslog_name=postfix/submissions \
 -o smtpd_tls_wrappermode=yes $common"
postfix reload
"""


BY_HAND = Prepared("by-hand", "fresh", script=SET_UP)

# Postfix's programs sleep while main.cf is younger than two seconds: an older date lets them go on.
RELOAD = "touch -d '9 seconds ago' /etc/postfix/*.cf; postfix reload"
# After a reload, a server is as the files say when the smtpd processes of before have gone.
SMTPD = "before=$(grep -lx smtpd /proc/[0-9]*/comm 2>/dev/null || :)"
GONE = """
for wait in $(seq 30); do
    sleep 0.1
    left=
    for process in $before; do [ ! -e "$process" ] || left=yes; done
    [ "$left" ] || break
done
"""


@dataclass(frozen=True)
class Password:
    """A secret of the lab."""

    text: str

    def reveal(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True)
class Output:
    """See `host_view.Output`."""

    status: int
    stdout: bytes


class LabShell:
    """Root's shell on a lab host, past SSH: these tests are about what is asked, not about the way there."""

    def __init__(self, lab: Lab, host: str) -> None:
        self._lab, self._host = lab, host

    def run(
        self,
        script: str,
        *,
        root: bool = False,
        timeout_s: float = 60.0,
        check: bool = True,
        look: bool = False,
    ) -> Output:
        assert root
        assert not check
        assert isinstance(look, bool)
        # exec ends a script at its first failing command; in a subshell the status comes back instead.
        wrapped = f"status=0; (\n{script}\n) || status=$?\nprintf '\\n%s' $status"
        stdout, _, status = self._lab.exec(self._host, wrapped, timeout_s=timeout_s).rpartition(b"\n")
        return Output(int(status), stdout)


@dataclass
class MailHost:
    """The host, its certificates, and the target that fits it."""

    lab: Lab
    name: str
    root: Pair
    server: Pair
    target: Target
    view: ShellHostView

    @property
    def names(self) -> tuple[str, ...]:
        return (self.target.name, *self.target.expected_names)

    def survey(self, *, timeout_s: float = 20.0, **different: object) -> Survey:
        """A fresh look, with some of the target's values different."""
        return Survey(replace(self.target, **different), self.view, timeout_s=timeout_s)  # type: ignore[arg-type]

    def seen_by_v4(self, source: str) -> Target:
        """The target on its IPv4 address alone, asked from an address of ours, without logins."""
        address = self.lab.host(self.name).address
        return replace(self.target, name=address, source_v4=source, account=None, expected_names=())

    def sh(self, script: str) -> str:
        return self.lab.exec(self.name, script).decode()

    def typed(self, commands: Iterable[str]) -> dict[str, tuple[int, str]]:
        """Status and output of each command, typed on the host with the account's password in $PW; some at once.

        The host is no part of mynetworks by its own address.
        """
        each = list(dict.fromkeys(commands))
        script = "".join(
            f"( ({command}) >/root/typed.{number} 2>&1; echo $? >/root/status.{number} ) &\n"
            f"{'wait' if number % 25 == 24 else ''}\n"
            for number, command in enumerate(each)
        )
        self.sh(f"set +e; cd /root; export PW={shlex.quote(self.lab.secret('kensa'))}\n{script}wait")
        numbers = f"$(seq 0 {len(each) - 1})"
        shown = self.sh(f"cd /root; for n in {numbers}; do cat typed.$n status.$n; printf '\\0'; done").split(
            "\0"
        )
        return {
            command: (int(output.split()[-1]), output)
            for command, output in zip(each, shown[:-1], strict=True)
        }

    def write(self, path: str, text: str) -> None:
        self.sh(f"umask 077; printf '%s' {shlex.quote(text)} >{path}.new; mv {path}.new {path}")

    def other_certificate(self) -> None:
        """Have a good certificate with another serial at hand, /root/other.pem."""
        other = make("Other", self.root, self.names)
        self.write("/root/other.pem", other.key_pem + other.pem)

    @contextmanager
    def broken(self, script: str, mend: str = "postfix reload") -> Iterator[None]:
        """Run a script; afterwards put the files of Postfix back and run `mend`."""
        self.sh(f"{SMTPD}; rm -rf /root/spare; cp -a /etc/postfix /root/spare; {{ {script}; }} 2>&1; {GONE}")
        try:
            yield
        finally:
            self.sh(f"{SMTPD}; cp -a /root/spare/. /etc/postfix/; {{ {mend}; }} 2>&1; {GONE}")

    def main_cf(self, *settings: str) -> AbstractContextManager[None]:
        """Settings of main.cf for a while."""
        return self.broken(f"postconf -e {shlex.join(settings)}; {RELOAD}")

    def service(self, *settings: str) -> AbstractContextManager[None]:
        """Options of master.cf (`submission/inet/NAME=VALUE`) for a while."""
        return self.broken(f"postconf -P {shlex.join(settings)}; {RELOAD}")

    @contextmanager
    def broken_file(self, text: str) -> Iterator[None]:
        """Another text in the file that Postfix reads key and certificates from."""
        self.write("/root/broken.pem", text)
        with self.broken("cp /root/broken.pem /etc/postfix/probes.pem; postfix reload"):
            yield

    def showing(self, leaf: Pair, *others: Pair) -> AbstractContextManager[None]:
        """Another certificate for a while."""
        return self.broken_file(leaf.key_pem + leaf.pem + "".join(other.pem for other in others))

    @contextmanager
    def expecting(self, leaf: Pair) -> Iterator[None]:
        """Another serial expected for a while."""
        before = self.target
        self.target = replace(before, expected_serial=leaf.serial)
        try:
            yield
        finally:
            self.target = before


_made: dict[str, MailHost] = {}


def host(lab: Lab, name: str = "debian12") -> MailHost:
    """The host as it was set up in this process; set up (anew) where another test has reset it since."""
    known = _made.get(name)
    if known is None or not known.sh("cat /etc/postfix/probes.pem 2>&1 || :").endswith(known.server.pem):
        known = _made[name] = _set_up(lab, name)
    return known


def _set_up(lab: Lab, name: str) -> MailHost:
    lab_host = lab.reset(name, BY_HAND)
    names = [f"{service}{lab_host.release.number}.example.test" for service in ("mail", "pop")]
    root = make("Test root")
    server = make("Test server", root, tuple(names))
    target = Target(
        name=names[0],
        domain="example.test",
        ca_pem=root.pem.encode(),
        expected_serial=server.serial,
        expected_names=(names[1],),
        resolver=lab.network.gateway4,
        account=Account("kensa", Password(lab.secret("kensa"))),
        mechanisms=("PLAIN", "LOGIN"),
        auth_on_25=False,
    )
    made = MailHost(lab, name, root, server, target, ShellHostView(LabShell(lab, name), delivery_wait_s=4))
    made.write("/etc/postfix/probes.pem", server.key_pem + server.pem)
    made.write("/root/ca.pem", root.pem)
    made.sh(RELOAD)
    return made


def failures(rows: list[Row]) -> dict[str, set[int | None]]:
    """Claims that fail, and the ports at which they do."""
    failed: dict[str, set[int | None]] = {}
    for row in rows:
        if row.verdict is Verdict.FAIL:
            failed.setdefault(row.claim, set()).add(row.port)
    return failed


def seen_by(rows: list[Row]) -> set[str]:
    """What the rows say."""
    return {row.seen for row in rows}
