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

# Of these packages those that were removed and not purged: their settings are there.
packages_known() { if [ $# -gt 0 ]; then _in_state '/^.c/' "$@" 2>/dev/null; fi; }

packages_half() { _in_state '/^.[HUF]/'; }

# Each file of settings of these packages, or what dpkg lays beside one that was edited, and the MD5 of the package's own.
packages_settings() {
    if [ $# -eq 0 ]; then return; fi
    dpkg-query -W -f '${Conffiles}\n' "$@" 2>/dev/null | awk 'length($2) == 32 { print $1, $2; print $1 ".dpkg-dist", $2 }'
}

# What an install that was cut off left half made is completed; settings that somebody edited stay as they are.
packages_mend() {
    if dpkg --audit | grep -q .; then
        DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a >/dev/null 2>&1
    fi
}

# All that would go with "$@".
packages_going() { apt-get -s remove "$@" 2>/dev/null | awk '$1 == "Purg" || $1 == "Remv" { print $2 }' | sort -u; }

packages_files() { dpkg-query -L "$1"; }

packages_own() { dpkg-query -S "$1" >/dev/null 2>&1; }

# Settings stay when a package is removed.
packages_overwrite() { :; }
packages_changed() { :; }

# What an unpacking that was cut off left apt does not remove (dpkg(1), --force-remove-reinstreq), and what waits for it
# to be set up goes with it.
packages_remove() {
    _broken=$(_in_state '/^.[^i]/' "$@")
    if [ -n "$_broken" ]; then
        DEBIAN_FRONTEND=noninteractive dpkg --remove --force-depends --force-remove-reinstreq $_broken || return
        set -- $(_in_state '/^.[^nc]/' "$@")
        if [ $# -eq 0 ]; then return; fi
    fi
    DEBIAN_FRONTEND=noninteractive apt-get remove -y "$@"
}

# Settings of the packages of change $1 that nobody changed go; and of a package that dpkg did not know before nothing is
# left then but its books, which a purge clears. Its script clears folders, so nothing of others may be in them.
packages_settled() {
    for _package in $(cat "$J/$1.brought"); do
        packages_settings "$_package" > "$J/$1.settings-of"
        _stays=
        while read -r _path _md5; do
            rm -f "$_path.dpkg-new" "$_path.dpkg-tmp"
            if ! there "$_path" || there "$J/$1.kept.before$_path"; then continue; fi
            if [ ! -L "$_path" ] && [ "$(md5sum < "$_path" | cut -c1-32)" = "$_md5" ]; then rm -f "$_path"
            else kept "$_path: changed since the install"; _stays=yes
            fi
        done < "$J/$1.settings-of"
        rm -f "$J/$1.settings-of"
        if [ -z "$(_in_state '/^.c/' "$_package" 2>/dev/null)" ] || grep -qxF "$_package" "$J/$1.known"; then continue; fi
        for _path in $(of_services purged "$_package"); do
            if there "$_path"; then _stays=yes; fi
        done
        _of=$(service_of "$_package")
        if [ -n "$_of" ]; then
            if there "$J/$1.kept.before$("${_of}_settings")"; then continue; fi
            "${_of}_strange" > "$J/$1.strange.log"
            while IFS= read -r _path; do
                _stays=yes
                grep -qF "$_path$tab" "$J/$1.made" || kept "$_path: made by somebody else"  # else it was named above
            done < "$J/$1.strange.log"
        fi
        if [ -n "$_stays" ]; then continue; fi
        if ! DEBIAN_FRONTEND=noninteractive dpkg --purge "$_package" >> "$J/$1.remove.log" 2>&1 < /dev/null; then
            conflict "packages: $_package could not be purged, see $J/$1.remove.log"
        fi
    done
}
