# Functions that put settings of main.cf and services of master.cf back, by value where the file was changed since.

setting_line() { postconf -n "$1" 2>/dev/null; }

# Each line of $J/$1.settings: name TAB line of before TAB line of after; '-' for 'not set'.
settings_back() {
    _main=$(cat "$J/$1.0.path")
    if [ ! -e "$_main" ]; then say "AS BEFORE $_main: not there"; return; fi
    if [ "$(state "$_main")" = "$(cat "$J/$1.0.was")" ] || [ "$(state "$_main")" = "$(cat "$J/$1.0.is" 2>/dev/null)" ]; then
        path_back "$1" 0
        return
    fi
    while IFS="$(printf '\t')" read -r _name _before _after; do
        _now=$(setting_line "$_name")
        if [ "${_now:--}" = "$_before" ]; then say "AS BEFORE $_main: $_name"
        elif [ "${_now:--}" != "$_after" ]; then
            conflict "$_main: $_name was changed since (before: $_before; we left: $_after; now: ${_now:-not set})"
        elif [ "$_before" = - ]; then postconf -X "$_name" && say "PUT BACK $_main: $_name is not set"
        else postconf -e "$_before" && say "PUT BACK $_main: $_before"
        fi
    done < "$J/$1.settings"
}

# Before 2.11 postconf writes the name of a service with a dot, so it is not asked for by name.
service_line() {
    postconf -M 2>/dev/null | awk -v name="${1%/*}" -v kind="${1#*/}" '
        $1 == name && $2 == kind { $1 = $1; line = line sep $0; sep = " / " } END { if (sep) print line }'
}

# Each line of $J/$1.services: name/type TAB line of before TAB line of after; '-' for 'no such service'.
services_back() {
    _master=$(cat "$J/$1.0.path")
    if [ ! -e "$_master" ]; then say "AS BEFORE $_master: not there"; return; fi
    if [ "$(state "$_master")" = "$(cat "$J/$1.0.was")" ] || [ "$(state "$_master")" = "$(cat "$J/$1.0.is" 2>/dev/null)" ]; then
        path_back "$1" 0
        return
    fi
    while IFS="$(printf '\t')" read -r _name _before _after; do
        _now=$(service_line "$_name")
        if [ "${_now:--}" = "$_before" ]; then say "AS BEFORE $_master: $_name"
        elif [ "${_now:--}" != "$_after" ]; then
            conflict "$_master: $_name was changed since (before: $_before; we left: $_after; now: ${_now:-no such service})"
        elif [ "$_before" = - ]; then service_put "$_name" "" && say "PUT BACK $_master: no $_name"
        else service_put "$_name" "$_before" && say "PUT BACK $_master: $_name"
        fi
    done < "$J/$1.services"
}

# Before 2.11 `postconf -M` only reads, and it never writes a service twice: then the file is edited as text.
# $1 name/type, $2 its line (several: with ' / ' between them), '' to remove it.
service_put() {
    case $2 in *' / '*) ;; *) if [ -n "$2" ] && postconf -M "$1=$2" 2>/dev/null; then return; fi ;; esac
    if [ -z "$2" ] && postconf -MX "$1" 2>/dev/null; then return; fi
    cp -p "$_master" "$_master.runbook-undo"
    awk -v name="${1%/*}" -v kind="${1#*/}" '/^[^# \t]/ { mine = $1 == name && $2 == kind }
        /^[ \t]*(#|$)/ || !mine' "$_master" > "$_master.runbook-undo"
    if [ -n "$2" ]; then say "$2" | awk '{ gsub(" / ", "\n"); print }' >> "$_master.runbook-undo"; fi
    sync "$_master.runbook-undo" && mv "$_master.runbook-undo" "$_master"
}

# Postfix as it was before change $1: stopped and disabled where it was; else it takes up what was put back.
postfix_back() {
    if [ "$(cat "$J/$1.active")" != active ]; then unit_back "$1" postfix; return; fi
    if [ "$(cat "$J/$1.enabled")" = disabled ]; then systemctl disable postfix >/dev/null 2>&1; fi
    if [ "$2" = restart ]; then afterwards postfix_restarts; else afterwards postfix_again; fi
}

# Only a restart makes it listen on other addresses.
postfix_restarts() {
    if ! command -v postfix >/dev/null 2>&1; then return; fi
    if ! systemctl restart postfix; then conflict "postfix does not restart: journalctl -u postfix"; return; fi
    say "PUT BACK Postfix runs with what was there before"
}

# Postfix takes up what was put back.
postfix_again() {
    if ! command -v postfix >/dev/null 2>&1; then return; fi
    if ! postfix status >/dev/null 2>&1; then return; fi
    if ! postfix reload >/dev/null 2>&1; then conflict "postfix does not reload: postfix check"; return; fi
    say "PUT BACK Postfix runs with what was there before"
}
