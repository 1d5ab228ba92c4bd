# Debian's dpkg and apt, for packages.sh.

# With what is half unpacked or not set up; of what was removed nothing is there but settings.
packages_now() { _in_state '/^.[^nc]/' | sort; }

_in_state() {
    _state=$1
    shift
    dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\n' "$@" | awk "\$1 ~ $_state { print \$2 }"
}

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

# What an unpacking that was cut off left apt does not remove (dpkg(1), --force-remove-reinstreq), and what waits for it
# to be set up goes with it.
packages_remove() {
    _broken=$(_in_state '/^.[^i]/' "$@")
    if [ -n "$_broken" ]; then
        DEBIAN_FRONTEND=noninteractive dpkg --purge --force-depends --force-remove-reinstreq $_broken || return
    fi
    DEBIAN_FRONTEND=noninteractive apt-get purge -y "$@"
}
