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

service_line() { postconf -M "$1" 2>/dev/null | tr -s ' \t' ' '; }

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
        elif [ "$_before" = - ]; then postconf -MX "$_name" && say "PUT BACK $_master: no $_name"
        else postconf -M "$_name=$_before" && say "PUT BACK $_master: $_name"
        fi
    done < "$J/$1.services"
}

# Postfix takes up what was put back.
postfix_again() {
    if ! command -v postfix >/dev/null 2>&1; then return; fi
    if ! postfix status >/dev/null 2>&1; then return; fi
    if ! postfix reload >/dev/null 2>&1; then conflict "postfix does not reload: postfix check"; return; fi
    say "PUT BACK Postfix runs with what was there before"
}
