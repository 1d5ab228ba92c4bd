# What a fault's lines run in; each line's output ends with a NUL.
# The account's password is the first line of standard input: no argument and no file has it.
IFS= read -r PW
export PW
exec </dev/null
cd /root || exit 1
logger -t handbook begins
journalctl --sync
cursor=$(journalctl -q -t handbook -n 1 --show-cursor | sed -n 's/^-- cursor: //p')

# Postfix's programs sleep while main.cf is younger than two seconds. After a reload master opens and closes ports, and
# processes of before answer as before: a line is asked when those have gone, and master has started another.
postfix() {
    touch -d '9 seconds ago' /etc/postfix/main.cf /etc/postfix/master.cf
    postqueue -p >/dev/null # starts showq: one process at least is of before
    before=$(pgrep -x 'smtpd|showq')
    command postfix "$@" || return
    for process in $before; do gone "/proc/$process"; done
    postqueue -p >/dev/null
}

# saslauthd still runs when systemctl has stopped it, and does not listen yet when systemctl has started it.
systemctl() {
    command systemctl "$@" || return
    case "$*" in
    *stop*saslauthd*) for process in $(pgrep -x saslauthd); do gone "/proc/$process"; done ;;
    *start*saslauthd*) until ss -xlH | grep -q saslauthd/mux; do sleep 0.1; done ;;
    esac
}

gone() {
    while [ -e "$1" ]; do sleep 0.1; done
}

# What an administrator types, with what is above.
line() {
    (eval "$1") 2>&1
    over
    printf '\0'
}

# What a client types; a broken server may let it wait for ever.
ask() {
    timeout 60 sh -c "$1" 2>&1
    over
    printf '\0'
}

# Its sessions are over: while an smtpd ends one, master would start another for the next line.
over() {
    for _ in $(seq 50); do
        logged -o cat
        begun=$(printf '%s\n' "$lines" | grep -c '^connect from')
        ended=$(printf '%s\n' "$lines" | grep -c '^disconnect from')
        [ "$begun" != "$ended" ] || break
        sleep 0.1
    done
}

# Sets lines to the log since the beginning; --after-cursor would leave out the first line that is asked for here.
logged() {
    journalctl --sync
    lines=$(journalctl -q "$@" --cursor="$cursor" SYSLOG_FACILITY=2 + SYSLOG_IDENTIFIER=saslauthd)
}

usual='(dis)?connect from|lost connection|Anonymous TLS|statistics:|refreshing|reload -- |postfix-script|on signal 15'
# Lines since the beginning that tell, when the last of them has come; where none should, all but those of any
# connection and reload.
log() {
    for _ in $(seq 300); do
        logged -o short
        [ "$1" ] || break
        ! printf '%s\n' "$lines" | grep -qE "${1##*|}" || break
        sleep 0.1
    done
    if [ "$1" ]; then
        printf '%s\n' "$lines" | grep -E "$1"
    else
        printf '%s\n' "$lines" | grep -vE "$usual|^$"
    fi
    printf '\0'
}

# All of /etc, its owners and modes, in one number: of Postfix's settings what they say, not how they are written; and
# not what a program keeps beside a file.
whole() {
    {
        tar -C / --sort=name --mtime=@0 --exclude='*-' --exclude=main.cf --exclude=master.cf -cf - etc 2>/dev/null
        postconf -n
        postconf -M
    } | sha256sum
    printf '\0'
}
