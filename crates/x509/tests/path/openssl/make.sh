#!/bin/sh
# Makes the DER files beside it with the openssl command line, independently of the code under
# test. Every certificate is valid 2026-11-01 to 2026-12-31; the tests judge at 2026-12-01.
# The keys are thrown away. Run again only to add a case, then commit the new files.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

key() { # key FILE KIND
    case $2 in
        rsa3) openssl genrsa -out "$1" -3 2048 ;;
        rsa*) openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1" ;;
        ed25519) openssl genpkey -algorithm ED25519 -out "$1" ;;
        explicit) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out "$1" ;;
        compressed) openssl ecparam -name prime256v1 -genkey -noout | openssl ec -conv_form compressed -out "$1" ;;
        *) openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1" ;;
    esac 2>/dev/null
}

# sign NAME KEYKIND ISSUER DIGEST SECTION [extra openssl ca options]: NAME.key, NAME.pem, NAME.der
sign() {
    name=$1 kind=$2 issuer=$3 md=$4 section=$5
    shift 5
    key "$name.key" "$kind"
    openssl req -new -key "$name.key" -subj "/O=Example/CN=$name" -out "$name.csr" 2>/dev/null
    : > index.txt
    openssl rand -hex 16 | sed "s/^./4/" > serial
    if [ "$issuer" = self ]; then
        self="-selfsign -keyfile $name.key"
    else
        self="-cert $issuer.pem -keyfile $issuer.key"
    fi
    # shellcheck disable=SC2086
    openssl ca -batch -notext -config ca.cnf $self -md "$md" -extensions "$section" \
        -startdate 20261101000000Z -enddate 20261231235959Z -in "$name.csr" -out "$name.pem" "$@" 2>ca.log || { cat ca.log >&2; exit 1; }
    openssl x509 -in "$name.pem" -outform DER -out "$here/$name.der"
}

cat > ca.cnf <<'CNF'
[ca]
default_ca = here
[here]
serial = serial
database = index.txt
unique_subject = no
new_certs_dir = .
policy = any
[any]
organizationName = optional
commonName = optional
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuing]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
nameConstraints = critical,permitted;DNS:femto.example
[intermediate]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[device]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = ipsecIKE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:00aabbccddee.femto.example
[older]
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,1.3.6.1.5.5.8.2.2
subjectAltName = DNS:00aabbccddee.femto.example
[web]
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
subjectAltName = DNS:00aabbccddee.femto.example
[email]
keyUsage = critical,digitalSignature
extendedKeyUsage = ipsecIKE
subjectAltName = DNS:00aabbccddee.femto.example,email:ops@femto.example
[outside]
keyUsage = critical,digitalSignature
extendedKeyUsage = ipsecIKE
subjectAltName = DNS:00aabbccddee.other.example
[policy]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
policyConstraints = critical,requireExplicitPolicy:0
[gateway]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = ipsecIKE,serverAuth
subjectAltName = DNS:segw.femto.example,IP:192.0.2.1
CNF

sign root P-256 self sha256 root
sign issuing P-256 root sha256 issuing
sign device P-256 issuing sha256 device
sign device-older P-256 issuing sha256 older
sign device-web P-256 issuing sha256 web
sign device-email P-256 issuing sha256 email
sign device-outside P-256 issuing sha256 outside
sign device-p521 P-521 issuing sha256 device
sign device-k256 secp256k1 issuing sha256 device
sign device-ed25519 ed25519 issuing sha256 device
sign device-explicit explicit issuing sha256 device
sign device-compressed compressed issuing sha256 device
sign device-rsa1024 rsa1024 issuing sha256 device
sign device-rsa2040 rsa2040 issuing sha256 device
sign device-rsa4104 rsa4104 issuing sha256 device
sign device-rsa3 rsa3 issuing sha256 device
sign device-sha1 P-256 issuing sha1 device
sign gateway P-256 issuing sha256 gateway

# Version 1: no extensions at all.
openssl req -new -key device.key -subj "/CN=00aabbccddee.femto.example" -out v1.csr
openssl x509 -req -in v1.csr -CA issuing.pem -CAkey issuing.key -CAcreateserial -days 365 -out v1.pem 2>/dev/null
openssl x509 -in v1.pem -outform DER -out "$here/device-v1.der"

# A second hierarchy under the same root, with an intermediate nobody should trust.
sign sub-sha1 P-256 root sha1 intermediate
sign under-sha1 P-256 sub-sha1 sha256 device
sign sub-policy P-256 root sha256 policy
sign under-policy P-256 sub-policy sha256 device
sign sub-rsa1024 rsa1024 root sha256 intermediate
sign under-rsa1024 P-256 sub-rsa1024 sha256 device
sign sub-ed25519 ed25519 root sha256 intermediate
sign under-ed25519 P-256 sub-ed25519 default device

# RSA all the way: PKCS#1 with MD5 in one device, RSASSA-PSS in another, four certificates.
sign rsa-root rsa2048 self sha256 root
sign rsa-mid rsa3072 rsa-root sha384 intermediate
sign rsa-issuing rsa2048 rsa-mid sha512 issuing
sign rsa-device rsa2048 rsa-issuing sha256 device
sign rsa-device-3072 rsa3072 rsa-issuing sha256 device
sign rsa-device-4096 rsa4096 rsa-issuing sha256 device
sign rsa-device-md5 rsa2048 rsa-issuing md5 device
sign rsa-device-pss rsa2048 rsa-issuing sha256 device -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32

# P-384 all the way, four certificates.
sign p384-root P-384 self sha384 root
sign p384-mid P-384 p384-root sha384 intermediate
sign p384-issuing P-384 p384-mid sha384 issuing
sign p384-device P-384 p384-issuing sha384 device
