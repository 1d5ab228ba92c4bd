# What packages.sh asks of Postfix when its packages go (Traces in remote/system.py).

queued_mail() {
    for _queue in maildrop incoming active deferred hold corrupt; do
        find "/var/spool/postfix/$_queue" -type f 2>/dev/null
    done
}

# What still comes in would be lost as well: it is stopped.
postfix_keeps() {
    case " $* " in *" postfix "*) ;; *) return ;; esac
    if ! queued_mail | grep -q .; then return; fi
    systemctl stop postfix
    say "mail is in the queue, and removing Postfix would destroy it; Postfix is stopped"
}

# What a Postfix made that ran: sockets, pid files, caches. Names that it has itself, in folders of root's that nobody can
# exchange; what else is there was made by others. Where its settings were left by an earlier Postfix, these were too.
postfix_stopped() {
    _known=$J/$1.known
    shift
    case " $* " in *" postfix "*) ;; *) return ;; esac
    if grep -qx postfix "$_known"; then return; fi
    find /var/spool/postfix/private /var/spool/postfix/public -maxdepth 1 \( -type s -o -type p \) -user postfix -delete
    find /var/spool/postfix/pid -maxdepth 1 -type f -delete
    find /var/lib/postfix -maxdepth 1 -type f \( -name master.lock -o -name prng_exch -o \
        -name '*_scache.*db' -o -name '*_cache.*db' -o -name '*cache.lmdb-lock' \) -user postfix -delete
} 2>/dev/null

# Indexes that it made when it ran, of what was there before or is gone.
postfix_rest() {
    if [ -x /usr/sbin/postfix ]; then return; fi
    if there /etc/aliases && grep -qF "/etc/aliases$tab" "$J/$1.made"; then return; fi
    rm -f $(grep '^/etc/aliases[.]' "$J/$1.absent")
}

# What is in its folders and is neither its own nor its distribution's, odd characters escaped.
postfix_strange() {
    _chroot=/var/spool/postfix
    _queues='active|bounce|corrupt|defer|deferred|flush|hold|incoming|maildrop|saved|trace'
    _lib='(usr/)?lib(32|64|x32)?(/[a-z0-9_-]+)*'
    _inside='etc|etc/ssl|etc/ssl/certs|dev|pid|private|public|usr|usr/lib/zoneinfo|var|var/run|var/run/saslauthd'
    _copies='host.conf|hosts|localtime|nsswitch.conf|resolv.conf|services|nss_mdns.config|ssl/certs/ca-certificates.crt'
    find /etc/postfix $_chroot /var/lib/postfix /etc/systemd/system/postfix.service.d -xdev -mindepth 1 -regextype posix-extended ! \( \
        -type d -regex "/etc/postfix/(sasl|dynamicmaps\.cf\.d|postfix-files\.d)" -o \
        -type d -regex "$_chroot/(($_queues)(/[0-9A-F])*|$_inside|$_lib)" -o \
        -type f -regex "$_chroot/(restart|etc/($_copies)|$_lib/lib[A-Za-z0-9_.+-]+|var/run/saslauthd/(mux.accept|saslauthd.pid|cache.*))" -o \
        -type s -regex "$_chroot/(dev/log|var/run/saslauthd/mux)" -o \
        -type c -regex "$_chroot/dev/u?random" -o \
        -type l -regex "$_chroot/(etc/(localtime|resolv.conf)|usr/lib/zoneinfo/localtime|etc/ssl/certs/[^/]+)" -o \
        -type f -regex "$_chroot/etc/ssl/certs/[^/]+" -exec sh -c '
            _name=${0##*/}; [ -e "/etc/ssl/certs/$_name" ] || [ "$_name" = ssl-cert-snakeoil.pem ] ||
                grep -qxF "/etc/ssl/certs/$_name" "$1"/*.path 2>/dev/null' {} "$J" \; \
        \) -exec ls -d --quoting-style=escape -- {} + 2>/dev/null
}
