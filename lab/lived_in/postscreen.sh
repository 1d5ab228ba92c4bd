# The other variant: strangers on port 25 meet postscreen first (POSTSCREEN_README).
set -eu
postconf -M 'smtp/inet=smtp inet n - n - 1 postscreen' "smtpd/pass=smtpd pass - - $(postconf -hF smtp/inet/chroot 2>/dev/null || echo n) - - smtpd" \
    'dnsblog/unix=dnsblog unix - - n - 0 dnsblog' 'tlsproxy/unix=tlsproxy unix - - n - 0 tlsproxy'
postconf -e 'postscreen_greet_action = enforce' 'postscreen_greet_wait = 2s' 'postscreen_access_list = permit_mynetworks'
etckeeper commit 'postscreen' >/dev/null
