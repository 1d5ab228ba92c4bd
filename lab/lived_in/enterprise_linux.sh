# What of a lived-in server is Enterprise Linux's own. See server.sh.
set -eu
# git, etckeeper and opendkim are Debian's: there is no EPEL here. Their scripts at install are not run.
cp -a /run/lab/borrowed/borrowed/. /
ldconfig
sed -i 's/^\(HIGH\|LOW\)LEVEL_PACKAGE_MANAGER=.*//' /etc/etckeeper/etckeeper.conf
printf '%s\n' HIGHLEVEL_PACKAGE_MANAGER=dnf LOWLEVEL_PACKAGE_MANAGER=rpm >>/etc/etckeeper/etckeeper.conf
useradd -r -d /run/opendkim -s /usr/sbin/nologin opendkim
install -d -m 0750 -o opendkim -g opendkim /etc/dkimkeys
# A stand-in for the package dnf-automatic, which is not to be had here: its settings, and no timer.
printf '[commands]\nupgrade_type = security\napply_updates = yes\n' >/etc/dnf/automatic.conf
# Opened long ago for what it does.
firewall-offline-cmd -q --add-service=smtp --add-service=smtps --add-service=smtp-submission
tls=/etc/pki/tls chroot=n
