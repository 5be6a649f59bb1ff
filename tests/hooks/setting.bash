# What the hook tests share: a scripted server, certificates, and a hook that changes nothing on
# the host. $hook is the file under test, $log what the server heard, $state the hook's directory.
bats_require_minimum_version 1.5.0

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  hook=$root/hooks/certline
  here=$BATS_TEST_TMPDIR
  log=$here/log state=$here/state
  export CERTLINE_STATE=$state CERTLINE_CONF=$here/no.conf CERTLINE_EMAIL=a@b.example
  unset RENEWED_LINEAGE RENEWED_DOMAINS FAILED_DOMAINS HOME
  : >"$log"
}

teardown() { stop_server; }

# start_server MODE [CERTIFICATE KEY]: $CERTLINE_PORT is its port.
start_server() {
  local ready=$here/ready.$RANDOM
  mkfifo "$ready"
  python3 "$BATS_TEST_DIRNAME/fake_server.py" "$1" "$log" "${@:2}" >"$ready" 3>&- &
  server=$!
  read -rt 30 CERTLINE_PORT <>"$ready"
  export CERTLINE_PORT
}
stop_server() {
  [ -z "${server:-}" ] || kill "$server" 2>/dev/null || :
  server=
}

# A moment, while something is waited for; half a minute of them is too long.
pauses=0
pause() {
  [ $((pauses += 1)) -lt 600 ]
  [ -p "$here/idle" ] || mkfifo "$here/idle"
  read -rt 0.05 _ <>"$here/idle" || :
}

# tools NAME...: a directory with these programs and the plain ones every system has.
tools() {
  rm -rf "$here/tools"
  mkdir "$here/tools"
  for tool in awk cat date dd find grep head mkdir mkfifo mv rm sed sleep tr "$@"; do
    ln -s "$(command -v "${tool#*=}")" "$here/tools/${tool%%=*}"
  done
  echo "$here/tools"
}

# certificate NAME...: in $lineage/cert.pem; $sha256 is its digest.
certificate() { certificate_for 90 "$@"; }
certificate_for() {
  lineage=${lineage:-$here/live/one}
  mkdir -p "$lineage"
  python3 "$BATS_TEST_DIRNAME/make_certificate.py" "$lineage/cert" "$@"
  sha256=$(openssl x509 -in "$lineage/cert.pem" -noout -fingerprint -sha256 |
    sed 's/.*=//; s/://g' | tr A-F a-f)
}
deploy() { RENEWED_LINEAGE=$lineage "$hook"; }

# The requests about names that the server heard, without the key.
adds() { sed -n 's/^command add domain \([^ ]*\) apikey [^ ]*\(.*\)/\1\2/p' "$log"; }
heard() { grep -c "$1" "$log" || :; }
