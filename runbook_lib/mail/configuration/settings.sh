# Functions that put settings of main.cf and services of master.cf back, by value where the file was changed since.

setting_line() { postconf -n "$1" 2>/dev/null; }

# Whether it runs; systemd may have `active` of a unit whose Postfix was stopped by hand.
postfix_now() { if postfix status >/dev/null 2>&1; then say active; else say inactive; fi; }

# Whether Postfix was there before the run, and ran when the run first changed something of it.
postfix_ran() {
    if cat "$J"/*.brought 2>/dev/null | grep -qx postfix; then return 1; fi
    for _ran in "$J"/[0-9]*.postfix; do
        if [ -e "$_ran" ]; then [ "$(cat "$_ran")" = active ]; return; fi
    done
    return 1
}

# A file that is itself a link stays one, and what it has beside its bytes stays too; postconf would make another file.
# $1 the file; the other words have postconf edit a copy of it.
edited() {
    _copy=/run/runbook.postfix
    _kind=${1##*/}
    _at=$(readlink -f "$1")
    shift
    install -d -m 0700 "$_copy" && cp /etc/postfix/main.cf /etc/postfix/master.cf "$_copy" &&
        postconf -c "$_copy" "$@" && bytes_into "$_at" < "$_copy/$_kind"
    _edited=$?
    rm -rf "$_copy"
    return "$_edited"
}

# The bytes of standard input become the file's, in one step. $1 the file, no link to it.
bytes_into() {
    cp -a "$1" "$1.runbook-undo" && cat > "$1.runbook-undo" && sync "$1.runbook-undo" && mv "$1.runbook-undo" "$1"
}

# Whether the link that led to the file of change $1 leads there no more; then nobody can say what goes where.
link_is_another() {
    if [ ! -e "$J/$1.1.path" ]; then return 1; fi
    _link=$(cat "$J/$1.1.path")
    if [ "$(state "$_link")" = "$(cat "$J/$1.1.was")" ]; then return 1; fi
    conflict "$_link: changed since (was: $(cat "$J/$1.1.was"); now: $(state "$_link"))"
}

# Whether a file of Postfix has anything to compare by value; else that is a conflict. $1 number, $2 path, $3 what reads it.
has_values() {
    if [ ! -e "$2" ]; then _why="removed since"
    elif ! _said=$(postconf "$3" 2>&1 >/dev/null); then _why="Postfix cannot read it: $(say "$_said" | head -n 1)"
    elif [ -z "$(postconf "$3" 2>/dev/null)" ]; then _why="emptied since"
    else return 0
    fi
    conflict "$2: $_why; the run left $J/$1.0.after: put it there (cp -a), then roll back again"
    postfix_lacks=$2
    return 1
}

# Whether a file is as it was, or as the run left it and its bytes of before are there: then they are put back as they are.
goes_back_whole() {
    _now=$(state "$2")
    [ "$_now" = "$(cat "$J/$1.0.was")" ] || { [ "$_now" = "$(cat "$J/$1.0.is" 2>/dev/null)" ] && before_is_whole "$1" 0; }
}

# Whether change $1 had to do with the addresses that Postfix listens on, and Postfix was started since, as it is when a
# host boots between that change and the next: a reload does not let go of them (postconf(5), inet_interfaces).
started_listening_as_we_left() {
    grep -q '^inet_interfaces	' "$J/$1.settings" && postfix status >/dev/null 2>&1 &&
        [ "$(postconf -h queue_directory 2>/dev/null)/pid/master.pid" -nt "$J/$1.begun" ]
}

