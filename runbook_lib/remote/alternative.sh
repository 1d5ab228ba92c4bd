# Puts a choice of `alternatives` back. $1 number, $2 its name, $3 what we chose.

alternative_now() { LC_ALL=C alternatives --display "$1" 2>/dev/null | sed -n 's/^ link currently points to //p'; }

alternative_back() {
    _before=$(sed -n 's/^ link currently points to //p' "$J/$1.alternative")
    _now=$(alternative_now "$2")
    if [ "$_now" != "$3" ] && [ "$_now" != "$_before" ]; then
        conflict "alternative $2: was changed since (before: $_before; we left: $3; now: ${_now:-not there})"
    elif grep -q 'status is auto' "$J/$1.alternative"; then
        alternatives --auto "$2" && say "PUT BACK alternative $2: automatic, $(alternative_now "$2")"
    elif [ "$_now" = "$_before" ]; then say "AS BEFORE alternative $2"
    else alternatives --set "$2" "$_before" && say "PUT BACK alternative $2: $_before"
    fi
}
