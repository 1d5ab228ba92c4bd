# Functions of host_view.py. POSIX sh and awk, plus coreutils, postconf, postlock, postqueue, postsuper.
# TOKEN_HEADER is set in front of this text.
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

# Lines of the mail system's journal of the last minutes; where no journal is kept, the end of its log file.
mail_lines() {
    journalctl -q --no-pager -o cat --since=-15min SYSLOG_FACILITY=2 2>/dev/null || :
    for file in /var/log/maillog /var/log/mail.log "$(postconf -h maillog_file 2>/dev/null)"; do
        [ -f "$file" ] && tail -c 1048576 "$file"
    done
    return 0
}

# clients_seen WAIT_S TOKEN...: the lines that refuse a recipient with one of the tokens.
clients_seen() {
    rounds=$(($1 * 2)); shift
    patterns=$(printf '%s\n' "$@")
    while :; do
        found=$(mail_lines | grep -F 'reject: RCPT from' | grep -F -e "$patterns")
        complete=yes
        for token in "$@"; do
            case $found in *"$token"*) ;; *) complete=no ;; esac
        done
        [ $complete = yes ] || [ $rounds -le 0 ] && break
        rounds=$((rounds - 1))
        sleep 0.5
    done
    printf '%s\n' "$found"
}

# mynetworks: the value as smtpd reads it; -x is not known before Postfix 2.10.
mynetworks() {
    postconf -hx mynetworks 2>/dev/null || postconf -h mynetworks 2>/dev/null
}

# firewall: status, output and error of each look, each with a NUL behind it. Without -t, iptables-save lists the tables
# that are there; with it, the kernel would make the one that it names.
firewall() {
    for look in 'nft -j list ruleset' iptables-save ip6tables-save 'ufw show added'; do
        status=127 printed='' error=''
        if command -v "${look%% *}" >/dev/null 2>&1; then
            status=0
            printed=$($look 2>/dev/null) || { status=$?; error=$($look 2>&1 >/dev/null); }
        fi
        printf '%s\0%s\0%s\0' "$status" "$printed" "$error"
    done
}

# cannot_look USER: why the message cannot be found or removed; nothing when it can.
cannot_look() {
    for name in mailbox_command mailbox_transport; do
        value=$(postconf -h $name 2>/dev/null)
        if [ -n "$value" ]; then
            echo "mail is delivered by another program ($name = $value)"
            return
        fi
    done
    getent passwd "$1" >/dev/null || echo "the system has no user of that name"
}

# where USER: the mbox or Maildir of the user (a Maildir ends in a slash), after Postfix's own rules.
where() {
    own=$(postconf -h home_mailbox)
    if [ -n "$own" ]; then
        printf '%s/%s\n' "$(getent passwd "$1" | cut -d: -f6)" "$own"
    else
        printf '%s/%s\n' "$(postconf -h mail_spool_directory | sed 's,/*$,,')" "$1"
    fi
}

