# Functions of the journal: read by every apply on the host, and the first part of each undo.sh.
# Plain POSIX sh with coreutils; no network, no Python, no controller.
# J is the run's folder, N the number of a change in it.

say() { printf '%s\n' "$*"; }

# Write a file of the journal whole or not at all: a full disk must not cut off what an earlier change needs.
whole() { cat > "$1.new" && mv "$1.new" "$1"; }

# What a path is: kind, mode, owner and digest, in one line.
state() {
    if [ -L "$1" ]; then printf 'link %s\n' "$(readlink "$1")"
    elif [ -d "$1" ]; then printf 'dir %s\n' "$(stat -c '%a %U:%G' "$1")"
    elif [ -f "$1" ]; then
        _sum=$(sha256sum < "$1")
        printf 'file %s %s\n' "$(stat -c '%a %U:%G' "$1")" "${_sum%% *}"
    elif [ -e "$1" ]; then printf 'other\n'
    else printf 'absent\n'
    fi
}

# One line for the site's log server. Where the host has no syslog the journal still has all of it.
tell_syslog() { logger -t runbook -p auth.notice -- "$*" 2>/dev/null || :; }

# Give the run its number on this host at its first change, and announce it. $1 what the line says of it.
begin_run() {
    if [ -e "$J/sequence" ]; then return; fi
    _sequence=$(cat "${J%/*}"/*/sequence 2>/dev/null | sort -n | tail -n 1)
    say "$((${_sequence:-0} + 1))" | whole "$J/sequence"
    tell_syslog "begin run=${J##*/} sequence=$(cat "$J/sequence") $1"
}

# Keep what a path is before it is touched: its state and, for a file or a link, its bytes. $1 index, $2 path.
keep_before() {
    printf '%s\n' "$2" > "$J/$N.$1.path"
    state "$2" > "$J/$N.$1.was"
    if [ -f "$2" ] || [ -L "$2" ]; then cp -a "$2" "$J/$N.$1.before"; fi
}

# Digests of what the journal has of change $1 beside the bytes of files, so that a damaged journal is told and never
# believed. $2 a kind of part that is not yet final. What undo.sh has in itself is not among it.
keep_parts() {
    _of=$1 _not_yet=${2:-sums}
    set --
    for _part in "$J/$_of".*; do
        case $_part in
        *.sums | *.undo | *.title | *.chapter | *.commands | *.log | *.begun | *.before | *.after | *.new) ;;
        *."$_not_yet") ;;
        *) set -- "$@" "$_part" ;;
        esac
    done
    _sums=
    if [ $# -gt 0 ]; then _sums=$(sha256sum "$@") || return; fi
    {
        if [ -n "$_sums" ]; then say "$_sums" | while read -r _sum _part; do say "$_sum ${_part##*/}"; done; fi
        say '# all'
    } | whole "$J/$_of.sums"
}

digest() {
    _sum=$({ sha256sum < "$1"; } 2>/dev/null)
    say "${_sum%% *}"
}

# Whether the journal still has what change $1 was kept with; else the change is left alone and the damage is named.
intact() {
    if [ "$(tail -n 1 "$J/$1.sums" 2>/dev/null)" != '# all' ]; then _damaged=" $1.sums"
    else
        _damaged=$(grep -v '^#' "$J/$1.sums" | while read -r _sum _part; do
            if [ "$(digest "$J/$_part")" != "$_sum" ]; then printf ' %s' "$_part"; fi
        done)
    fi
    if [ -z "$_damaged" ]; then return; fi
    conflict "change $1 is left alone: the journal is damaged ($J:$_damaged, missing or altered): $(one_line "$(cat "$J/$1.title")")"
    return 1
}

# Whether the function $2 that puts change $1 back is here.
can() {
    if command -v "${2:-}" >/dev/null 2>&1; then return; fi
    conflict "change $1 is left alone: the journal is damaged ($J: ${2:+functions with }${2:-$1.undo}, missing)"
    return 1
}

