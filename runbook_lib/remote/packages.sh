# Functions that put packages back; what differs by package manager is in packages.apt.sh and packages.dnf.sh.

queued_mail() {
    for _queue in maildrop incoming active deferred hold corrupt; do
        find "/var/spool/postfix/$_queue" -type f 2>/dev/null
    done
}

# The process that holds the package manager's lock for writing (proc(5), /proc/locks: the inode stands behind the device).
packages_holder() {
    awk -v inode="$(stat -c %i "$(packages_lock)" 2>/dev/null)" '
        $4 == "WRITE" { split($6, place, ":"); if (place[3] == inode) { print $5; exit } }' /proc/locks
}

packages_held() {
    _holder=$(packages_holder)
    say "the package manager's lock is held by process $_holder ($(tr '\0' ' ' < "/proc/$_holder/cmdline" | cut -c1-60))"
}

# Wait while another package manager is at work, $1 seconds at most; its lock is never taken from it.
packages_wait() {
    _waited=0
    while [ -n "$(packages_holder)" ]; do
        if [ "$_waited" -ge "$1" ]; then return 1; fi
        sleep 1
        _waited=$((_waited + 1))
    done
}

# What an install of ours that was cut off left among temporary files: the folder that it was given, and the scripts that
# rpm puts beside it whatever TMPDIR says. No package manager is at work when this is asked for.
packages_litter() {
    for _room in /var/tmp/runbook.*; do
        if [ -d "$_room" ] && [ ! -L "$_room" ] && [ -O "$_room" ]; then rm -rf "$_room"; fi
    done
    for _listing in /var/lib/runbook/*/*.listing; do
        if [ ! -e "$_listing" ] || [ -e "${_listing%.listing}.appeared" ]; then continue; fi
        rpm_scripts | grep -vxF -f "$_listing" | while read -r _path; do rm -f "$_path"; done
    done
}

rpm_scripts() { find /var/tmp -maxdepth 1 -type f -user 0 -name 'rpm-tmp.*'; }

# A folder for what package managers and their scripts lay aside; packages_litter removes it.
packages_room() {
    TMPDIR=$(mktemp -d /var/tmp/runbook.XXXXXXXXXX)
    chmod 1777 "$TMPDIR"  # apt fetches as a user of its own
}

# Remove by name what change $1 brought, where nothing else needs it; never autoremove.
packages_back() {
    _brought=$(cat "$J/$1.brought")
    if ! packages_wait 120; then
        conflict "packages: $(packages_held); run this again when it has ended"
        return
    fi
    packages_litter
    etc_when_cut_off "$1"
    _here=$(packages_now)
    _remove=
    for _package in $_brought; do
        if say "$_here" | grep -qx "$_package"; then _remove="$_remove $_package"; fi
    done
    if [ -z "$_remove" ]; then say "AS BEFORE packages"; etc_back "$1"; return; fi
    for _path in ${left_alone:-}; do
        case $_path in /etc/postfix/*) ;; /*) packages_own "$_path" || continue ;; *) continue ;; esac
        say "KEPT packages: $_path, which was left alone, would go with them"
        conflicts=$((conflicts + 1))
        return
    done
    case " $_remove " in *" postfix "*)
        if queued_mail | grep -q .; then
            systemctl stop postfix
            say "KEPT packages: mail is in the queue, and removing Postfix would destroy it; Postfix is stopped"
            conflicts=$((${conflicts:-0} + 1))
            return
        fi ;;
    esac
    _others=$(packages_going $_remove | while read -r _package; do
        case " $_remove " in *" $_package "*) ;; *) printf '%s ' "$_package" ;; esac; done)
    if [ -n "$_others" ]; then
        say "KEPT packages: these need them: $_others"
        conflicts=$((${conflicts:-0} + 1))
        return
    fi
    # Debian 13's Postfix removes its files from under a running daemon, which goes on listening.
    for _package in $_remove; do
        for _unit in $(packages_files "$_package" | sed -n 's,.*/systemd/system/\([^/@]*\.service\)$,\1,p'); do
            systemctl stop "$_unit" 2>/dev/null || :
        done
    done
    _folders=$(for _package in $_remove; do packages_files "$_package"; done | sort -ru | grep '^/usr/')
    if packages_remove $_remove > "$J/$1.purge.log" 2>&1 < /dev/null; then
        say "PUT BACK packages: removed$_remove"
        # Of two packages with files in a directory, the one that owns it may have gone first.
        for _path in $_folders; do
            if [ -d "$_path" ] && [ ! -L "$_path" ] && [ -z "$(ls -A "$_path")" ] && ! packages_own "$_path"; then
                rmdir "$_path"
            fi
        done
        etc_back "$1"
    else
        conflict "packages: they could not be removed, see $J/$1.purge.log"
    fi
}

