# What Postfix shows as its certificate by main.cf, and what renewal programs of this host hold. Reads only;
# of a file with a private key no more leaves the host than the digest of its public half.

# public_key FILE: SHA-256 of the public half of the first key in it; nothing where there is none.
public_key() {
  public=$(openssl pkey -in "$1" -passin pass: -pubout) || return 0
  printf '%s\n' "$public" | openssl pkey -pubin -outform DER | sha256sum | { read -r sha _ && echo "$sha"; }
}

# renewal PROGRAM CONFIGURATION FILE: a row, where the program keeps a certificate in this file.
# Only root's word counts, or that of the user whose own file main.cf names: anybody can copy a certificate.
renewal() {
  [ -f "$3" ] || return 0
  case $2$3 in *[[:cntrl:]]*) return 0 ;; esac
  owner=$(stat -L -c %u "$2")
  if [ "$owner" != 0 ]; then
    case " $reals " in *" $(readlink -f "$3") "*) ;; *) return 0 ;; esac
    [ "$owner" = "$(stat -L -c %u "$3")" ] || return 0
  fi
  sha=$(openssl x509 -in "$3" -noout -fingerprint -sha256 | cut -d= -f2 | tr -d :)
  printf 'renewal\t%s\t%s\t%s\t%s\n' "$1" "$2" "$(readlink -f "$3")" "$sha"
}

# chain_files takes the place of the others; 'none' there means no certificate (postconf(5)).
named=$(postconf -hx smtpd_tls_chain_files | tr ', ' '\n\n')
[ -n "$named" ] || named=$(postconf -hx smtpd_tls_cert_file smtpd_tls_key_file smtpd_tls_eccert_file \
  smtpd_tls_eckey_file smtpd_tls_dcert_file smtpd_tls_dkey_file)
named=$(printf '%s\n' "$named" | awk '$0 != "" && $0 != "none" && !seen[$0]++')
[ -n "$named" ] || exit 0
set -f
directories= reals=
for file in $named; do
  real=$(readlink -f "$file")
  directories="$directories ${real%/*}" reals="$reals $real"
  printf 'file\t%s\t%s\t%s\t%s\t%s\n' "$file" "$real" "$(stat -L -c '%a %U:%G' "$file")" "$(public_key "$file")" \
    "$(openssl storeutl -certs "$file" | base64 -w 0)"
done
set +f

for conf in /etc/letsencrypt/renewal/*.conf; do  # certbot: 'fullchain = /etc/letsencrypt/live/NAME/fullchain.pem'
  [ -f "$conf" ] && sed -n -E 's/^(cert|fullchain) *= *//p' "$conf" | while IFS= read -r file; do
    renewal certbot "$conf" "$file"
  done
done
for conf in /root/.acme.sh/*/*.conf /home/*/.acme.sh/*/*.conf /etc/acme.sh/*/*.conf /opt/acme.sh/*/*.conf; do
  if [ -f "$conf" ] && grep -q '^Le_Domain=' "$conf"; then
    sed -n -E "s/^Le_Real(Cert|FullChain)Path='(.*)'$/\2/p" "$conf" | while IFS= read -r file; do
      renewal acme.sh "$conf" "$file"
    done
    renewal acme.sh "$conf" "${conf%/*}/fullchain.cer"
  fi
done
# lego keeps NAME.json beside NAME.crt, in a place of its user's choice.
for directory in $directories /root/.lego/certificates /home/*/.lego/certificates /etc/lego/certificates \
  /var/lib/lego/certificates; do
  for conf in "$directory"/*.json; do
    if [ -f "$conf" ] && grep -q '"certUrl"' "$conf"; then
      renewal lego "$conf" "${conf%.json}.crt"
      renewal lego "$conf" "${conf%.json}.pem"
    fi
  done
done
for conf in /var/lib/certmonger/requests/*; do
  [ -f "$conf" ] && renewal certmonger "$conf" "$(sed -n 's/^cert_storage_location=//p' "$conf")"
done
exit 0
