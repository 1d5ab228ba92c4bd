"""Words that the inputs of hostile_inputs.py are made of: those that a parser knows, and those just beside them."""

# fmt: off
SCALARS = (
    "2027-01-01", "2027-01-01T00:00:00Z", "yes", "~", "null", "''", "[465, 587]", "[465, 465]", "*all",
    "&all x", "!!str 1", "!!int x", "!!float 1", "!!bool maybe", "!!binary aGk=",
    "!!python/object:os.system x", "!x y", "{}", "[]", "{a: 1, a: 2}", "? x", "|", ">-", "192.0.2.300", "::1",
    "env:PW", "file:~/x", "file:/", "cmd:'", "*.example.test", "mail.example.test", "xn--.test",
    "メール.example.test", "a b.test", "mail.example.test.",
)
FIELDS = (
    "name", "domain", "resolver", "known_hosts", "ca", "passphrase", "directory", "valid_days", "address",
    "port", "user", "key", "sudo", "password", "jump", "names", "smtp", "pop", "further", "certificate",
    "key_passphrase", "key_file", "key_type", "key_bits", "renew_days", "submission", "ports", "ciphers",
    "auth_on_25", "sasl", "workers", "check_account", "clients", "group", "family", "production", "<<", "1",
    "true", "2027-01-01",
)
PARAMETERS = (
    "smtpd_recipient_restrictions", "smtpd_helo_restrictions", "mynetworks", "smtpd_milters",
    "content_filter", "smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_sasl_type", "smtpd_sasl_path",
    "inet_interfaces", "smtpd_tls_security_level", "mydestination", "smtpd_client_restrictions",
    "receive_override_options", "smtpd_upstream_proxy_protocol", "multi_instance_directories",
    "compatibility_level", "milter_default_action",
)
RESTRICTIONS = (
    "permit_mynetworks", "permit_sasl_authenticated", "reject_unauth_destination", "warn_if_reject", "reject",
    "check_policy_service", "unix:private/policy", "{ check_policy_service {", "}", "inet:127.0.0.1:10023",
    "reject_rbl_client", "zen.example.test", "hash:/etc/postfix/access", "check_client_access", "permit", ",",
    "\t", "check_recipient_access", "inline:{ a=b }", "defer_if_permit", "Permit_MyNetworks", "sleep", "1",
    "$x", "yes",
)
IPTABLES = (
    "-p", "tcp", "!", "-i", "lo", "-m", "multiport", "--dports", "25,465:587", "--dport", "25", "65536",
    "a:b", "--ctstate", "NEW,RELATED", "-j", "DROP", "ACCEPT", "REJECT", "ufw-user-input", "-g", "--comment",
    "\"a b\"", "\"", "-s", "192.0.2.0/24", "--tcp-flags", "FIN,SYN,RST,ACK", "SYN", "INPUT", "LOG", ":", ",",
)
NFT_KEYS = (
    "set", "elem", "val", "range", "payload", "protocol", "field", "match", "left", "right", "op", "drop",
    "meta", "key", "ct", "vmap", "data", "jump", "target", "accept", "counter",
)
