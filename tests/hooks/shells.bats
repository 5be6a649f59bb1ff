#!/usr/bin/env bats
# Every shell with every way to a server, in an environment as bare as certbot's can be.
load setting

# play SHELL TOOL...: announces with these programs alone; $transport is what must have been run.
play() {
  local shell=$1 name=${1%% *}
  shift
  rm -rf "$state"
  : >"$log"
  env -i CERTLINE_PATH="$(tools openssl "$@")" CERTLINE_STATE="$state" CERTLINE_WAIT="${wait:-3}" \
    CERTLINE_PORT="$CERTLINE_PORT" CERTLINE_CONF="$here/none" CERTLINE_CA="${ca:-}" \
    CERTLINE_TLS="${tls:-0}" RENEWED_LINEAGE="$lineage" \
    strace -f -qq -e trace=execve -e signal=none -o "$here/trace" \
    "$(command -v "$name")" ${shell#"$name"} "$hook" >"$here/out" 2>&1
  echo "$shell $*: $(cat "$here/out")"
  [ "$(adds)" = "a.example.org sha256 $sha256
b.example.org sha256 $sha256" ]
  [ "$(grep -c 'serve the new certificate' "$here/out")" = 2 ]
  [ "$(heard connected)" = "${connections:-1}" ]
  [ "$(ls -A "$state")" = "key
seen" ]
}
ran() { grep -q "execve(.*[/\"]$1\"" "$here/trace"; } # a program, or an argument

shells=(dash mksh 'busybox sh')

@test "bash, bash --posix and ksh93 connect by themselves" {
  start_server ok
  certificate a.example.org b.example.org
  for shell in bash 'bash --posix' ksh93; do
    play "$shell" nc
    run ! ran nc
    run ! ran s_client
  done
}

@test "any other shell hands over to bash or ksh93 where there is one" {
  start_server ok
  certificate a.example.org b.example.org
  for shell in "${shells[@]}"; do
    play "$shell" bash nc
    ran bash
    run ! ran nc
    play "$shell" ksh93 nc
    ran ksh93
    run ! ran nc
  done
}

@test "without them: nc of four kinds" {
  start_server ok
  certificate a.example.org b.example.org
  for shell in "${shells[@]}"; do
    for program in nc=nc.openbsd nc=nc.traditional ncat nc.traditional busybox; do
      play "$shell" "$program"
      ran "${program%%=*}"
    done
  done
}

# With TLS the log has a line more for each connection that ended before a request.
@test "TLS: asked for, verified" {
  python3 "$BATS_TEST_DIRNAME/make_certificate.py" "$here/server" 90 127.0.0.1
  python3 "$BATS_TEST_DIRNAME/make_certificate.py" "$here/other" 90 127.0.0.1
  python3 "$BATS_TEST_DIRNAME/make_certificate.py" "$here/elsewhere" 90 127.0.0.2
  start_server ok "$here/server.pem" "$here/server.key"
  certificate a.example.org b.example.org
  for shell in bash ksh93 "${shells[@]}"; do
    tls=1 ca=$here/server.pem play "$shell" nc
    ran s_client
    run ! ran nc
  done
  for ca in "$here/other.pem" ''; do
    CERTLINE_TLS=1 CERTLINE_CA=$ca run --separate-stderr deploy
    [ "$status" = 0 ]
    [[ "$stderr" = *"the certificate of 127.0.0.1 isn't trusted"* ]]
  done
  stop_server
  start_server ok "$here/elsewhere.pem" "$here/elsewhere.key"
  : >"$log"
  CERTLINE_TLS=1 CERTLINE_CA=$here/elsewhere.pem run --separate-stderr deploy
  [[ "$stderr" = *"the certificate of 127.0.0.1 isn't trusted"* ]]
  [ -z "$(adds)" ]
}

@test "TLS as the only way through" {
  python3 "$BATS_TEST_DIRNAME/make_certificate.py" "$here/server" 90 127.0.0.1
  start_server ok "$here/server.pem" "$here/server.key"
  certificate a.example.org b.example.org
  for shell in "${shells[@]}"; do
    play "$shell"
    ran s_client
  done
}

@test "no way at all: says so, and keeps the names" {
  certificate a.example.org
  CERTLINE_PATH=$(tools) RENEWED_DOMAINS=a.example.org run --separate-stderr deploy_by dash
  [ "$status" = 0 ]
  [ "${#stderr_lines[@]}" = 1 ]
  [[ "$stderr" = *"the server can't be reached: install bash, ksh93, nc or openssl: 1 names wait"* ]]
  CERTLINE_PATH=$(tools) run --separate-stderr dash "$hook" check a.example.org
  [ "$status" = 3 ]
}
deploy_by() { RENEWED_LINEAGE=$lineage "$1" "$hook"; }