# Each line of $J/$1.settings: name TAB line of before TAB line of after; '-' for 'not set'.
settings_back() {
    _main=$(cat "$J/$1.0.path")
    if started_listening_as_we_left "$1"; then afterwards postfix_restarts; else afterwards postfix_again; fi
    if link_is_another "$1"; then return; fi
    if goes_back_whole "$1" "$_main"; then path_back "$1" 0; return; fi
    has_values "$1" "$_main" -n || return
    while IFS="$(printf '\t')" read -r _name _before _after; do
        _now=$(setting_line "$_name")
        if [ "${_now:--}" = "$_before" ]; then say "AS BEFORE $_main: $_name"
        elif [ "${_now:--}" != "$_after" ]; then
            conflict "$_main: $_name was changed since (before: $_before; we left: $_after; now: ${_now:-not set})"
        elif [ "$_before" = - ]; then edited /etc/postfix/main.cf -X "$_name" && say "PUT BACK $_main: $_name is not set" || not_back "$_main"
        else edited /etc/postfix/main.cf -e "$_before" && say "PUT BACK $_main: $_before" || not_back "$_main"
        fi
    done < "$J/$1.settings"
}

# Before 2.11 postconf writes the name of a service with a dot, so it is not asked for by name. Between two lines of one
# name stands a vertical tab, which no line has: a slash may be an argument.
service_line() {
    postconf -M 2>/dev/null | awk -v name="${1%/*}" -v kind="${1#*/}" '
        $1 == name && $2 == kind { $1 = $1; line = line sep $0; sep = "\v" } END { if (sep) print line }'
}

# Each line of $J/$1.services: name/type TAB line of before TAB line of after; '-' for 'no such service'.
services_back() {
    _master=$(cat "$J/$1.0.path")
    afterwards postfix_again
    if link_is_another "$1"; then return; fi
    if goes_back_whole "$1" "$_master"; then path_back "$1" 0; return; fi
    has_values "$1" "$_master" -M || return
    while IFS="$(printf '\t')" read -r _name _before _after; do
        _now=$(service_line "$_name")
        if [ "${_now:--}" = "$_before" ]; then say "AS BEFORE $_master: $_name"
        elif [ "${_now:--}" != "$_after" ]; then
            conflict "$_master: $_name was changed since (before: $(side_by_side "$_before"); we left: $(side_by_side "$_after"); now: $(side_by_side "${_now:-no such service}"))"
        elif [ "$_before" = - ]; then service_put "$_name" "" && say "PUT BACK $_master: no $_name" || not_back "$_master"
        else service_put "$_name" "$_before" && say "PUT BACK $_master: $_name" || not_back "$_master"
        fi
    done < "$J/$1.services"
}

# A service of ours that was edited since and is there rests on all that the run made: TLS, logins, the certificate. So it
# is spared with all of that. $1 number.
services_hold() {
    while IFS="$(printf '\t')" read -r _name _before _after; do
        _now=$(service_line "$_name")
        if [ -z "$_now" ] || [ "$_now" = "$_before" ] || [ "$_now" = "$_after" ]; then continue; fi
        conflict "/etc/postfix/master.cf: $_name was changed since (before: $(side_by_side "$_before"); we left: $(side_by_side "$_after"); now: $(side_by_side "$_now"))"
        way_out
    done < "$J/$1.services"
    edits_hold "$1" master.cf services
}

settings_hold() { edits_hold "$1" main.cf settings; }

way_out() {
    say "what it rests on stays as well, so that it goes on; the way out: write it as we left it, or take it out"
}

