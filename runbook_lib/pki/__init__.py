"""The certificates' side: CSR policy, the own CA with its ledger, chains that a CA returned.

Values in, values out: no SSH, no host. A private key of a server is never seen here; the CA's own is.

- `csr.check_csr` refuses a CSR that asks for more than the inventory grants
- `authority.create`, `authority.open_ca`, `Authority.issue` are the CA; `ledger.Ledger` is what it remembers
- `chain.read_pem`, `chain.installable` read what a CA returned, as OpenSSL reads it
- `certificate.leaf_status`, `certificate.describe` judge and show a certificate
- `clock.check_clock_skew` compares the host's clock with the controller's
"""
