# Where a path leads, and what keeps the file there from being replaced in one step. Reads only.

# Where something is mounted, a line each; read once for all the paths of a look.
_points="
$(awk '{ print $5 }' /proc/self/mountinfo)
"

# The link as `state` prints it, or nothing; TAB; where the file is; TAB; why it cannot be replaced, or nothing.
place() {
    _link='' _at=$1 _bar=''
    if [ -L "$1" ]; then
        _link=$(state "$1")
        _at=$(readlink -f "$1") || _at=$1
        if [ ! -e "$_at" ]; then _bar="a link that leads to nothing ($(readlink "$1"))"; else in_roots_hands "$_at"; fi
    fi
    if [ -z "$_bar" ] && [ ! -d "$_at" ]; then
        case $_points in
        *"
$_at
"*) _bar="a mount point, so nothing can be renamed over it (findmnt $_at)" ;;
        *) writable "$_at"; writable "${_at%/*}" ;;
        esac
    fi
    case $_link$_at in *[[:cntrl:]]*) _link='' _at=$1 _bar='a link to a name with control characters' ;; esac
    printf '%s\t%s\t%s\n' "$_link" "$_at" "$_bar"
}

# Whoever may write into a folder on the way could lead root's next write elsewhere.
in_roots_hands() {
    _up=${1%/*}
    while [ -n "$_up" ]; do
        case $(stat -c '%u %A' "$_up") in
        '0 d'????-??-*) ;;
        *) _bar="a link to $1, and others than root may write into $_up"; return ;;
        esac
        _up=${_up%/*}
    done
}

# Not even root may write to what is immutable, or lies on a file system that is read-only (access(2)).
writable() {
    if [ -n "$_bar" ] || [ ! -e "$1" ]; then return; fi
    case $_asked in
    *"$_line_end$1$_line_end"*) if _before "$1" "$_attributes"; then _flags=$_got; else _flags=''; fi ;;
    *) _flags=$(lsattr -d "$1" 2>/dev/null) ;;
    esac
    case ${_flags%% *} in
    *i*) _bar="immutable: lsattr -d $1 shows i, and chattr -i $1 takes it away" ;;
    *a*) _bar="append-only: lsattr -d $1 shows a, and chattr -a $1 takes it away" ;;
    *) if [ ! -w "$1" ] && [ "$(id -u)" = 0 ]; then _bar="not writable, even for root: see lsattr -d $1, and findmnt -T $1"; fi ;;
    esac
}

_line_end='
'
_asked='' _attributes='' _states='' _sums=''

# What `seen` and `place` ask of each of the paths $*, asked of all of them at once; nothing is kept of what a link leads
# to. Run in a shell that looks at them right after, and never in one that changes them.
look_ahead() {
    _given=$# _asked=$_line_end
    for _path; do
        for _one in "$_path" "${_path%/*}"; do
            case $_asked in *"$_line_end$_one$_line_end"*) continue ;; esac
            if [ -e "$_one" ]; then
                _asked=$_asked$_one$_line_end
                set -- "$@" "$_one"
            fi
        done
    done
    shift "$_given"
    if [ $# -eq 0 ]; then return; fi
    _attributes=$_line_end$(lsattr -d -- "$@" 2>/dev/null)$_line_end
    _states=$_line_end$(stat -c '%a %U:%G %n' -- "$@" 2>/dev/null)$_line_end
    _given=$#
    for _one; do if [ -f "$_one" ] && [ ! -L "$_one" ]; then set -- "$@" "$_one"; fi; done
    shift "$_given"
    if [ $# -gt 0 ]; then _sums=$_line_end$(sha256sum -- "$@" 2>/dev/null)$_line_end; fi
}

# Sets _got to what stands before path $1 in its line of $2.
_before() {
    _got=${2%%" $1$_line_end"*}
    if [ "$_got" = "$2" ]; then return 1; fi
    _got=${_got##*"$_line_end"}
}

# What a path is, as `state` says it.
seen() {
    if [ -L "$1" ] || ! _before "$1" "$_states"; then state "$1"; return; fi
    _mode=$_got
    if [ -d "$1" ]; then printf 'dir %s\n' "$_mode"
    elif [ -f "$1" ] && _before "$1" "$_sums"; then printf 'file %s %s\n' "$_mode" "${_got%% *}"
    else state "$1"
    fi
}
