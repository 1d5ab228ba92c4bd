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
    _flags=$(lsattr -d "$1" 2>/dev/null)
    case ${_flags%% *} in
    *i*) _bar="immutable: lsattr -d $1 shows i, and chattr -i $1 takes it away" ;;
    *a*) _bar="append-only: lsattr -d $1 shows a, and chattr -a $1 takes it away" ;;
    *) if [ ! -w "$1" ] && [ "$(id -u)" = 0 ]; then _bar="not writable, even for root: see lsattr -d $1, and findmnt -T $1"; fi ;;
    esac
}
