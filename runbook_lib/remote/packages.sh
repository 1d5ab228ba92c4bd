# Functions that put packages back; what differs by package manager is in packages.apt.sh and packages.dnf.sh. What a
# service leaves beside the files of its packages is handed down by who installs them, as functions that begin with the
# service's name (Traces in system.py).

# What each service of the run says to $1; the other words are its question's.
of_services() {
    _ask=$1
    shift
    for _service in ${packaged_services:-}; do "${_service}_$_ask" "$@"; done
}

# The service whose package $1 is; nothing where it is none's.
service_of() {
    for _service in ${packaged_services:-}; do
        if [ "$("${_service}_package")" = "$1" ]; then say "$_service"; fi
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
    for _scripts in /var/lib/runbook/*/*.scripts; do
        if [ ! -e "$_scripts" ] || [ -e "${_scripts%.scripts}.made" ]; then continue; fi
        rpm_scripts | grep -vxF -f "$_scripts" | while IFS= read -r _path; do rm -f "$_path"; done
    done
}

# Anybody may make files there: so only root's, and only names that are one line whatever stands in them.
rpm_scripts() {
    find /var/tmp -maxdepth 1 -type f -user 0 -name 'rpm-tmp.*' ! -name '*[!A-Za-z0-9.]*'
}

# A folder for what package managers and their scripts lay aside; packages_litter removes it.
packages_room() {
    TMPDIR=$(mktemp -d /var/tmp/runbook.XXXXXXXXXX)
    chmod 1777 "$TMPDIR"  # apt fetches as a user of its own
}

# What an install may make or change beside the files that its packages list: a fixed list by path, so that nothing goes
# with the packages because it appeared in the meantime. What is there before is copied, for change $1.
packages_note() {
    packages_known $(cat "$J/$1.brought") > "$J/$1.known"
    packages_half > "$J/$1.half"
    rpm_scripts > "$J/$1.scripts"
    mkdir -p "$J/$1.kept.before"
    { of_services paths; packages_settings $(cat "$J/$1.known") | cut -d ' ' -f 1; } | sort -u | while IFS= read -r _path; do
        if there "$_path"; then copy_under "$J/$1.kept.before" "$_path" || exit 1; else say "$_path"; fi
    done > "$J/$1.absent"
    for _path in $(of_services folders); do if ! there "$_path"; then say "$_path"; fi; done > "$J/$1.no-folder"
    (cd "$J/$1.kept.before" && find . -type f -exec sha256sum {} +) > "$J/$1.kept"
}

# Coreutils 9.1 fail at cp -a --parents with a path from the root.
copy_under() { mkdir -p "$1${2%/*}" && cp -a "$2" "$1${2%/*}/"; }

there() { [ -e "$1" ] || [ -L "$1" ]; }

# What the install of change $1 made of it, with states; where it was cut off, this is done when it is completed.
packages_made() {
    if [ ! -e "$J/$1.made" ]; then : > "$J/$1.made"; fi
    while IFS= read -r _path; do
        if [ ! -d "$_path" ] && there "$_path" && ! grep -qF "$_path$tab" "$J/$1.made" "$J/$1.theirs" 2>/dev/null; then
            say "$_path$tab$(state "$_path")" >> "$J/$1.made"
        fi
    done < "$J/$1.absent"
    if [ -e "$J/$1.kept.after" ]; then return; fi
    mkdir "$J/$1.kept.after"
    (cd "$J/$1.kept.before" && find . ! -type d -exec sh -c '
        for _path do
            _path=/${_path#./}
            if [ -e "$_path" ] || [ -L "$_path" ]; then mkdir -p "$0${_path%/*}"; cp -a "$_path" "$0${_path%/*}/"; fi
        done' "$J/$1.kept.after" {} +)
}

tab=$(printf '\t')

# An install that was cut off is completed as far as it can be, and what it made is noted as for one that was not; what
# somebody made later than a minute after its last word is his.
packages_complete() {
    if [ -e "$J/$1.done" ] || [ ! -e "$J/$1.log" ]; then packages_mend; return; fi
    touch -d "@$(($(stat -c %Y "$J/$1.log") + 60))" "$J/$1.until"
    while IFS= read -r _path; do
        if [ -n "$(find "$_path" -maxdepth 0 -cnewer "$J/$1.until" 2>/dev/null)" ]; then say "$_path$tab"; fi
    done < "$J/$1.absent" > "$J/$1.theirs"
    packages_mend
    packages_made "$1"
    keep_parts "$1"
}

# $* what stays that would have gone.
kept() {
    conflicts=$((${conflicts:-0} + 1))
    say "KEPT $*"
}

# Remove by name what change $1 brought, where nothing else needs it; never autoremove, and never what others made.
packages_back() {
    _brought=$(cat "$J/$1.brought")
    if ! packages_wait 120; then
        conflict "packages: $(packages_held); run this again when it has ended"
        return
    fi
    packages_litter
    packages_complete "$1"
    _half=$(cat "$J"/*.brought | grep -vxF -f - "$J/$1.half" | tr '\n' ' ')
    if [ -n "$_half" ]; then kept "packages: half installed before the run, and whole now: $_half"; fi
    _here=$(packages_now)
    _remove=
    for _package in $_brought; do
        if say "$_here" | grep -qxF "$_package"; then _remove="$_remove $_package"; fi
    done
    if [ -z "$_remove" ]; then say "AS BEFORE packages"
    else packages_out "$1" || return
    fi
    packages_rest "$1"
}

# The package of the service among whose settings $1 is; nothing where it is none's.
package_of_settings() {
    for _service in ${packaged_services:-}; do
        case $1 in "$("${_service}_settings")"/*) "${_service}_package" ;; esac
    done
}

# Remove the packages of change $1 that are here, unless that would take something along.
packages_out() {
    for _path in ${left_alone:-}; do
        case $_path in /*) ;; *) continue ;; esac
        _owner=$(package_of_settings "$_path")
        if [ -n "$_owner" ]; then
            # A service that was there before the run stays, and its settings with it.
            case " $_remove " in *" $_owner "*) ;; *) continue ;; esac
        else packages_own "$_path" || continue
        fi
        kept "packages: $_path, which was left alone, would go with them"
        return 1
    done
    _why=$(of_services keeps $_remove)
    if [ -n "$_why" ]; then
        kept "packages: $_why"
        return 1
    fi
    _others=$(packages_going $_remove | while read -r _package; do
        case " $_remove " in *" $_package "*) ;; *) printf '%s ' "$_package" ;; esac; done)
    if [ -n "$_others" ]; then
        kept "packages: these need them: $_others"
        return 1
    fi
    _over=$(packages_overwrite $_remove)
    if [ -n "$_over" ]; then
        kept "packages: removing them would write over $_over: move it, then roll back again"
        return 1
    fi
    # A package may remove its files from under a running daemon, which goes on listening.
    for _package in $_remove; do
        for _unit in $(packages_files "$_package" | sed -n 's,.*/systemd/system/\([^/@]*\.service\)$,\1,p'); do
            systemctl stop "$_unit" 2>/dev/null || :
        done
    done
    of_services stopped "$1" $_remove
    for _package in $_remove; do packages_files "$_package"; done | sort -ru | grep '^/usr/' > "$J/$1.folders.log"
    packages_changed $_remove > "$J/$1.changed.log"
    if ! packages_remove $_remove > "$J/$1.remove.log" 2>&1 < /dev/null; then
        conflict "packages: they could not be removed, see $J/$1.remove.log"
        return 1
    fi
    say "PUT BACK packages: removed$_remove"
    while IFS= read -r _path; do kept "$_path: changed since the install"; done < "$J/$1.changed.log"
    # Of two packages with files in a directory, the one that owns it may have gone first.
    while IFS= read -r _path; do
        if [ -d "$_path" ] && [ ! -L "$_path" ] && ! packages_own "$_path"; then rmdir "$_path" 2>/dev/null || :; fi
    done < "$J/$1.folders.log"
}

