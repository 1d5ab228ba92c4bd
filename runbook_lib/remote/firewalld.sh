# Functions that take services out of a zone of firewalld again.

# $1 number, $2 zone, then the services that were added to the permanent configuration. firewalld takes them out itself,
# since it keeps what it read of its files; where nobody changed the zone's file since, its bytes are put back as well.
firewalld_back() {
    _number=$1 _zone=$2
    shift 2
    if [ "$#" -gt 0 ]; then
        _same=
        if [ "$(state "$(cat "$J/$_number.0.path")")" = "$(cat "$J/$_number.0.is" 2>/dev/null)" ]; then _same=yes; fi
        for _service in "$@"; do service_out --permanent "$_service"; done
        if [ -n "$_same" ]; then
            for _i in 0 1; do state "$(cat "$J/$_number.$_i.path")" > "$J/$_number.$_i.is"; done
            keep_parts "$_number"
            paths_back "$_number"
        fi
    fi
    if [ -e "$J/$_number.running" ]; then
        while read -r _service; do service_out "" "$_service"; done < "$J/$_number.running"
    fi
    # It ran, else nothing would have been let in.
    if [ "$(firewalld_by)" = firewall-offline-cmd ]; then stays_stopped firewalld; fi
}

# What changes the zone of firewalld: itself where it answers; its files alone where it does not run.
firewalld_by() {
    if firewall-cmd --state >/dev/null 2>&1; then say firewall-cmd; return; fi
    case $(unit_active firewalld) in
    active | activating | reloading | deactivating) say nobody ;;  # it may have read what is about to be put back
    *) say firewall-offline-cmd ;;
    esac
}

# $1 '--permanent' or nothing, $2 service.
service_out() {
    _by=$(firewalld_by) _how=$1 _out=--remove-service
    case $_by in
    nobody) conflict "firewalld, $_zone: it runs and does not answer, so $2 was not taken out: firewall-cmd --state"; return ;;
    firewall-offline-cmd)
        if [ -z "$1" ]; then say "AS BEFORE firewalld, $_zone: it does not run"; return; fi
        _how= _out=--remove-service-from-zone ;;  # it knows its files alone; the other word is lokkit's
    esac
    if ! "$_by" $_how --zone="$_zone" --query-service="$2" >/dev/null 2>&1; then
        say "AS BEFORE firewalld, $_zone: ${1:-running}, $2"
    elif "$_by" -q $_how --zone="$_zone" "$_out=$2"; then
        say "PUT BACK firewalld, $_zone: ${1:-running}, no $2"
    else
        conflict "firewalld, $_zone: $2 could not be taken out"
    fi
}
