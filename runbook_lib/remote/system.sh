# Functions that put units and group memberships back.

unit_enabled() { systemctl is-enabled "$1" 2>/dev/null | head -n 1 | grep . || say not-found; }
unit_active() { systemctl is-active "$1" 2>/dev/null | head -n 1; }

# Back to what the unit was: stopped while its files go back, started at the end if it ran before. $1 number, $2 unit.
unit_back() {
    _enabled=$(cat "$J/$1.enabled")
    _active=$(cat "$J/$1.active")
    if [ "$(unit_enabled "$2")" = not-found ]; then say "AS BEFORE unit $2"; return; fi
    systemctl stop "$2"
    if [ "$_enabled" = disabled ]; then systemctl disable "$2" >/dev/null 2>&1; fi
    if [ "$_active" = active ] && [ "$_enabled" != not-found ]; then
        units_to_start="${units_to_start:-} $2"
        afterwards start_units
    fi
    say "PUT BACK unit $2 (was $_enabled, $_active)"
}

start_units() {
    systemctl daemon-reload
    for _unit in ${units_to_start:-}; do
        if [ "$(unit_enabled "$_unit")" = not-found ]; then continue; fi  # its package went with the run
        systemctl start "$_unit" || conflict "unit $_unit does not start again: journalctl -u $_unit"
    done
}

member() { id -nG "$1" 2>/dev/null | tr ' ' '\n' | grep -qx "$2" && say yes || say no; }

# $1 number, $2 user, $3 group.
membership_back() {
    if [ "$(member "$2" "$3")" = no ]; then say "AS BEFORE $2 in group $3"; return; fi
    gpasswd -d "$2" "$3" >/dev/null && say "PUT BACK $2 is no longer in group $3"
}
