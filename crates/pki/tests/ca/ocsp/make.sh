#!/bin/sh
# Makes issuer.der, whose key is thrown away, and requests about it by the openssl command line: the known answers of
# fuzz/corpus/ocsp, whose expected outcome tests/ca/corpus.rs has. Afterwards run its ignored test, for those
# that are made by hand.
set -eu
cd "$(dirname "$0")"
corpus=../../../../../fuzz/corpus/ocsp
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/key" -out "$work/issuer" \
    -subj '/C=KR/O=Example Telecom/CN=femto.example issuing CA' -days 7300
openssl x509 -in "$work/issuer" -outform DER -out issuer.der

request() {
    name=$1
    shift
    openssl ocsp -issuer "$work/issuer" "$@" -reqout "$corpus/openssl-$name"
}
request sha1 -serial 0x4b00aa05 -no_nonce
request sha1-nonce -serial 0x4b00aa05 -nonce
request sha256 -sha256 -serial 0x4b00aa05 -no_nonce
request sha256-nonce -sha256 -serial 0x4b00aa05 -nonce
request sha512 -sha512 -serial 0x4b00aa05 -no_nonce
request three -serial 0x4b00aa05 -serial 0x4b00aa02 -serial 0x4b00aa01 -nonce
request both-hashes -serial 0x4b00aa05 -sha256 -serial 0x4b00aa03 -nonce
request out-of-reach -serial 0x4b00aa10 -no_nonce
request signed -signer "$work/issuer" -signkey "$work/key" -serial 0x4b00aa05 -nonce