# Whether the journal's copy of before is what was seen then. $1 number, $2 index.
before_is_whole() {
    _seen=$(cat "$J/$1.$2.was")
    case $_seen in
    link*) [ "$(state "$J/$1.$2.before")" = "$_seen" ] ;;
    *) [ "$(digest "$J/$1.$2.before")" = "${_seen##* }" ] ;;
    esac
}

# Keep what a path is after it was touched. $3 'secret': its bytes are not copied.
keep_after() {
    if [ "${3:-}" != secret ] && [ -f "$2" ]; then cp -a "$2" "$J/$N.$1.after"; fi
    state "$2" > "$J/$N.$1.is.new" && mv "$J/$N.$1.is.new" "$J/$N.$1.is"
}

# $* 'PATH: why', or another word where it is about no path.
conflict() {
    conflicts=$((${conflicts:-0} + 1))
    left_alone="${left_alone:-} ${1%%:*}"
    say "CONFLICT $*"
}

# What ran before the run, and does not now though the run did not stop it, is left so, as a file is that somebody changed
# since: why it was stopped is not known here, and to start it is one command. The run is back all the same, and nobody is
# told that all is as before. $1 the unit, $2 what is so.
not_as_before() {
    case "${differs:-}" in *"[$1: $2]"*) return ;; esac
    differs="${differs:-}[$1: $2]"
    { true > "$J/differs.$1"; } 2>/dev/null || true
    say "NOT AS BEFORE $1: $2"
}

stays_stopped() {
    not_as_before "$1" "it ran before this run, which did not stop it, and does not run now: it stays so; to start it: systemctl start $1"
}

# Which of these folders have no byte left: not every program says that of itself, OpenSSL does not.
no_space() {
    for _folder in "$@"; do
        df -P "$_folder" 2>/dev/null | awk 'NR == 2 && $4 == 0 { print "No space left on " $6 }'
    done | sort -u
}

# A path that could not be written, as on a full disk: it is as it was found.
not_back() { conflict "$1: it could not be put back, see the line above; it is as it was found"; }

# Put one path of change $1 back to what it was; spare it when somebody changed it since. $2 index.
path_back() {
    _path=$(cat "$J/$1.$2.path")
    _was=$(cat "$J/$1.$2.was")
    _is=$(cat "$J/$1.$2.is" 2>/dev/null || say "not reached")
    _now=$(state "$_path")
    # What a change that was cut off had written aside.
    if [ ! -e "$J/$1.done" ]; then rm -f "${_path%/*}/.${_path##*/}.new"; fi
    if [ "$_now" = "$_was" ]; then say "AS BEFORE $_path"; return; fi
    # A change that was cut off has no state of after; what it made under this path is moved aside, not destroyed.
    if [ "$_is" != "not reached" ] && [ "$_now" != "$_is" ]; then
        conflict "$_path: changed since (was: $_was; we left: $_is; now: $_now)"
        return
    fi
    case $_was in
    absent)
        if [ -d "$_path" ] && [ ! -L "$_path" ]; then
            rmdir "$_path" 2>/dev/null || { conflict "$_path: not empty, so it stays"; return; }
        else
            mkdir -p "$J/removed" && mv -f "$_path" "$J/removed/$1.$2" || { not_back "$_path"; return; }
        fi ;;
    dir*)
        _mode=${_was#dir } # a group may have a blank in its name
        chown "${_mode#* }" "$_path" && chmod "${_mode%% *}" "$_path" || { not_back "$_path"; return; } ;;
    *)
        if ! before_is_whole "$1" "$2"; then
            conflict "$_path: left as it is, since the journal's copy of before is missing or was altered ($J/$1.$2.before)"
            return
        fi
        if [ "$_is" = "not reached" ]; then mkdir -p "$J/removed" && cp -a "$_path" "$J/removed/$1.$2"; fi
        cp -a "$J/$1.$2.before" "$_path.runbook-undo" && sync "$_path.runbook-undo" &&
            mv -f "$_path.runbook-undo" "$_path" || { rm -f "$_path.runbook-undo"; not_back "$_path"; return; } ;;
    esac
    if command -v restorecon >/dev/null 2>&1; then restorecon "$_path" 2>/dev/null || :; fi
    say "PUT BACK $_path"
}