# What else somebody set in main.cf ($2) or master.cf since change $1, the last one there, and what turns on TLS or logins
# or names a file that the run made: taken away from under it, port 25 would offer logins in clear, or have no certificate.
# $3 what the changes of that file have beside them: settings, services.
edits_hold() {
    for _last in "$J"/*."$3"; do if [ -e "${_last%."$3"}.done" ]; then _of=${_last%."$3"}; fi; done
    if [ "${_of##*/}" != "$1" ] || [ ! -e "$_of.0.after" ]; then return; fi
    _aside=/run/runbook.postfix
    install -d -m 0700 "$_aside" && : > "$_aside/known" || return
    for _state in after before; do
        cp /etc/postfix/main.cf /etc/postfix/master.cf "$_aside"
        if [ -e "$_of.0.$_state" ]; then cp "$_of.0.$_state" "$_aside/$2"; fi
        entries "$2" "$_aside" >> "$_aside/known"
    done
    if [ "$2" = master.cf ]; then
        cut -f 1 "$_of.services" | while read -r _name; do service_line "$_name" | tr '\v' '\n'; done >> "$_aside/known"
    fi
    for _was in "$J"/*.was; do
        if [ "$(cat "$_was")" = absent ]; then cat "${_was%.was}.path"; fi
    done > "$_aside/made"
    _turns_on='smtpd_sasl_auth_enable *= *yes|smtpd_tls_wrappermode *= *yes|smtpd_(use|enforce)_tls *= *yes'
    _turns_on="$_turns_on|smtpd_tls_security_level *= *[a-mo-z]"
    entries "$2" /etc/postfix | grep -vxF -f "$_aside/known" > "$_aside/since"
    { grep -E "$_turns_on" "$_aside/since"; grep -F -f "$_aside/made" "$_aside/since"; } | sort -u > "$_aside/rests"
    while IFS= read -r _entry; do
        conflict "/etc/postfix/$2: $(one_line "$_entry") was set since, and rests on what the run made"
        way_out
    done < "$_aside/rests"
    rm -rf "$_aside"
}

# The entries of main.cf or master.cf ($1) in folder $2, a line each.
entries() {
    case $1 in
    main.cf) postconf -c "$2" -n ;;
    *) postconf -c "$2" -M | awk '{ $1 = $1; print }' ;;
    esac 2>/dev/null
}

# Before 2.11 `postconf -M` only reads, and it never writes a service twice: then the file is edited as text.
# $1 name/type, $2 its line (several: with a vertical tab between them), '' to remove it.
service_put() {
    case $2 in
    '') if edited /etc/postfix/master.cf -MX "$1" 2>/dev/null; then return; fi ;;
    *"$(printf '\v')"*) ;;
    *) if edited /etc/postfix/master.cf -M "$1=$2" 2>/dev/null; then return; fi ;;
    esac
    {
        awk -v name="${1%/*}" -v kind="${1#*/}" '/^[^# \t]/ { mine = $1 == name && $2 == kind }
            /^[ \t]*(#|$)/ || !mine' "$_master"
        if [ -n "$2" ]; then say "$2" | tr '\v' '\n'; fi
    } | bytes_into "$(readlink -f "$_master")"
}

# Lines of one service, for a person.
side_by_side() { say "$1" | awk '{ gsub("\v", " / "); print }'; }

# Postfix as it was before change $1: stopped and disabled where it was; else it takes up what was put back.
postfix_back() {
    if [ "$(cat "$J/$1.active")" != active ]; then unit_back "$1" postfix; return; fi
    if [ "$(cat "$J/$1.enabled")" = disabled ]; then systemctl disable postfix >/dev/null 2>&1; fi
    disabled_since "$1" postfix
    # A change that was cut off, or failed, may have left it down: then it is started.
    if [ "$(postfix_now)" = active ]; then _by=$2; elif [ -e "$J/$1.done" ]; then _by=; else _by=restart; fi
    if [ "$_by" = restart ]; then afterwards postfix_restarts; else afterwards postfix_again; fi
}

# Whether a file of it has to be put right first: what runs has read better ones, and would be lost with a restart.
postfix_waits() {
    if [ -z "${postfix_lacks:-}" ]; then return 1; fi
    conflict "postfix is neither reloaded nor restarted: $postfix_lacks has to be put right first"
}

# Only a restart makes it listen on other addresses.
postfix_restarts() {
    if ! command -v postfix >/dev/null 2>&1 || postfix_waits; then return; fi
    if ! systemctl restart postfix; then conflict "postfix does not restart: journalctl -u postfix"; return; fi
    say "PUT BACK Postfix runs with what was there before"
}

# Postfix takes up what was put back.
postfix_again() {
    case " ${after_all:-} " in *" postfix_restarts "*) return ;; esac
    if ! command -v postfix >/dev/null 2>&1 || postfix_waits; then return; fi
    if [ "$(postfix_now)" = inactive ]; then
        if postfix_ran; then stays_stopped postfix; fi
        return
    fi
    if ! postfix reload >/dev/null 2>&1; then conflict "postfix does not reload: postfix check"; return; fi
    say "PUT BACK Postfix runs with what was there before"
}
