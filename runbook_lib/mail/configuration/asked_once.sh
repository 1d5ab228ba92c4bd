# Within one look postconf(1) is started once for what several facts ask, and not once a fact. What it printed is kept
# only where that was all it had to say: with a warning, an error, a status that is not 0 or a line too few each fact
# asks the program itself. So a fact sees the same words, status and errors as without this. A file that it cannot read
# costs postconf(1) a second each time: what it says of that is said again, without asking.

_line_end='
'
_postconf_refused='' _of_h=$_line_end _of_hx=$_line_end _of_n='' _of_M=''

# $* the words of a postconf; sets _said to what it printed, with a line end after each line.
_postconf_said() {
    _said=$(_ask_postconf "$@" 2>&1 </dev/null; printf '.%s' "$?")
    case $_said in
    postconf:\ fatal:\ file\ *"$_line_end".1 | postconf:\ fatal:\ open\ *"$_line_end".1)
        _postconf_refused=${_said%"$_line_end".1}
        export _postconf_refused
        return 1 ;;
    *postconf:\ *) return 1 ;;
    .0) _said='' ;;
    *"$_line_end".0) _said=${_said%.0} ;;
    *) return 1 ;;
    esac
}

# $1 -h or -hx, then names of parameters: sets _table to a line 'NAME VALUE' each.
_postconf_values() {
    _postconf_said "$@" || return 1
    shift
    _table=$_line_end
    for _name; do
        case $_said in *"$_line_end"*) ;; *) return 1 ;; esac
        _table=$_table$_name\ ${_said%%"$_line_end"*}$_line_end
        _said=${_said#*"$_line_end"}
    done
    [ -z "$_said" ]
}

ask_values() { if _postconf_values -h "$@"; then _of_h=$_table; fi; }
ask_expanded() { if _postconf_values -hx "$@"; then _of_hx=$_table; fi; }
ask_settings() { if _postconf_said -n; then _of_n=$_said; fi; }
ask_services() { if _postconf_said -M; then _of_M=$_said; fi; }

postconf() {
    case "$#${1:-}" in
    1-n) if [ -n "$_of_n" ]; then printf '%s' "$_of_n"; else _ask_postconf -n; fi ;;
    1-M) if [ -n "$_of_M" ]; then printf '%s' "$_of_M"; else _ask_postconf -M; fi ;;
    *-h) _postconf_told "$_of_h" "$@" ;;
    *-hx) _postconf_told "$_of_hx" "$@" ;;
    *) _ask_postconf "$@" ;;
    esac
}

# $1 the table, then the words of the postconf.
_postconf_told() {
    _table=$1
    shift
    _kind=$1 _told=''
    shift
    for _name; do
        case $_table in
        *"$_line_end$_name "*) ;;
        *) _ask_postconf "$_kind" "$@"; return ;;
        esac
        _value=${_table#*"$_line_end$_name "}
        _told=$_told${_value%%"$_line_end"*}$_line_end
    done
    printf '%s' "$_told"
}
