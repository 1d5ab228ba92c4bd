"""The floor: a connection a host, one script with every check of the job, then the probe. No tool needs less.

usage: floor.py HOSTS.JSON    ($FLEET is the folder that benchmarks/fleet.py made)
"""

import json
import shlex
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
from probe import FOLDER, faults

JOB = json.loads(Path(__file__).with_name("job.json").read_bytes())
_BEGIN = r"""
bad=0 h=$(hostname -f)
differs() { echo "differs: $*"; bad=1; }
key=/etc/ssl/private/$h.key chain=/etc/ssl/certs/$h.chain.pem
[ "$(stat -c '%U:%G %a' "$key")" = 'root:root 600' ] || differs key
has() { printf '%s\n' "$all" | grep -qxF -e "$1" || differs "$1"; }
file() { [ "$(cat "$1")" = "$2" ] || differs "$1"; }
line() { grep -qxF -e "$1" /etc/default/saslauthd || differs "$1"; }
"""
_END = r"""
case " $(id -nG postfix) " in *' sasl '*) ;; *) differs group;; esac
[ "$(systemctl is-active saslauthd postfix | sort -u)" = active ] || differs units
for unit in saslauthd postfix; do systemctl -q is-enabled "$unit" 2>/dev/null || differs "$unit at boot"; done
said=$(postfix check 2>&1) || differs check
case $said in *warning:*|*error:*|*fatal:*) differs "check: $said";; esac
postfix status >/dev/null 2>&1 || differs status
exit $bad
"""


def script() -> str:
    """All checks of the job as sh."""
    quote, folder = shlex.quote, JOB["socket_folder"]
    lines = [_BEGIN]
    lines += [
        f"case $(dpkg-query -W -f '${{db:Status-Status}}' {package} 2>/dev/null) in installed) ;; "
        f"*) differs {package};; esac"
        for package in JOB["packages"]
    ]
    lines.append(
        f'openssl x509 -in "$chain" -noout -checkend {JOB["renew_before_s"]} >/dev/null || differs chain'
    )
    for path, text in (("/etc/postfix/sasl/smtpd.conf", "smtpd_conf"), ("/etc/pam.d/smtp", "pam")):
        lines.append(f"file {path} {quote(JOB[text].rstrip())}")
    for word in ('MECHANISMS="pam"', f'OPTIONS="-m {folder}"'):
        lines.append(f"line {quote(word)}")
    drop_in = (
        f"[Service]\nPIDFile=\nPIDFile={folder}/saslauthd.pid\n"
        f"ExecStartPre=+/usr/bin/install -d -o root -g sasl -m 0710 {folder}"
    )
    lines.append(f""". /etc/os-release
if [ "$VERSION_ID" -lt 13 ]; then
    line START=yes
    [ "$(dpkg-statoverride --list {folder})" = 'root sasl 710 {folder}' ] || differs statoverride
else
    file /etc/systemd/system/saslauthd.service.d/postfix-chroot.conf {quote(drop_in)}
fi
all=$(postconf -n)
has "smtpd_tls_chain_files = $key, $chain\"""")
    lines += [f"has {quote(f'{name} = {value}')}" for name, value in JOB["main_cf"].items()]
    lines += [f'case "$all" in *{name}*) differs {name};; esac' for name in JOB["main_cf_absent"]]
    lines.append("all=$(postconf -F)")
    lines += [f"has '{service}/inet/chroot = y'" for service in JOB["master_cf"]]
    lines.append("all=$(postconf -P)")
    for service, options in JOB["master_cf"].items():
        lines += [f"has {quote(f'{service}/inet/{name} = {value}')}" for name, value in options.items()]
    return "\n".join([*lines, _END])


SCRIPT = script()


def good(host: dict[str, str]) -> bool:
    """Whether a host is as the job wants it; says what is not."""
    there = socket.create_connection((host["address"], 22), 30)
    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = paramiko.SSHClient()
    client.load_host_keys(host["known_hosts"])
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        host["address"], username=host["user"], key_filename=host["key"], sock=there,
        allow_agent=False, look_for_keys=False,
    )  # fmt: skip
    with client:
        into, out, err = client.exec_command("sudo -n sh -s")
        into.write(SCRIPT)
        into.channel.shutdown_write()
        said, status = (out.read() + err.read()).decode(), out.channel.recv_exit_status()
    bad = faults(host["address"], host["hostname"])
    if status or bad:
        print(host["name"], status, said, bad)  # noqa: T201
    return not status and not bad


if __name__ == "__main__":
    wanted = json.loads((FOLDER / sys.argv[1]).read_bytes())
    with ThreadPoolExecutor(20) as pool:
        raise SystemExit(0 if all(list(pool.map(good, wanted))) else 1)