# Put every path of a change back, the last first.
paths_back() {
    for _file in $(ls -r "$J/$1".*.was); do
        _index=${_file%.was}
        path_back "$1" "${_index##*.}"
    done
}

# Do something once, after everything else is back: a reload that takes up what was put back. It is owed until it was done:
# where it could not be, or who put things back was killed before it, the next time does it. A disk on which that cannot
# be noted holds up nothing: `true` and not `:`, after whose redirection, where it fails, the shell ends (POSIX 2.8.1).
afterwards() {
    case " ${after_all:-} " in *" $1 "*) return ;; esac
    after_all="${after_all:-} $1"
    { true > "$J/owed.$1"; } 2>/dev/null || true
}

do_afterwards() {
    for _owed in "$J"/owed.*; do
        if [ -e "$_owed" ]; then afterwards "${_owed##*/owed.}"; fi
    done
    for _do in ${after_all:-}; do
        _left_alone=${conflicts:-0}
        "$_do"
        if [ "${conflicts:-0}" = "$_left_alone" ]; then rm -f "$J/owed.$_do"; fi
    done
}

# A host that boots is waited for: a service that is about to start has read what is put back, and takes up no other.
wait_for_boot() {
    _waited=0
    while case $(systemctl is-system-running 2>/dev/null) in initializing | starting) true ;; *) false ;; esac; do
        if [ "$_waited" = 0 ]; then say "the host is still starting; waiting for it"; fi
        if [ "$_waited" = 180 ]; then say "it has not finished starting in 3 minutes; going on all the same (systemctl list-jobs)"; return; fi
        _waited=$((_waited + 1))
        sleep 1
    done
}

# Change numbers from $FROM on are put back, each once; the others are left alone.
wanted() {
    if [ "$1" -lt "${FROM:-0}" ] || [ -e "$J/$1.undone" ]; then return 1; fi
    [ -e "$J/$1.begun" ] || [ -e "$J/$1.done" ]
}

# Runs that changed this host later and are not put back, the newest first: they rest on this one.
later_runs() {
    _mine=$(cat "$J/sequence" 2>/dev/null)
    for _run in "${J%/*}"/*/; do
        _its=
        if [ -r "${_run}sequence" ]; then IFS= read -r _its < "${_run}sequence" || :; fi
        if [ "${_its:-0}" -le "${_mine:-0}" ]; then continue; fi
        for _begun in "$_run"*.begun; do
            if [ -e "$_begun" ] && [ ! -e "${_begun%.begun}.undone" ]; then
                _run=${_run%/}
                say "$_its ${_run##*/}"
                break
            fi
        done
    done | sort -rn | cut -d ' ' -f 2
}

# A text as one line of a script, whatever is in it.
one_line() {
    case $1 in
    *[[:cntrl:]]*) printf '%s' "$1" | LC_ALL=C tr '\000-\037\177' '?' ;;
    *) printf '%s' "$1" ;;
    esac
}

# The lines of a file of the journal, without a program for it; nothing where it is not there.
lines_of() {
    if [ ! -r "$1" ]; then return 1; fi
    while IFS= read -r _line || [ -n "$_line" ]; do say "$_line"; done < "$1"
}

