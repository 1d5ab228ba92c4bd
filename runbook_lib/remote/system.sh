# Functions that put units and group memberships back.

unit_enabled() { systemctl is-enabled "$1" 2>/dev/null | head -n 1 | grep . || say not-found; }
unit_active() { systemctl is-active "$1" 2>/dev/null | head -n 1; }

# Back to what the unit was: stopped while its files go back, started at the end if it ran before. $1 number, $2 unit.
unit_back() {
    _enabled=$(cat "$J/$1.enabled")
    _active=$(cat "$J/$1.active")
    if [ "$(unit_enabled "$2")" = not-found ]; then say "AS BEFORE unit $2"; return; fi
    disabled_since "$1" "$2"
    _stays=
    if stopped_since "$1" "$2"; then _stays=yes; fi
    if [ "$_active" = active ] && [ "$_enabled" != not-found ]; then
        if [ -n "$_stays" ]; then stays_stopped "$2"; return; fi
        units_to_start="${units_to_start:-} $2"
        { true > "$J/start.$2"; } 2>/dev/null || true  # whoever is killed before the end owes it
        afterwards start_units
    fi
    systemctl stop "$2"
    if [ "$_enabled" = disabled ]; then systemctl disable "$2" >/dev/null 2>&1; fi
    say "PUT BACK unit $2 (was $_enabled, $_active)"
}

# Whether a unit was stopped since change $1, or a later one, left it running. What a change that was cut off or failed
# left down, or an earlier way back that was, is not stopped since. $2 unit.
stopped_since() {
    case $(unit_active "$2") in inactive | failed) ;; *) rm -f "$J/stopped.$2"; return 1 ;; esac
    if [ -e "$J/start.$2" ]; then return 1; fi
    if [ -e "$J/$1.done" ] && [ "$(cat "$J/$1.leaves" 2>/dev/null)" = active ]; then
        units_stopped="${units_stopped:-} $2"
        { true > "$J/stopped.$2"; } 2>/dev/null || true
    fi
    case " ${units_stopped:-} " in *" $2 "*) return ;; esac
    [ -e "$J/stopped.$2" ]
}

# The run disables nothing. $1 number, $2 unit.
disabled_since() {
    if [ "$(cat "$J/$1.enabled")" != enabled ]; then return; fi
    case $(unit_enabled "$2") in
    disabled | masked) not_as_before "$2" "it started with the host before this run, which did not disable it, and does not now: it stays so; to have it start: systemctl unmask $2; systemctl enable $2" ;;
    esac
}

start_units() {
    systemctl daemon-reload
    for _start in "$J"/start.*; do
        if [ -e "$_start" ]; then units_to_start="${units_to_start:-} ${_start##*/start.}"; fi
    done
    for _unit in $(printf '%s\n' ${units_to_start:-} | sort -u); do
        # Where it is not found, its package went with the run.
        if [ "$(unit_enabled "$_unit")" != not-found ] && ! systemctl start "$_unit"; then
            conflict "unit $_unit does not start again: journalctl -u $_unit"
        else rm -f "$J/start.$_unit"
        fi
    done
}

member() { id -nG "$1" 2>/dev/null | tr ' ' '\n' | grep -qx "$2" && say yes || say no; }

# $1 number, $2 user, $3 group.
membership_back() {
    if [ "$(member "$2" "$3")" = no ]; then say "AS BEFORE $2 in group $3"; return; fi
    gpasswd -d "$2" "$3" >/dev/null && say "PUT BACK $2 is no longer in group $3"
}
