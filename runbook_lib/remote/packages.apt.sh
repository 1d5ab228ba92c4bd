# Debian's dpkg and apt, for packages.sh.

packages_now() { dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\n' | awk '$1 == "ii" { print $2 }' | sort; }

packages_lock() { say /var/lib/dpkg/lock-frontend; }

# What an install of "$@" will bring, from apt's own simulation, by name.
packages_brought() { apt-get -s install -y --no-install-recommends "$@" | awk '$1 == "Inst" { print $2 }' | sort; }

# What an install that was cut off left half made is completed.
packages_mend() {
    if dpkg --audit | grep -q .; then DEBIAN_FRONTEND=noninteractive dpkg --configure -a >/dev/null 2>&1; fi
}

# All that would go with "$@".
packages_going() { apt-get -s purge "$@" 2>/dev/null | awk '$1 == "Purg" || $1 == "Remv" { print $2 }' | sort -u; }

packages_files() { dpkg-query -L "$1"; }

packages_own() { dpkg-query -S "$1" >/dev/null 2>&1; }

packages_remove() { DEBIAN_FRONTEND=noninteractive apt-get purge -y "$@"; }
