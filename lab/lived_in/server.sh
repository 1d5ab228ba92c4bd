# A mail server that was set up by hand in 2013 and carried through upgrades: what its people rely on, and what is odd.
# Read in after the family's own part, which gives:
#   $tls        where certificates are, $tls/certs and $tls/private
#   $chroot     column 'chroot' of its smtpd

map=$(postconf -h default_database_type) # hash, or lmdb where Berkeley DB is no more
cache=btree
[ "$map" = hash ] || cache=$map

# --- people and their addresses ---------------------------------------------------------------------------------------
useradd -r -d /var/spool/archive -s /usr/sbin/nologin archive
install -d -m 0750 -o archive -g archive /var/spool/archive
cat >>/etc/aliases <<'ALIASES'
root: hanako
office: hanako, tarou
ALIASES
cat >/etc/postfix/virtual <<'VIRTUAL'
# the club's addresses, since 2013
club.example.test       anything
kai@club.example.test   tarou
VIRTUAL
cat >/etc/postfix/transport <<'TRANSPORT'
archive.example.test    archive:
# the partner's server is down more often than not
partner.example.test    smtp:[10.77.200.9]
TRANSPORT
cat >/usr/local/bin/archive-mail <<'ARCHIVE'
#!/bin/sh
# One file a mail, for the auditors of the day.
umask 077
exec cat >"$(mktemp /var/spool/archive/mail.XXXXXX)"
ARCHIVE
chmod 0755 /usr/local/bin/archive-mail

# --- a filter that signs what leaves -----------------------------------------------------------------------------------
openssl genrsa -out /etc/dkimkeys/s.private 2048 2>/dev/null
chown opendkim: /etc/dkimkeys/s.private
chmod 0600 /etc/dkimkeys/s.private
printf '%s\n' 'Syslog yes' 'UserID opendkim' 'Mode sv' 'Domain example.test' 'Selector s' \
    'KeyFile /etc/dkimkeys/s.private' 'Socket inet:8891@127.0.0.1' \
    'InternalHosts 127.0.0.1, 10.0.0.0/8' >/etc/opendkim.conf
# The unit waits for a PID file that the filter writes as its own user, which systemd refuses now and then: it then
# waits for a minute and a half, and begins again.
mkdir -p /etc/systemd/system/opendkim.service.d
printf '%s\n' '[Service]' 'Type=exec' 'PIDFile=' 'ExecStart=' 'ExecStart=/usr/sbin/opendkim -f' \
    >/etc/systemd/system/opendkim.service.d/foreground.conf
systemctl -q enable opendkim

# --- main.cf ----------------------------------------------------------------------------------------------------------
# What the package brought of TLS was replaced long ago.
for name in $(postconf -n | sed -n 's/^\(smtpd\{0,1\}_tls_[A-Za-z0-9_]*\) =.*/\1/p') mynetworks inet_interfaces \
    relayhost; do
    postconf -X "$name"
done
{
    # 社内からの中継, in EUC-JP, as editors wrote it then
    printf '\n# \274\322\306\342\244\253\244\351\244\316\303\346\267\321\n'
    cat <<MAIN
mynetworks = 127.0.0.0/8 [::1]/128
    10.0.0.0/8
	192.168.0.0/16
inet_interfaces = all
relayhost =

# TLS, 2013-04
smtpd_use_tls = yes
smtpd_tls_cert_file=$tls/certs/mail2013.pem
smtpd_tls_key_file =   $tls/private/mail2013.key
smtpd_tls_session_cache_database = $cache:\${data_directory}/smtpd_scache
smtpd_tls_protocols = !SSLv2
smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3
smtpd_tls_mandatory_ciphers = high
smtpd_tls_exclude_ciphers = aNULL, MD5, DES
smtpd_tls_loglevel = 1
smtp_use_tls = yes

# after the flood of 2014
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks,
  reject_invalid_helo_hostname,
  reject_non_fqdn_helo_hostname
smtpd_recipient_limit = 200
message_size_limit = 31457280
maximal_queue_lifetime = 100d

virtual_alias_maps = $map:/etc/postfix/virtual
transport_maps = $map:/etc/postfix/transport

smtpd_milters = inet:127.0.0.1:8891
non_smtpd_milters = inet:127.0.0.1:8891
milter_default_action = accept
MAIN
} >>/etc/postfix/main.cf

