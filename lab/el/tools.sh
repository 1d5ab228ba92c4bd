# What RPMs are built with, and the sources that they are built from.
set -eu
export DEBIAN_FRONTEND=noninteractive
if [ -n "$SOURCES" ]; then
    rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
    printf '%s' "$SOURCES" >/etc/apt/sources.list.d/debian.sources
    printf '%s' "$SETTINGS" >/etc/apt/apt.conf.d/90mirror
fi
# The security archive has no sources on some mirrors; the upstream tarballs wanted here are in the main one.
awk 'BEGIN { RS = "" } !/-security/ { sub(/Types: deb/, "Types: deb-src"); print }' \
    /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/sources.sources
# The image is thrown away: nothing in it needs to survive a power cut.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/throwaway
apt-get -qq update
apt-get -qq -y --no-install-recommends install $PACKAGES
install -d -o _apt /sources
cd /sources
apt-get -qq source --download-only postfix cyrus-sasl2
# Libraries of packages that are built here and needed for the next.
echo /usr/lib64 >/etc/ld.so.conf.d/usr-lib64.conf
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old
