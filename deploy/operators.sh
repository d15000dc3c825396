#!/bin/sh
# Certificates for people who ask Reberth from their workstations (docs/remote.md). Made by openssl, in a folder of yours:
# whoever has that folder lets people in, so keep it away from the swarm.
#
#   deploy/operators.sh ca                          once: the CA, and operators.pem, which the controllers are given
#   deploy/operators.sh issue NAME --swarm-ca FILE  for one person: FOLDER/NAME with ca.pem, cert.pem, key.pem
#   deploy/operators.sh revoke NAME                 takes all certificates of that name back: a new operators.pem
#
# Options:
#   --folder FOLDER    where all of it is; operators
#   --role ROLE        viewer (may look) or operator (may also act); viewer
#   --days DAYS        how long a certificate is good; 90
#   --swarm-ca FILE    the swarm's root certificate: docker swarm ca >FILE, on a manager
#
# A changed operators.pem: deploy/install.sh --with operators --secret reberth-operators=operators/operators.pem --rotate
set -eu
umask 077
folder=operators role=viewer days=90 swarm='' verb='' name=''

say() { printf 'reberth: %s\n' "$*"; }
fail() { printf 'reberth: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'reberth: %s\nsee: %s --help\n' "$*" "$0" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set -eu/{s/^# \{0,1\}//;/^set -eu/d;p;}' "$0"
            exit 0
            ;;
        --folder | --role | --days | --swarm-ca)
            [ $# -ge 2 ] || wrong "$1 needs a value"
            case $1 in
                --folder) folder=$2 ;;
                --role) role=$2 ;;
                --days) days=$2 ;;
                --swarm-ca) swarm=$2 ;;
            esac
            shift
            ;;
        -*) wrong "unknown word '$1'" ;;
        *)
            if [ -z "$verb" ]; then verb=$1; elif [ -z "$name" ]; then name=$1; else wrong "unknown word '$1'"; fi
            ;;
    esac
    shift
done
command -v openssl >/dev/null || fail "openssl is not installed here"

tool() { # openssl's own words only where it fails
    said=$(openssl "$@" 2>&1) || fail "openssl $1: $said"
}

ca() { tool ca -batch -config "$folder/ca.cnf" "$@"; }

publish() { # what the controllers are given: the CA, and what it took back
    ca -gencrl -out "$folder/crl.pem"
    cat "$folder/ca.crt" "$folder/crl.pem" >"$folder/operators.pem"
    say "$folder/operators.pem is what the controllers are to have: --secret reberth-operators=$folder/operators.pem"
}

make_ca() {
    [ ! -e "$folder/ca.key" ] || fail "there is a CA in $folder already: a new one locks everybody out (remove it yourself)"
    mkdir -p "$folder/issued"
    : >"$folder/index.txt"
    # The list of what was taken back is part of operators.pem: it is as good as that is, so it does not end before the CA.
    cat >"$folder/ca.cnf" <<EOF
[ca]
default_ca = own
[own]
dir = $(cd "$folder" && pwd)
database = \$dir/index.txt
new_certs_dir = \$dir/issued
certificate = \$dir/ca.crt
private_key = \$dir/ca.key
rand_serial = yes
default_md = sha256
default_crl_days = 3650
unique_subject = no
policy = any
x509_extensions = person
[any]
organizationalUnitName = supplied
commonName = supplied
[person]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
[req]
distinguished_name = none
[none]
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
EOF
    key "$folder/ca.key"
    tool req -x509 -new -key "$folder/ca.key" -days 3650 -subj "/CN=Reberth operators" -config "$folder/ca.cnf" \
        -extensions authority -out "$folder/ca.crt"
    publish
}

key() { tool genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

there() { [ -e "$folder/ca.key" ] || fail "there is no CA in $folder: $0 ca --folder $folder"; }

named() {
    case $name in
        ?) fail "a name has two letters at least" ;;
        *[!A-Za-z0-9@._-]*) fail "'$name': letters, digits and @ . _ - only" ;;
        '' | [!A-Za-z0-9]* | *[!A-Za-z0-9]) wrong "$verb needs the name of a person" ;;
    esac
}

issue() {
    named
    there
    case $role in viewer | operator) ;; *) wrong "--role is viewer or operator, not '$role'" ;; esac
    [ -n "$swarm" ] || wrong "say --swarm-ca FILE: the command has to know the managers (docker swarm ca >FILE)"
    openssl x509 -in "$swarm" -noout 2>/dev/null || fail "$swarm has no certificate: docker swarm ca >FILE, on a manager"
    mkdir -p "$folder/$name"
    key "$folder/$name/key.pem"
    tool req -new -key "$folder/$name/key.pem" -subj "/OU=reberth-$role/CN=$name" -config "$folder/ca.cnf" \
        -out "$folder/request.pem"
    ca -notext -days "$days" -in "$folder/request.pem" -out "$folder/$name/cert.pem"
    rm -f "$folder/request.pem"
    cat "$swarm" >"$folder/$name/ca.pem"
    say "$folder/$name is for $name ($role, $days days), as ~/.reberth there; move it, keep no copy"
}

revoke() {
    named
    there
    found=$(awk -F'\t' -v name="/CN=$name" '$1 == "V" && substr($6, length($6) - length(name) + 1) == name { print $4 }' "$folder/index.txt")
    [ -n "$found" ] || fail "no certificate of $name is good"
    for each in $found; do ca -revoke "$folder/issued/$each.pem"; done
    publish
}

case $verb in
    ca) make_ca ;;
    issue) issue ;;
    revoke) revoke ;;
    *) wrong "say ca, issue or revoke" ;;
esac
