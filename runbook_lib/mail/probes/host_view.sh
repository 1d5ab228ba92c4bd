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

# since AGE_S: of the lines of a log file, those of the last AGE_S seconds. What stood there before has another cause
# than what was just seen. Both of rsyslog's ways to write a time begin so that they can be compared as text.
since() {
    then="$1 seconds ago"
    awk -v iso="$(date -d "$then" +%Y-%m-%dT%H:%M:%S)" -v today="$(date '+%b %e')" \
        -v day="$(date -d "$then" '+%b %e')" -v time="$(date -d "$then" +%H:%M:%S)" '
        /^[0-9]/ { if (substr($0, 1, 19) >= iso) print; next }
        substr($0, 1, 6) == day { if (substr($0, 8, 8) >= time) print; next }
        substr($0, 1, 6) == today'
}

# recent AGE_S: what the mail system wrote in the last AGE_S seconds.
recent() {
    journalctl -q --no-pager -o short --since="-$1s" SYSLOG_FACILITY=2 2>/dev/null
    for file in /var/log/maillog /var/log/mail.log "$(postconf -h maillog_file 2>/dev/null)"; do
        [ -f "$file" ] && tail -n 200 "$file" | since "$1"
    done
    return 0
}

# smtpd_deaths AGE_S: why smtpd ended of itself in the last AGE_S seconds, each once, in its own words.
smtpd_deaths() {
    recent "$1" | sed -n -E 's/^.*smtpd\[[0-9]+\]: ((fatal|panic): .*)$/\1/p' | awk '!seen[$0]++' | tail -n 3
}

# while_throttled PAUSE_S: wait while master(8) starts no smtpd, since the last one ended at its start; a reload does
# not end that pause. Prints the seconds that it took.
while_throttled() {
    waited=0
    while [ $waited -le "$1" ] && recent "$1" | grep -q 'smtpd: bad command startup -- throttling'; do
        sleep 1
        waited=$((waited + 1))
    done
    echo $waited
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

# pam_lines FILE: PAM's stack, what it includes at its place.
pam_lines() {
    [ -r "/etc/pam.d/$1" ] || return 0
    sed -e 's/#.*//' "/etc/pam.d/$1" | while read -r type control module rest; do
        case $type in
        @include) pam_lines "$control" ;;
        *)
            case $control in
            include | substack) pam_lines "$module" ;;
            *) [ -z "$type" ] || printf '%s %s %s %s\n' "$type" "$control" "$module" "$rest" ;;
            esac
            ;;
        esac
    done
}

# wrong_logins USER: module, wrong logins that are counted, and how many lock; nothing where nothing counts.
wrong_logins() {
    stack=$(if [ -e /etc/pam.d/smtp ]; then pam_lines smtp; else pam_lines other; fi | grep '^-*auth ')
    for module in pam_faillock pam_tally2 pam_tally; do
        line=$(printf '%s\n' "$stack" | grep -F "$module.so" | head -n 1)
        [ -n "$line" ] || continue
        deny=$(printf '%s\n' "$line" | sed -n 's/.*[[:space:]]deny=\([0-9][0-9]*\).*/\1/p')
        case $module in
        pam_faillock)
            [ -n "$deny" ] ||
                deny=$(sed -n 's/^[[:space:]]*deny[[:space:]]*=[[:space:]]*\([0-9][0-9]*\).*/\1/p' \
                    /etc/security/faillock.conf 2>/dev/null | tail -n 1)
            counted=$(faillock --user "$1" 2>/dev/null | grep -c ' V$')
            deny=${deny:-3}
            ;;
        *) counted=$("$module" --user "$1" 2>/dev/null | awk -v user="$1" '$1 == user { print $2 }') ;;
        esac
        [ "${deny:-0}" -gt 0 ] || return 0
        printf '%s %s %s\n' "$module" "${counted:-0}" "$deny"
        return 0
    done
}

# login_lines AGE_S: what saslauthd and PAM within it wrote in the last AGE_S seconds.
login_lines() {
    journalctl -q --no-pager -o cat --since="-$1s" SYSLOG_IDENTIFIER=saslauthd 2>/dev/null || :
    for file in /var/log/auth.log /var/log/secure; do
        [ -f "$file" ] && tail -c 65536 "$file" | grep -F saslauthd | tail -n 40 | since "$1"
    done
    return 0
}

