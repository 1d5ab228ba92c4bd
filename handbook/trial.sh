# What a fault's lines run in; each line's output ends with a NUL.
# The account's password is the first line of standard input: no argument and no file has it.
IFS= read -r PW
export PW
exec </dev/null
cd /root || exit 1
mux=/var/spool/postfix/var/run/saslauthd/mux
cursor=$(journalctl -q -n 1 --show-cursor | sed -n 's/^-- cursor: //p')

# Postfix's programs sleep while main.cf is younger than two seconds, and smtpd processes of before a reload answer as
# before: a line is asked when they have gone.
postfix() {
    touch -d '9 seconds ago' /etc/postfix/main.cf /etc/postfix/master.cf
    before=$(pgrep -x smtpd || :)
    command postfix "$@"
    status=$?
    for _ in $(seq 50); do
        left=
        for process in $before; do [ ! -e "/proc/$process" ] || left=yes; done
        [ "$left" ] || break
        sleep 0.1
    done
    return $status
}

# saslauthd does not listen yet when systemctl comes back.
systemctl() {
    command systemctl "$@" || return
    case "$*" in
    *start*saslauthd*)
        for _ in $(seq 50); do
            ! ss -xlH | grep -q saslauthd/mux || break
            sleep 0.1
        done
        ;;
    esac
}

# What an administrator types, with what is above.
line() {
    (eval "$1") 2>&1
    printf '\0'
}

# What a client types; a broken server may let it wait for ever.
ask() {
    timeout 60 sh -c "$1" 2>&1
    printf '\0'
}

usual='(dis)?connect from|lost connection|Anonymous TLS|statistics:|refreshing|reload -- |postfix-script|on signal 15'
# Lines since the beginning that tell; where none should, all but those of any connection and reload.
log() {
    for _ in $(seq 50); do
        journalctl --sync 2>/dev/null
        lines=$(journalctl -q -o short --after-cursor="$cursor" \
            SYSLOG_FACILITY=2 + SYSLOG_IDENTIFIER=saslauthd + SYSLOG_IDENTIFIER=postfix/postfix-script)
        [ "$1" ] || break
        ! printf '%s\n' "$lines" | grep -qE "$1" || break
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
