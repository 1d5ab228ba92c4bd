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

# What scripts of Postfix, sasl2-bin and ssl-cert make or clear away (their postinst and postrm), and their settings.
packages_paths() {
    say "/etc/aliases
/etc/aliases.db
/etc/aliases.lmdb
/etc/mailname
/etc/sasldb2
/etc/default/saslauthd
/etc/default/saslauthd.dpkg-dist
/etc/init.d/postfix
/etc/init.d/saslauthd
/etc/insserv.conf.d/postfix
/etc/network/if-down.d/postfix
/etc/network/if-up.d/postfix
/etc/ppp/ip-down.d/postfix
/etc/ppp/ip-up.d/postfix
/etc/resolvconf/update-libc.d/postfix
/etc/rsyslog.d/postfix.conf
/etc/ufw/applications.d/postfix
/etc/ssl/certs/ssl-cert-snakeoil.pem
/etc/ssl/private/ssl-cert-snakeoil.key
/etc/postfix"
    for _name in dynamicmaps.cf main.cf main.cf.proto makedefs.out master.cf master.cf.proto post-install \
        postfix-files postfix-script; do say "/etc/postfix/$_name"; done
}

# Folders that saslauthd makes for its socket in Postfix's chroot, the innermost first.
packages_folders() { for _in in /run/saslauthd /run ""; do say "/var/spool/postfix/var$_in"; done; }

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
        for _path in $(packages_clear "$_package"); do
            if there "$_path"; then _stays=yes; fi
        done
        if [ "$_package" = postfix ]; then
            if there "$J/$1.kept.before/etc/postfix"; then continue; fi
            strange_to_postfix > "$J/$1.strange.log"
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

# Files that a purge of $1 clears and that nobody else may have changed by then.
packages_clear() {
    case $1 in
    sasl2-bin) say /etc/sasldb2 ;;
    ssl-cert) say /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/private/ssl-cert-snakeoil.key ;;
    esac
}