# In a user's own directory the user works, so that no link of theirs leads root astray.
as_owner() {
    owner=$1; path=$2; shift 2
    case $path in
    "$(getent passwd "$owner" | cut -d: -f6)"/*) runuser -u "$owner" -- "$@" ;;
    *) "$@" ;;
    esac
}

# Print the span (bytes before it, bytes of it) of each message of the mbox on stdin whose header has the token.
# Postfix quotes 'From ' in bodies, so each line that begins so begins a message.
SPAN='
    function done() { if (hit) print start + 0, at - start }
    /^From / { done(); start = at; hit = 0; header = 1 }
    /^\r?$/ { header = 0 }
    header && $1 == wanted && ($2 == token || $2 == token "\r") { hit = 1 }
    { at += length($0) + 1 }
    END { done() }
'

# Both run under the lock, with: mbox, token, header's name, SPAN, and bytes to skip.
# The first prints the message without its From line.
READ='
    span=$(tail -c +$(($5 + 1)) "$1" | awk -v wanted="$3" -v token="$2" "$4")
    [ -n "$span" ] || exit 1
    set -- "$1" "$5" $span
    tail -c +$(($2 + $3 + 1)) "$1" | head -c "$4" | sed 1d
'
# The second cuts it out. The mbox keeps its inode, since other programs may have it open, and what comes after
# the message moves up: most often nothing does. That tail is saved on the same file system first, so nothing is
# touched when the disk is full.
CUT='
    set -eu
    span=$(awk -v wanted="$3" -v token="$2" "$4" "$1")
    [ -n "$span" ]
    set -- "$1" $span
    [ $# = 3 ]  # exactly one message has the token
    size=$(wc -c <"$1")
    end=$(($2 + $3))
    # awk counted lines: these must be edges of messages in bytes, too (a NUL byte would shift them)
    [ "$(tail -c +$(($2 + 1)) "$1" | head -c 5)" = "From " ]
    [ "$end" -ge "$size" ] || [ "$(tail -c +$((end + 1)) "$1" | head -c 5)" = "From " ]
    if [ "$end" -lt "$size" ]; then
        saved=$(mktemp "$1.XXXXXX")
        trap "rm -f -- \"$saved\"" EXIT
        tail -c +$((end + 1)) "$1" >"$saved"
        [ "$(wc -c <"$saved")" = $((size - end)) ]
        dd if="$saved" of="$1" bs=65536 seek="$2" oflag=seek_bytes conv=notrunc,fsync 2>/dev/null
        truncate -s $((size - $3)) "$1"
    else
        truncate -s "$2" "$1"
    fi
'
# Prints the file in a Maildir (first argument, with its slash) whose header has the token.
MAILDIR_FILE='
    grep -rlF -- "$2" "$1"new "$1"cur 2>/dev/null | while IFS= read -r file; do
        if awk -v wanted="$3" -v token="$2" "
            /^\r?\$/ { exit }
            \$1 == wanted && (\$2 == token || \$2 == token \"\r\") { hit = 1; exit }
            END { exit !hit }" "$file"
        then
            printf "%s\n" "$file"
            break
        fi
    done
'

# find_message USER TOKEN WAIT_S: print the message; status 1 when it does not come.
find_message() {
    place=$(where "$1")
    rounds=$(($3 * 5))
    while [ $rounds -gt 0 ]; do
        case $place in
        */)
            file=$(as_owner "$1" "$place" sh -c "$MAILDIR_FILE" sh "$place" "$2" "$TOKEN_HEADER:")
            if [ -n "$file" ]; then as_owner "$1" "$place" cat -- "$file"; return; fi
            ;;
        *)
            if [ -f "$place" ] && tail -c 4194304 "$place" | grep -qF -- "$2"; then
                size=$(wc -c <"$place")
                skip=$((size > 4194304 ? size - 4194304 : 0))
                as_owner "$1" "$place" postlock "$place" \
                    sh -c "$READ" sh "$place" "$2" "$TOKEN_HEADER:" "$SPAN" "$skip" && return
            fi
            ;;
        esac
        rounds=$((rounds - 1))
        sleep 0.2
    done
    return 1
}

# remove_message USER TOKEN: status 0 when the message is gone.
remove_message() {
    place=$(where "$1")
    case $place in
    */)
        file=$(as_owner "$1" "$place" sh -c "$MAILDIR_FILE" sh "$place" "$2" "$TOKEN_HEADER:")
        [ -n "$file" ] && as_owner "$1" "$place" rm -f -- "$file"
        ;;
    *)
        as_owner "$1" "$place" postlock "$place" sh -c "$CUT" sh "$place" "$2" "$TOKEN_HEADER:" "$SPAN"
        ;;
    esac
}

# withdraw QUEUE_ID: print why the message waits, and take it out of the queue; nothing when it is not there.
withdraw() {
    reason=$(postqueue -p | awk -v id="$1" '
        /^[0-9A-Za-z]/ { mine = ($1 == id || $1 == id "*" || $1 == id "!") }
        mine && /^ *\(/ { sub(/^ *\(/, ""); sub(/\)$/, ""); print; exit }
        mine { here = 1 }
        END { if (here) print "" }')
    if postsuper -d "$1" 2>&1 | grep -q 'removed'; then
        [ -n "$reason" ] && printf '%s\n' "$reason" || echo "still in the queue, no reason given"
    fi
}