# Files under /etc and the mail spool that the install made and the removal left: each is removed if nobody changed it.
etc_listing() {
    { find /etc /var/spool /var/lib/postfix /var/mail -xdev ! -type s 2>/dev/null; rpm_scripts; } | sort
}

etc_back() {
    if [ ! -e "$J/$1.appeared" ]; then return; fi
    sort -r "$J/$1.appeared" | while IFS="$(printf '\t')" read -r _path _state; do
        if [ ! -e "$_path" ] && [ ! -L "$_path" ]; then continue; fi
        if packages_own "$_path"; then continue; fi
        if [ -d "$_path" ] && [ ! -L "$_path" ]; then rmdir "$_path" 2>/dev/null || :
        elif [ "$(state "$_path")" = "$_state" ]; then rm -f "$_path"
        else say "KEPT $_path: changed since the install"
        fi
    done
    # Directories that a daemon made later in Postfix's chroot, as saslauthd does for its socket, and left empty; and
    # what the removed Postfix made when it ran: sockets, pid files, its random state, the index of aliases.
    for _path in $(made_by_running | grep -vxF -f "$J/$1.listing"); do
        if ! packages_own "$_path"; then rm -f "$_path"; fi
    done
    etc_listing | comm -13 "$J/$1.listing" - | grep -E '^/var/(spool|lib)/postfix(/|$)' | sort -r | while read -r _path; do
        if [ -d "$_path" ] && [ ! -L "$_path" ]; then rmdir "$_path" 2>/dev/null || :; fi
    done
}

made_by_running() {
    if command -v postfix >/dev/null; then return; fi
    find /var/spool/postfix/private /var/spool/postfix/public -type s 2>/dev/null
    find /var/spool/postfix/pid /var/lib/postfix /etc/aliases.db /etc/aliases.lmdb -type f 2>/dev/null
}

etc_appeared() { etc_listing | comm -13 "$J/$1.listing" - | with_states > "$J/$1.appeared"; }

with_states() { while read -r _path; do printf '%s\t%s\n' "$_path" "$(state "$_path")"; done; }

# An install that was cut off is completed as far as it can be, and what appeared by it and by that is noted as for one
# that was not; what somebody made later than a minute after its last word is his.
etc_when_cut_off() {
    if [ -e "$J/$1.done" ] || [ ! -e "$J/$1.log" ]; then packages_mend; return; fi
    etc_listing > "$J/$1.cut"
    packages_mend
    touch -d "@$(($(stat -c %Y "$J/$1.log") + 60))" "$J/$1.until"
    {
        if [ -e "$J/$1.appeared" ]; then cat "$J/$1.appeared"  # the install failed, and its change noted that much
        else
            comm -13 "$J/$1.listing" "$J/$1.cut" | while read -r _path; do
                find "$_path" -maxdepth 0 ! -cnewer "$J/$1.until" 2>/dev/null
            done | with_states
        fi
        etc_listing | comm -13 "$J/$1.cut" - | with_states
    } > "$J/$1.all"
    mv "$J/$1.all" "$J/$1.appeared"
}
