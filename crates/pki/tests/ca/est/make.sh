#!/bin/sh
# Makes bodies of EST requests by the openssl command line: the corpus of fuzz/corpus/est, whose expected outcome
# tests/ca/est.rs has. The keys are thrown away.
set -eu
cd "$(dirname "$0")"
corpus=../../../../../fuzz/corpus/est
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

key() {
    openssl genpkey -algorithm "$2" -pkeyopt "$3" -out "$work/$1" 2>/dev/null
}
key p256 EC ec_paramgen_curve:P-256
key p384 EC ec_paramgen_curve:P-384
key p521 EC ec_paramgen_curve:P-521
key rsa RSA rsa_keygen_bits:2048
key weak RSA rsa_keygen_bits:1024

request() {
    name=$1 key=$2
    shift 2
    openssl req -new -key "$work/$key" -subj /CN=whatever -outform DER -out "$work/der" "$@"
    openssl base64 -in "$work/der" -out "$corpus/$name"
}
request p256 p256
request p384 p384 -sha384
request rsa rsa
request names p256 -addext subjectAltName=DNS:other.example,IP:192.0.2.1
request sha1 p256 -sha1
request p521 p521
request weak-rsa weak
openssl req -new -key "$work/p256" -subj /CN=whatever -out "$corpus/pem"
openssl req -new -key "$work/p256" -subj /CN=whatever -outform DER -out "$corpus/der"
request plain p256
openssl base64 -A -in "$work/der" -out "$corpus/one-line"
openssl base64 -in "$work/der" | sed 's/$/\r/; s/^/ \t/' >"$corpus/crlf-and-blanks"
# The last octet of the signature is another one.
size=$(wc -c <"$work/der")
head -c $((size - 1)) "$work/der" >"$work/other"
last=$(tail -c 1 "$work/der" | od -An -tu1 | tr -d ' ')
printf "\\$(printf %o $((last ^ 1)))" >>"$work/other"
openssl base64 -in "$work/other" -out "$corpus/other-signature"
head -c $((size - 1)) "$work/der" | openssl base64 -out "$corpus/cut-off"
{ cat "$work/der"; printf '\0'; } | openssl base64 -out "$corpus/more-behind-it"
: >"$corpus/empty"
rm "$corpus/plain"
