# What an applied host gets for the handbook: the clients, and certificates of a CA of its own, good and bad.
# Run as root; what is made here is in /root/new, and the good one is served.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null
apt-get -qq -y --no-install-recommends install openssl swaks libnet-ssleay-perl libsocket6-perl \
    libio-socket-inet6-perl netcat-openbsd >/dev/null 2>&1

number=$(hostname -s | tr -dc 0-9)
mail=mail$number.example.test
umask 077
mkdir -p /root/new
cd /root/new
cat >ca.cnf <<'CNF'
[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
CNF
: >index.txt

key() { openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" 2>/dev/null ||
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" 2>/dev/null; }

# sign FILE KEY ISSUER CN EXTENSIONS FROM TO
sign() {
    printf '%b' "$5" >"$1.ext"
    openssl req -new -key "$2.key" -subj "/CN=$4" -out "$1.csr"
    openssl ca -batch -notext -config ca.cnf -cert "$3.crt" -keyfile "$3.key" -in "$1.csr" -out "$1.crt" \
        -extfile "$1.ext" -startdate "$6" -enddate "$7" 2>/dev/null
}

LEAF='basicConstraints=critical,CA:false\nextendedKeyUsage=serverAuth\nsubjectAltName='
CA='basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n'
NOW=$(date -u -d yesterday +%Y%m%d000000Z) END=$(date -u -d '+360 days' +%Y%m%d000000Z)

for name in root intermediate server other stranger; do key $name; done
openssl req -x509 -key root.key -subj '/CN=Example Root' -days 3650 -out root.crt
openssl req -x509 -key stranger.key -subj '/CN=Nobody Knows Root' -days 3650 -out stranger.crt
sign intermediate intermediate root 'Example Intermediate' "$CA" "$NOW" "$END"
sign server server intermediate "$mail" "${LEAF}DNS:$mail" "$NOW" "$END"
sign expired server intermediate "$mail" "${LEAF}DNS:$mail" 20250101000000Z 20260101000000Z
sign early server intermediate "$mail" "${LEAF}DNS:$mail" 20980101000000Z 20990101000000Z
sign www server intermediate www.example.test "${LEAF}DNS:www.example.test" "$NOW" "$END"
sign unknown server stranger "$mail" "${LEAF}DNS:$mail" "$NOW" "$END"

for name in server expired early www; do cat server.key $name.crt intermediate.crt >$name.pem; done
cat server.key unknown.crt >unknown.pem
cat server.key server.crt >without-intermediate.pem
cat other.key server.crt intermediate.crt >other-key.pem
cat server.crt intermediate.crt server.key >certificate-first.pem
openssl rsa -aes256 -passout pass:open-sesame -in server.key -out locked.key 2>/dev/null
cat locked.key server.crt intermediate.crt >passphrase.pem
cp root.crt /root/root.pem

cat server.pem >/etc/ssl/private/postfix_mail-server.pem
touch -d '9 seconds ago' /etc/postfix/*.cf
postfix reload 2>/dev/null
