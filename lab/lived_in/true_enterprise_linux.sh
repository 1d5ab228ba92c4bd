# What of a lived-in server is Enterprise Linux's own, where the true system was taken (not tried here). See server.sh.
set -eu
dnf -q -y install epel-release
dnf -q -y install git etckeeper opendkim dnf-automatic
systemctl -q enable dnf-automatic.timer
mkdir -p /etc/dkimkeys
firewall-offline-cmd -q --add-service=smtp --add-service=smtps --add-service=smtp-submission
tls=/etc/pki/tls chroot=n

