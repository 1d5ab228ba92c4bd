#!/bin/sh
# Turns a small Debian into a host with the layout of Enterprise Linux: its paths, names and answers, not its software.
# Run once while the image is made, with this folder and the local repository mounted.
#   layout.sh LAYOUT REPOSITORY RELEASEVER
set -eu
layout=$1 repository=$2 releasever=$3

# --- what only a Debian has -------------------------------------------------------------------------------------------
# Logs, units and PAM files first: nothing after this may rely on a Debian program.
rm -f /usr/lib/systemd/system/ssh*.service /usr/lib/systemd/system/ssh.socket /usr/lib/systemd/system/rescue-ssh.target \
    /usr/lib/systemd/system/apt-daily* /usr/lib/systemd/system/dpkg-db-backup* /usr/lib/systemd/system/dnf-makecache*
rm -rf /etc/systemd/system/*.wants /etc/systemd/system/*.service /etc/systemd/system/*.timer
rm -rf /etc/init.d /etc/rc?.d /etc/default /etc/update-motd.d /etc/pam.d/* /etc/rsyslog.d/* /etc/ssh/sshd_config.d/*
rm -f /usr/bin/apt /usr/bin/apt-* /usr/bin/dpkg /usr/bin/dpkg-* /usr/bin/debconf* /usr/bin/deb-systemd-* \
    /usr/bin/update-alternatives /usr/bin/ucf* /usr/sbin/dpkg-* /usr/sbin/update-* /usr/sbin/invoke-rc.d \
    /usr/sbin/pam-auth-update /usr/sbin/adduser /usr/sbin/addgroup /usr/sbin/deluser /usr/sbin/delgroup
rm -rf /etc/apt /etc/dpkg /etc/debconf.conf /etc/debian_version /etc/ca-certificates /etc/ca-certificates.conf \
    /etc/ucf.conf /etc/adduser.conf /etc/deluser.conf /etc/os-release /usr/lib/os-release \
    /etc/bash.bashrc /usr/share/keyrings /usr/lib/apt /usr/lib/dpkg /usr/share/debconf /usr/share/dpkg \
    /var/lib/apt /var/lib/dpkg /var/lib/ucf /var/lib/pam /var/cache/apt /var/cache/debconf
find /var/log -type f -delete
rm -rf /var/log/apt /var/log/runit /var/log/README /var/log/journal # the journal is kept in memory, as EL has it

# --- files ------------------------------------------------------------------------------------------------------------
ln -sf bash /bin/sh # dash differs where EL's own scripts notice (`-nt` with a missing file, brace expansion)
cp -R "$layout/root/." /
install -m 0755 "$layout/alternatives.py" /usr/sbin/alternatives
ln -s alternatives /usr/sbin/update-alternatives
ln -s useradd /usr/sbin/adduser
ln -s dnf-3 /usr/bin/yum
chmod 0440 /etc/sudoers
chmod 0600 /etc/ssh/sshd_config
mkdir -p /etc/alternatives /var/lib/alternatives /etc/rc.d/init.d /usr/libexec/openssh
ln -s rc.d/init.d /etc/init.d
printf '\\S\nKernel \\r on an \\m\n\n' >/etc/issue
cp /etc/issue /etc/issue.net
: >/etc/motd
sed -i '/^Subsystem/d' /etc/ssh/sshd_config
mv /usr/lib/openssh/sftp-server /usr/libexec/openssh/
echo 'Subsystem sftp /usr/libexec/openssh/sftp-server' >>/etc/ssh/sshd_config
# EL's shadow file is nobody's to read; its helper is root's instead of a group's.
chown root:root /etc/shadow /etc/gshadow /usr/sbin/unix_chkpwd
chmod 0000 /etc/shadow /etc/gshadow
chmod 4755 /usr/sbin/unix_chkpwd
# The other way round than Debian's.
rm -rf /var/spool/mail
mv /var/mail /var/spool/mail
ln -s spool/mail /var/mail
groupdel sudo
sed -i "/^g *sudo/d" /usr/lib/sysusers.d/*.conf # else the first boot brings it back
groupadd -r wheel

# --- trust ------------------------------------------------------------------------------------------------------------
mkdir -p /etc/pki/ca-trust/source/anchors /etc/pki/ca-trust/source/blocklist /usr/share/pki/ca-trust-source/anchors \
    /etc/pki/ca-trust/extracted/openssl /etc/pki/ca-trust/extracted/pem /etc/pki/ca-trust/extracted/java \
    /etc/pki/ca-trust/extracted/edk2 /etc/pki/tls/certs /etc/pki/tls/private /etc/pki/tls/misc
mv /etc/ssl/certs/ca-certificates.crt /usr/share/pki/ca-trust-source/anchors/ca-bundle.pem
rm -rf /etc/ssl /usr/lib/ssl /usr/share/ca-certificates /usr/local/share/ca-certificates
mkdir /etc/ssl
ln -s /etc/pki/tls/certs /etc/ssl/certs
ln -s /etc/pki/tls/openssl.cnf /etc/ssl/openssl.cnf
ln -s /etc/pki/tls /usr/lib/ssl # where Debian's OpenSSL looks
ln -s /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt
ln -s /etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt /etc/pki/tls/certs/ca-bundle.trust.crt
ln -s /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/cert.pem
# Debian's p11-kit reads Debian's bundle unless told where EL's sources are.
sed -i "s|^x-init-reserved:.*|x-init-reserved: paths='/etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source'|" \
    /usr/share/p11-kit/modules/p11-kit-trust.module
update-ca-trust

# --- packages and units -----------------------------------------------------------------------------------------------
ldconfig
mkdir -p /usr/share/ellab
cp -R "$repository" /usr/share/ellab/repository
# The release that dnf asks for comes with the first package.
dnf -q -y --releasever="$releasever" install ellab-release ellab-base
systemctl -q preset-all