# administrators: who may use sudo, has a password, and is not kept out by the user id.
administrators() {
    least=$(pam_lines smtp | sed -n 's/.*pam_succeed_if.so.* uid >= \([0-9][0-9]*\).*/\1/p' | head -n 1)
    {
        getent group sudo wheel admin | cut -d: -f4 | tr , '\n'
        cat /etc/sudoers /etc/sudoers.d/* 2>/dev/null | sed -n 's/^\([a-z_][a-z0-9_.-]*\)[[:space:]].*=.*/\1/p'
        printf '%s\n' "${SUDO_USER:-}"
    } | sort -u | while read -r user; do
        [ -n "$user" ] || continue
        number=$(id -u -- "$user" 2>/dev/null) || continue
        [ "$number" -ne 0 ] && [ "$number" -ge "${least:-0}" ] || continue
        case $(passwd -S "$user" 2>/dev/null | cut -d' ' -f2) in P | PS) printf '%s\n' "$user" ;; esac
    done
}

# cannot_look USER: why the message cannot be found or removed: the setting by which another program delivers, or
# 'no user'; nothing when it can.
cannot_look() {
    for name in mailbox_command mailbox_transport; do
        value=$(postconf -h $name 2>/dev/null)
        if [ -n "$value" ]; then
            echo "$name = $value"
            return
        fi
    done
    getent passwd "$1" >/dev/null || echo "no user"
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

# opened FD PATH: open a file that lies in a folder where others may put a link in its place at any moment. What was
# opened is looked at, and from then on only that is read and written: /proc/self/fd/FD leads to it, the path may not.
OPENED='
    opened() {
        [ ! -L "$2" ] && eval "exec $1<>\"\$2\"" || return
        place=$(readlink -f -- "$(dirname -- "$2")")/$(basename -- "$2")
        [ "$(readlink "/proc/self/fd/$1")" = "$place" ] && [ -f "/proc/self/fd/$1" ] &&
            [ "$(stat -Lc %h "/proc/self/fd/$1")" = 1 ]
    }
    opened 3 "$1" || exit 1
    box=/proc/self/fd/3
'
# Both run under the lock, behind OPENED, with: mbox, token, header's name, SPAN, and bytes to skip.
# The first prints the message without its From line.
READ=$OPENED'
    span=$(tail -c +$(($5 + 1)) "$box" | awk -v wanted="$3" -v token="$2" "$4")
    [ -n "$span" ] || exit 1
    set -- "$1" "$5" $span
    tail -c +$(($2 + $3 + 1)) "$box" | head -c "$4" | sed 1d
'
# The second cuts it out. The mbox keeps its inode, since other programs may have it open, and what comes after
# the message moves up: most often nothing does. That tail is saved on the same file system first, so nothing is
# touched when the disk is full.
CUT=$OPENED'
    set -eu
    span=$(awk -v wanted="$3" -v token="$2" "$4" "$box")
    [ -n "$span" ]
    set -- "$1" $span
    [ $# = 3 ]  # exactly one message has the token
    size=$(wc -c <"$box")
    end=$(($2 + $3))
    # awk counted lines: these must be edges of messages in bytes, too (a NUL byte would shift them)
    [ "$(tail -c +$(($2 + 1)) "$box" | head -c 5)" = "From " ]
    [ "$end" -ge "$size" ] || [ "$(tail -c +$((end + 1)) "$box" | head -c 5)" = "From " ]
    if [ "$end" -lt "$size" ]; then
        saved=$(mktemp "$1.XXXXXX")
        trap "rm -f -- \"$saved\"" EXIT
        opened 4 "$saved"
        tail -c +$((end + 1)) "$box" >&4
        [ "$(wc -c <"/proc/self/fd/4")" = $((size - end)) ]
        dd if=/proc/self/fd/4 of="$box" bs=65536 seek="$2" oflag=seek_bytes conv=notrunc,fsync 2>/dev/null
        truncate -s $((size - $3)) "$box"
    else
        truncate -s "$2" "$box"
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

# withdraw QUEUE_ID: print why the message waits, and take it out of the queue; status 1 when it is not there.
withdraw() {
    reason=$(postqueue -p | awk -v id="$1" '
        /^[0-9A-Za-z]/ { mine = ($1 == id || $1 == id "*" || $1 == id "!") }
        mine && /^ *\(/ { sub(/^ *\(/, ""); sub(/\)$/, ""); print; exit }
        mine { here = 1 }
        END { if (here) print "" }')
    postsuper -d "$1" 2>&1 | grep -q 'removed' || return 1
    printf '%s\n' "$reason"
}