# What scripts made and settings of the packages that change $1 brought go where nobody changed them; what was there before
# comes back; and what is left of others is named and stays.
packages_rest() {
    while IFS="$tab" read -r _path _state; do
        if ! there "$_path" || packages_own "$_path" || of_services remade | grep -qxF "$_path"; then continue; fi
        if [ "$(state "$_path")" = "$_state" ]; then rm -f "$_path"
        else kept "$_path: changed since the install"
        fi
    done < "$J/$1.made"
    of_services rest "$1"
    kept_back "$1"
    packages_settled "$1"
    while IFS= read -r _path; do
        if [ -d "$_path" ] && [ ! -L "$_path" ] && ! packages_own "$_path"; then rmdir "$_path" 2>/dev/null || :; fi
    done < "$J/$1.no-folder"
}

# What was there before and was changed by the install comes back; where somebody changed it since, it stays.
kept_back() {
    if [ ! -s "$J/$1.kept" ]; then return; fi
    if ! (cd "$J/$1.kept.before" && sha256sum -c --status "$J/$1.kept"); then
        conflict "packages: the journal's copies of before are damaged ($J/$1.kept.before); nothing of them was put back"
        return
    fi
    _told=$(cd "$J/$1.kept.before" && find . ! -type d -exec sh -c '
        . "$0/journal.sh"; . "$0/functions.packages.sh"; J=$0; N=$1; shift
        for _path do kept_one_back "$N" "${_path#./}"; done' "$J" "$1" {} +) || conflict "packages: see $J/$1.kept.before"
    if [ -z "$_told" ]; then return; fi
    say "$_told"
    conflicts=$((${conflicts:-0} + $(say "$_told" | grep -c '^KEPT')))
}

kept_one_back() {
    _was=$J/$1.kept.before/$2
    _now=$(state "/$2")
    if [ "$_now" = "$(state "$_was")" ]; then return; fi
    # What the install left as it was is nobody's here: another change of the run put it back, or left it alone and said so.
    if [ "$_now" != absent ] && [ "$(state "$_was")" = "$(state "$J/$1.kept.after/$2")" ]; then return; fi
    if [ "$_now" != absent ] && [ "$_now" != "$(state "$J/$1.kept.after/$2")" ]; then
        say "KEPT $(one_line "/$2"): changed since the install"
        return
    fi
    mkdir -p "/${2%/*}" && cp -a "$_was" "/$2.runbook-undo" && mv -f "/$2.runbook-undo" "/$2" && say "PUT BACK $(one_line "/$2")"
}
