"""SMTP AUTH: from smtpd through saslauthd's socket."""

from handbook.fault import Ask, Fault

_LOGIN = (
    'SWAKS_OPT_auth_password="$PW" swaks --server MAILHOST --port 587 --tls --auth PLAIN --auth-user kensa'
    " --auth-hide-password --quit-after AUTH 2>&1 | tail -n 5"
)
_OFFERED = "swaks --server MAILHOST --port 587 --tls --quit-after EHLO | grep AUTH"
_ACCEPTED = r"235 2\.7\.0"
_TEMPORARY = (Ask(_LOGIN, r"454 4\.7\.0", _ACCEPTED),)
_SETTINGS = "/etc/default/saslauthd"
_SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"

SASLAUTHD_DOWN = Fault(
    message="454 4.7.0 Temporary authentication failure",
    made="systemctl stop saslauthd",
    asked=_TEMPORARY,
    log="SASL authentication|SASL PLAIN",
    cause="saslauthd does not run, so nobody answers at its socket",
    cure="systemctl start saslauthd",
    to_do="start it. On Debian 12 the service is active (exited) also where nothing runs, if START=yes is "
    "missing in /etc/default/saslauthd: look for the process",
)
SOCKET_ELSEWHERE = Fault(
    message="cannot connect to saslauthd server: No such file or directory",
    made=f"systemctl stop saslauthd\nsed -i '/^OPTIONS/s,/var/spool/postfix,,' {_SETTINGS}\nsystemctl start saslauthd",
    asked=_TEMPORARY,
    log="SASL authentication|SASL PLAIN",
    cause="saslauthd runs, and makes its socket outside the chroot, where smtpd cannot see it",
    cure=f"systemctl stop saslauthd\nsed -i '/^OPTIONS/s,/var/run,/var/spool/postfix&,' {_SETTINGS}\nsystemctl start "
    "saslauthd",
    to_do="start it with `-m /var/spool/postfix/var/run/saslauthd`; stop it before the file is edited, or "
    "the old one stays",
    elsewhere="Enterprise Linux runs smtpd outside of a chroot: the socket is /run/saslauthd/mux for both",
)
NOT_IN_GROUP = Fault(
    message="cannot connect to saslauthd server: Permission denied",
    made="gpasswd -d postfix sasl\npostfix reload",
    asked=_TEMPORARY,
    log="SASL authentication|SASL PLAIN",
    cause="the folder of the socket is open to the group sasl alone, and postfix is not in it",
    cure="usermod -aG sasl postfix\npostfix reload",
    to_do="add it, and reload: a process has the groups that it began with",
)
NO_SMTPD_CONF = Fault(
    message="535 5.7.8 for the right password, and nothing from saslauthd",
    made=f"mv {_SMTPD_CONF} smtpd.conf\npostfix reload",
    asked=(Ask(_OFFERED, "CRAM-MD5", "AUTH PLAIN LOGIN"), Ask(_LOGIN, r"535 5\.7\.8", _ACCEPTED)),
    log="SASL authentication|SASL PLAIN",
    cause="without smtpd.conf the library looks into a database of its own, which is empty, and offers what "
    "that could do",
    cure=f"mv smtpd.conf {_SMTPD_CONF}\npostfix reload",
    to_do="write `pwcheck_method: saslauthd` and `mech_list: PLAIN LOGIN` into it",
    elsewhere="Enterprise Linux has it as /etc/sasl2/smtpd.conf, and brings it with Postfix",
)
WITH_REALM = Fault(
    message="535 5.7.8 for names with a domain, and the log has: user=kensa@example.test",
    made=f"systemctl stop saslauthd\nsed -i '/^OPTIONS/s,-m /,-r -m /,' {_SETTINGS}\nsystemctl start saslauthd",
    asked=(
        Ask(_LOGIN, _ACCEPTED),
        Ask(_LOGIN.replace("user kensa", "user kensa@example.test"), r"535 5\.7\.8", _ACCEPTED),
    ),
    log="auth failure",
    cause="with -r saslauthd hands PAM the name with its domain, and no account of the host is called so",
    cure=f"systemctl stop saslauthd\nsed -i '/^OPTIONS/s,-r -m /,-m /,' {_SETTINGS}\nsystemctl start saslauthd",
    to_do="start it without -r: then both forms of the name are taken, whatever the domain is",
)
