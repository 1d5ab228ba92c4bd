# A second Postfix for some seconds, on loopback alone, with queue and data of its own under /run: does smtpd take this
# configuration? Needs trial_edit, trial_services and trial_pem (functions), and trial_ports. Prints a line a port with
# openssl's status, then an empty line, then what Postfix said.
trial() {
    _queue=$(postconf -h queue_directory)
    _data=$(postconf -h data_directory)
    d=$(mktemp -d -p /run) && chmod 0711 "$d"
    _owner=$(postconf -h mail_owner)
    install -d -m 0700 "$d/etc"
    install -d -o "$_owner" -m 0700 "$d/data" "$d/queue/private"
    install -d -o "$_owner" -g "$(postconf -h setgid_group)" -m 0710 "$d/queue/public"
    install -d -m 0755 "$d/queue" "$d/queue/pid"
    # What main.cf names by $config_directory is found there; the other two are its own, and mean the real ones.
    for _file in /etc/postfix/*; do ln -s "$_file" "$d/etc"; done
    rm "$d/etc/main.cf" "$d/etc/master.cf"
    named_as_they_are < /etc/postfix/main.cf > "$d/etc/main.cf"
    ( umask 077; trial_pem "$d/etc/pem" )
    trial_edit "$d"
    # Caches and the log are its own; it asks no filter, and opens no database of the running one.
    postconf -c "$d/etc" -e "queue_directory = $d/queue" "data_directory = $d/data" "maillog_file_prefixes = $d" \
        "maillog_file = $d/log" 'inet_protocols = all' 'smtpd_tls_session_cache_database =' \
        'smtp_tls_session_cache_database =' 'lmtp_tls_session_cache_database ='
    trial_services "$d" | named_as_they_are > "$d/etc/master.cf"
    "$(postconf -h daemon_directory)/master" -c "$d/etc" -e 60 < /dev/null > "$d/log.before" 2>&1 &
    _master=$!
    _n=0
    until [ "$(ss -Hltn src 127.87.25.1 | wc -l)" -ge "$(set -- $trial_ports; echo $#)" ] || [ "$_n" -ge 50 ]; do
        _n=$((_n + 1))
        sleep 0.1
    done
    for _port in $trial_ports; do
        _starttls='-starttls smtp'
        if [ "$_port" = 465 ]; then _starttls=''; fi
        _status=0
        timeout 10 openssl s_client $_starttls -connect "127.87.25.1:10$(printf '%03d' "$_port")" < /dev/null \
            > /dev/null 2>&1 || _status=$?
        if [ -z "$(ss -Hltn src 127.87.25.1)" ]; then _status=closed; fi
        echo "$_port $_status"
    done
    kill "$_master" 2>/dev/null
    wait "$_master" 2>/dev/null
    echo
    cat "$d/log.before" "$d/log" 2>/dev/null
    rm -r "$d"
}

# $queue_directory and $data_directory by their values of today, in each of the three forms that Postfix takes.
named_as_they_are() {
    sed -E -e "s,[$](queue_directory\\b|[{]queue_directory[}]|[(]queue_directory[)]),$_queue,g" \
        -e "s,[$](data_directory\\b|[{]data_directory[}]|[(]data_directory[)]),$_data,g"
}
