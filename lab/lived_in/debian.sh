# What of a lived-in server is Debian's own. See server.sh.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends install opendkim git etckeeper unattended-upgrades
apt-get clean
rm -rf /var/cache/debconf/*-old /tmp/*
# On; what starts it is masked in the lab: it would take dpkg's lock at a moment of its own.
printf 'APT::Periodic::%s "1";\n' Update-Package-Lists Unattended-Upgrade >/etc/apt/apt.conf.d/20auto-upgrades
tls=/etc/ssl chroot=y
