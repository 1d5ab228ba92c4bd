"""The job as a user of pyinfra would write it."""

import json
import sys
from io import StringIO
from pathlib import Path

from pyinfra import host
from pyinfra.facts.server import LinuxDistribution
from pyinfra.operations import apt, files, server, systemd
from pyinfra.operations.util import any_changed

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))
import asked  # noqa: E402

job = json.loads((HERE.parent / "job.json").read_bytes())
name, folder = host.data.mail_name, job["socket_folder"]
key, chain = f"/etc/ssl/private/{name}.key", f"/etc/ssl/certs/{name}.chain.pem"
of_root = {"user": "root", "group": "root", "mode": "644"}
old = host.get_fact(LinuxDistribution)["major"] < 13

apt.packages(name="Packages", packages=job["packages"], no_recommends=True, update=True, cache_time=86400)
asked.private_key(name="Private key, made on the host", path=key)
signed = asked.certificate(
    name="Certificate, signed on the controller",
    key=key,
    path=chain,
    dns_name=name,
    seconds=job["renew_before_s"],
)
smtpd_conf = files.put(
    name="What smtpd asks SASL for",
    src=StringIO(job["smtpd_conf"]),
    dest="/etc/postfix/sasl/smtpd.conf",
    **of_root,
)
files.put(name="PAM service smtp", src=StringIO(job["pam"]), dest="/etc/pam.d/smtp", **of_root)
settings = {"MECHANISMS": '"pam"', "OPTIONS": f'"-m {folder}"'} | ({"START": "yes"} if old else {})
restarting = [
    files.line(
        name=f"saslauthd's {word}",
        path="/etc/default/saslauthd",
        line=f"^{word}=.*$",
        replace=f"{word}={value}",
    )
    for word, value in settings.items()
]
if old:
    restarting.append(
        asked.override(name="The socket's folder", path=folder, user="root", group="sasl", mode="0710")
    )
else:
    drop_in = files.put(
        name="Drop-in for the socket's folder",
        src=StringIO(
            f"[Service]\nPIDFile=\nPIDFile={folder}/saslauthd.pid\n"
            f"ExecStartPre=+/usr/bin/install -d -o root -g sasl -m 0710 {folder}\n"
        ),
        dest="/etc/systemd/system/saslauthd.service.d/postfix-chroot.conf",
        create_remote_dir=True,
        **of_root,
    )
    restarting.append(drop_in)
    systemd.daemon_reload(name="Reload systemd", _if=drop_in.did_change)
group = server.user(
    name="Postfix may open the socket", user="postfix", groups=["sasl"], append=True, ensure_home=False
)
systemd.service(name="Restart saslauthd", service="saslauthd", restarted=True, _if=any_changed(*restarting))
systemd.service(name="saslauthd runs", service="saslauthd", running=True)
asked.at_boot(name="saslauthd at boot", unit="saslauthd")
main_cf = asked.main_cf(
    name="main.cf",
    present={"smtpd_tls_chain_files": f"{key}, {chain}", **job["main_cf"]},
    absent=job["main_cf_absent"],
)
master_cf = asked.master_cf(name="587 and 465", services=job["master_cf"])
systemd.service(name="Postfix runs", service="postfix", running=True, enabled=True)
server.shell(
    name="Reload Postfix",
    commands=["postfix reload"],
    _if=any_changed(signed, smtpd_conf, group, main_cf, master_cf),
)
asked.checked(name="Postfix's own check")
asked.proved(name="Handshakes, logins and relay")
