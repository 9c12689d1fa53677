#!/bin/sh
# Made once, from 2020 to 2120, by `sh make.sh`: the tests need no openssl.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

cat > "$work/ca.conf" <<END
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = \${ENV::NAMES}
END
: > "$work/index"
export NAMES=IP:127.0.0.1

signed() { # file, section, last day, more
  openssl req $new -keyout "$work/$1.key" -out "$work/request" -subj "/CN=Test $1"
  file=$1 section=$2 last=$3; shift 3
  openssl ca -batch -notext -config "$work/ca.conf" -extensions "$section" -in "$work/request" \
    -startdate 20200101000000Z -enddate "${last}000000Z" -out "$file.pem" "$@"
}
authority() { signed "$1" authority 21200101 -selfsign -keyfile "$work/$1.key"; }
server() { signed "$1" server "$2" -cert ca.pem -keyfile "$work/ca.key"; cat "$work/$1.key" >> "$1.pem"; }

authority another
authority ca
server good 21200101
server expired 20210101
NAMES=DNS:moorcheh.example,IP:192.0.2.1 server elsewhere 21200101