# What was cut off in a chapter is whole, since the chapter got through later: it looked anew, and made what was left.
# $1 the chapter; '' all of them.
settle() {
    for _begun in "$J"/*.begun; do
        _n=${_begun%.begun}
        if [ ! -e "$_begun" ] || [ -e "$_n.done" ] || [ -e "$_n.undone" ]; then continue; fi
        if [ -z "$1" ] || [ "$(cat "$_n.chapter" 2>/dev/null)" = "$1" ]; then : > "$_n.settled"; fi
    done
}

# Write undo.sh anew from the fragments, the last change first, in one step. It is one command, so that nothing of one
# that was cut off is done.
write_undo() {
    {
        say '#!/bin/sh'
        say '# Puts back what this run changed, and spares what somebody changed since: sh undo.sh [--from NUMBER]'
        say '{'
        say 'umask 077'
        say 'J=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)'
        say 'if [ "${1:-}" = --from ]; then FROM=$2; fi'
        say 'if [ "$(id -u)" -ne 0 ]; then echo "undo.sh must be run as root; nothing was changed" >&2; exit 2; fi'
        say 'exec 8>>/run/runbook.work'
        say 'flock -n 8 || { echo "a change is still being made; waiting for it"; flock -w 600 8 || exit 2; }'
        set -- "$J/journal.sh"
        for _file in "$J"/functions.*.sh; do if [ -e "$_file" ]; then set -- "$@" "$_file"; fi; done
        cat "$@"
        say wait_for_boot
        say 'for _later in $(later_runs); do'
        say '    conflict "run $_later changed this host later and rests on this run: put it back first: sh ${J%/*}/$_later/undo.sh"'
        say 'done'
        say 'if [ -n "${conflicts:-}" ]; then say "nothing was put back: the newest run comes back first"; exit 1; fi'
        # A kind of change of which an edit holds up all the others has a function of that name.
        for _kind in $(cat "$@" | sed -n 's/^\([a-z_]*\)_hold() .*/\1/p'); do
            for _file in "$J"/*."$_kind"; do
                if [ ! -e "$_file" ]; then continue; fi
                _n=${_file##*/} _n=${_n%."$_kind"}
                say "if wanted $_n && [ -e \"\$J/$_n.done\" ]; then ${_kind}_hold $_n; fi"
            done
        done
        say 'if [ -n "${conflicts:-}" ]; then say "nothing was put back: roll back again then"; exit 1; fi'
        for _n in $(ls "$J" | sed -n 's/^\([0-9]*\)\.\(undo\|begun\|done\)$/\1/p' | sort -ru); do
            _title=$(one_line "$(lines_of "$J/$_n.title")")
            say ""
            say "# $_n: $_title"
            say "if wanted $_n; then"
            say 'before=${conflicts:-0} began=yes'
            _undo=$(lines_of "$J/$_n.undo") _first=${_undo%%"
"*}
            say "if intact $_n && can $_n ${_first%% *}; then"
            say "${_undo:-:}"
            say 'fi'
            say "if [ \"\${conflicts:-0}\" = \"\$before\" ]; then : > \"\$J/$_n.undone\"; fi"
            say "fi"
        done
        say ""
        say do_afterwards
        say 'if [ -n "${conflicts:-}" ]; then say "$conflicts left alone; read the lines above"; exit 1; fi'
        say 'if [ -z "$(ls "$J" | grep "\.begun$")" ]; then say "no change of this run was begun: it has changed nothing here"; exit 0; fi'
        say 'if [ -z "${began:-}" ]; then say "nothing to put back: what this run changed is back already"; exit 0; fi'
        say 'tell_syslog "undone run=${J##*/} sequence=$(cat "$J/sequence")${FROM:+ from=$FROM}"'
        say 'if [ -n "${FROM:-}" ]; then _all="all that change $FROM and later ones changed is as before"'
        say 'else _all="all that this run changed is as before it"; fi'
        say 'if [ -n "${differs:-}" ]; then _all="$_all; what else differs is above (NOT AS BEFORE)"; fi'
        say 'say "$_all"; exit 0'
        say '}'
    } > "$J/undo.sh.new"
    sync "$J/undo.sh.new" && mv "$J/undo.sh.new" "$J/undo.sh"
}

# Whether undo.sh is there to its end.
undo_is_whole() {
    case $(tail -n 1 "$J/undo.sh" 2>/dev/null) in
    '}' | 'say "everything is as before the run"') sh -n "$J/undo.sh" 2>/dev/null ;;
    *) return 1 ;;
    esac
}