# --- master.cf --------------------------------------------------------------------------------------------------------
# The stock lines of both services are comments; those of 2013 are at the end.
{
    # 旧端末, 'old terminals'
    printf '\n# \265\354\303\274\313\366\n'
    cat <<MASTER
smtps     inet  n       -       $chroot       -       -       smtpd
	-o syslog_name=postfix/smtps
	-o smtpd_tls_wrappermode=yes
  -o   smtpd_client_restrictions=permit_mynetworks,reject
submission inet n       -       $chroot       -       -       smtpd
  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
#  -o smtpd_sasl_auth_enable=yes
  -o { smtpd_client_restrictions = permit_mynetworks, reject }
#  -o milter_macro_daemon_name=ORIGINATING
archive   unix  -       n       n       -       5       pipe
  flags=Rq user=archive argv=/usr/local/bin/archive-mail
MASTER
} >>/etc/postfix/master.cf
newaliases
postmap "$map:/etc/postfix/virtual" "$map:/etc/postfix/transport"

# --- a queue with mail in it ------------------------------------------------------------------------------------------
# The certificate's file is made at the first boot; the queue is filled without it, and without the filter.
postconf -e 'defer_transports = smtp' 'non_smtpd_milters =' 'enable_long_queue_ids = no'
postfix start 2>/dev/null
number=0
while [ "$number" -lt 240 ]; do
    number=$((number + 1))
    printf 'Subject: report %s\n\nto the partner\n' "$number" | sendmail -f hanako@example.test "p$number@partner.example.test"
done
waited=0
while [ "$(find /var/spool/postfix/deferred -type f | wc -l)" -lt 240 ]; do
    sleep 1
    waited=$((waited + 1))
    [ "$waited" -lt 120 ]
done
# Forty are held until somebody has looked at them.
find /var/spool/postfix/deferred -type f | sed 's,.*/,,' | sort | head -n 40 | postsuper -h - 2>/dev/null
postconf -X defer_transports enable_long_queue_ids
postconf -e 'non_smtpd_milters = inet:127.0.0.1:8891'
postfix stop 2>/dev/null || :
rm -f /var/lib/postfix/*.lock /var/spool/postfix/pid/*

# --- the first boot gives it a certificate that ends in nine days -------------------------------------------------------
openssl genrsa -out $tls/private/mail2013.key 2048 2>/dev/null
chmod 0600 $tls/private/mail2013.key
cat >/usr/local/sbin/certificate-of-2013 <<CERTIFICATE
#!/bin/sh
# The lab's: a certificate's days are counted from when the host was given back.
set -eu
[ ! -e $tls/certs/mail2013.pem ] || exit 0
openssl req -x509 -new -sha256 -days 9 -subj "/O=Example/CN=\$(hostname)" -addext "subjectAltName=DNS:\$(hostname)" \\
    -key $tls/private/mail2013.key -out $tls/certs/mail2013.pem
# Host keys and passwords came since: nothing is left uncommitted, as on a server that is looked after.
# Without etckeeper's hook, which takes longer than all of a boot.
export HOME=/root
git -C /etc add -A
git -C /etc commit -q --no-verify -m 'as it was found'
CERTIFICATE
chmod 0755 /usr/local/sbin/certificate-of-2013
mkdir -p /etc/systemd/system
cat >/etc/systemd/system/certificate-of-2013.service <<'UNIT'
[Unit]
Description=A certificate that ends in nine days
Before=postfix.service postfix@-.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/certificate-of-2013
[Install]
WantedBy=multi-user.target
UNIT
systemctl -q enable certificate-of-2013.service

# --- what changes in /etc is kept -------------------------------------------------------------------------------------
git config --global user.name kanri
git config --global user.email kanri@example.test
etckeeper init >/dev/null
# Indexes are made from what is kept, on Enterprise Linux by the unit at a start; init has added them by now.
printf '%s\n' '*.db' '*.lmdb' >>/etc/.gitignore
git -C /etc rm -q -r --cached --ignore-unmatch '*.db' '*.lmdb'
etckeeper commit 'as it was found' >/dev/null
