#!/usr/bin/env bats
# Whatever the server does, the renewal goes on: the hook ends in time with status 0 and one warning,
# loses nothing and sends nothing twice.
load setting

# The server behaves as $1; then a good one hears what was put off, once.
put_off() {
  [ "$1" = absent ] || start_server "$1"
  certificate a.example.org b.example.org
  local started=$SECONDS
  CERTLINE_TIMEOUT=${timeout-2} run --separate-stderr deploy
  [ "$status" = 0 ]
  [ $((SECONDS - started)) -le 15 ]
  echo "$output$stderr"
  [ -z "$output" ]
  [ "${#stderr_lines[@]}" = 1 ]
  [[ "$stderr" = "certline: warning: "*": 2 names wait in the queue and are sent next time" ]]
  [ "$(cat "$state/queue")" = "a.example.org $sha256
b.example.org $sha256" ]
  stop_server
  : >"$log"
  start_server ok
  lineage=$here/live/two certificate c.example.org
  lineage=$here/live/two run --separate-stderr deploy
  [ "$status" = 0 ]
  echo "$stderr"
  [ -z "$stderr" ]
  [ "$(adds | sort | cut -d' ' -f1)" = "a.example.org
b.example.org
c.example.org" ]
  [ ! -e "$state/queue" ]
  [ "$(heard connected)" = 1 ]
}

@test "no server" { CERTLINE_PORT=1 put_off absent; }
@test "a server that never answers" { put_off hang; }
@test "the same, with the patience that is set from the start" { timeout='' put_off hang; }
@test "a server that closes at once" { put_off close; }
@test "a server that closes in mid-reply" { put_off half; }
@test "40 MB of junk" { put_off junk; }
@test "bytes meant for the terminal" { put_off binary; }
@test "500" { put_off 500; }
@test "503" { put_off 503; }
@test "429" { put_off 429; }

@test "a connection that ends among the names: those that were taken aren't said again" {
  start_server half_of_adds
  certificate a.example.org b.example.org c.example.org d.example.org
  run deploy
  [ "$status" = 0 ]
  [ "$(cut -d' ' -f1 "$state/queue")" = "c.example.org
d.example.org" ]
  stop_server
  : >"$log"
  start_server ok
  run "$hook" send
  [ "$status" = 0 ]
  [ "$(adds | cut -d' ' -f1)" = "c.example.org
d.example.org" ]
}

@test "the last certificate of a name is the one that counts" {
  certificate a.example.org
  CERTLINE_PORT=1 run deploy
  certificate a.example.org
  CERTLINE_PORT=1 run deploy
  [ "$(cat "$state/queue")" = "a.example.org $sha256" ]
  start_server ok
  run "$hook" send
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
}

@test "many certificates don't wait for a silent server each" {
  start_server hang
  certificate a.example.org
  CERTLINE_TIMEOUT=2 run deploy
  [[ "$output" = *"no answer from 127.0.0.1 port $CERTLINE_PORT within 2 s"* ]]
  lineage=$here/live/two certificate b.example.org
  lineage=$here/live/two run deploy
  [[ "$output" = *"within 3 s: 2 names wait"* ]]
  touch -d '2 minutes ago' "$state/silent"
  CERTLINE_TIMEOUT=6 run deploy
  [[ "$output" =~ within\ [456]\ s:\ 2\ names\ wait ]]
}

@test "runs at the same time: each name arrives once, and the state is whole" {
  start_server ok
  names=()
  for i in {1..8}; do
    lineage=$here/live/$i certificate "n$i.example.org"
    names+=("n$i.example.org")
  done
  for i in {1..8}; do
    CERTLINE_TIMEOUT=12 RENEWED_LINEAGE=$here/live/$i "$hook" >"$here/out.$i" 2>&1 3>&- &
  done
  wait $(jobs -p | grep -v "^$server\$")
  [ "$(cat "$here"/out.* | grep -c warning)" = 0 ]
  [ "$(adds | cut -d' ' -f1 | sort)" = "$(printf '%s\n' "${names[@]}" | sort)" ]
  [ "$(heard 'command claim')" = 1 ]
  [ "$(ls -A "$state")" = "key
seen" ]
}

@test "a lock whose owner is gone" {
  start_server ok
  certificate a.example.org
  mkdir -p "$state/lock" "$state/run.$$.x"
  bash -c "echo \$\$ >'$state/lock/owner'"
  run --separate-stderr deploy
  echo "$stderr"
  [ -z "$stderr" ]
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
  [ ! -e "$state/lock" ]
  mkdir "$state/lock"
  touch -d '2 minutes ago' "$state/lock"
  run --separate-stderr deploy
  echo "$stderr"
  [ -z "$stderr" ]
  [ "$(adds | wc -l)" = 2 ]
}

@test "a lock whose owner lives: the names wait" {
  start_server ok
  certificate a.example.org
  mkdir -p "$state/lock"
  echo $$ >"$state/lock/owner"
  CERTLINE_TIMEOUT=3 run deploy
  [ "$status" = 0 ]
  [[ "$output" = "certline: warning: another run is talking to 127.0.0.1"* ]]
  [ "$(adds)" = "" ]
  rm -r "$state/lock"
  run "$hook" send
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
}

@test "killed in the middle: the queue holds what wasn't said" {
  start_server hang
  certificate a.example.org
  RENEWED_LINEAGE=$lineage setsid "$hook" 3>&- &
  until [ -s "$log" ]; do pause; done
  kill -9 -- "-$!"
  wait "$!" || :
  stop_server
  : >"$log"
  start_server ok
  run --separate-stderr "$hook" send
  [ "$status" = 0 ]
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
  [ "$(ls -A "$state")" = "key
seen" ]
}

@test "nothing of it is left running, and nobody holds the client's pipe" {
  start_server hang
  certificate a.example.org
  for shell in bash dash ksh93 mksh 'busybox sh'; do
    for options in '' CERTLINE_SHELL=x; do
      out=$(RENEWED_LINEAGE=$lineage CERTLINE_TIMEOUT=1 setsid -w env $options sh -c \
        "echo \$\$; exec $shell '$hook'" 2>&1)
      [[ "$out" = *"no answer from 127.0.0.1 port $CERTLINE_PORT within 1 s"* ]]
      left=$(ps -o stat=,args= -s "${out%%$'\n'*}" | grep -v '^Z') || : # Z: init is about to reap it
      echo "$shell $options left: $left"
      [ -z "$left" ]
    done
  done
}

@test "a state directory that can't be written" {
  start_server ok
  certificate a.example.org
  CERTLINE_STATE=/proc/nothing run deploy
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 1 ]
  [[ "$output" = "certline: warning: /proc/nothing can't be written"* ]]
}

@test "a state directory that holds something else" {
  start_server ok
  certificate a.example.org
  for shell in bash dash mksh; do
    rm -rf "$state"
    mkdir "$state"
    touch "$state/seen"
    CERTLINE_SHELL=x RENEWED_LINEAGE=$lineage run "$shell" "$hook"
    [ "$status" = 0 ]
  done
}

@test "ended by a signal: nothing is left running, and the names wait" {
  start_server hang
  certificate a.example.org
  for shell in bash dash ksh93 mksh; do
    : >"$log"
    RENEWED_LINEAGE=$lineage CERTLINE_SHELL=x setsid "$shell" "$hook" 3>&- &
    until [ -s "$log" ]; do pause; done
    kill "$!"
    wait "$!"
    for _ in {1..100}; do
      left=$(ps -o stat=,args= -s "$!" | grep -v '^Z') || break
      pause
    done
    echo "$shell left: $left"
    [ -z "$left" ]
    [ "$(cat "$state/queue" "$state"/new.* 2>/dev/null)" = "a.example.org $sha256" ]
    [ ! -e "$state/lock" ]
    rm -rf "$state"
  done
}

@test "standard output and error closed" {
  start_server ok
  certificate a.example.org
  RENEWED_LINEAGE=$lineage "$hook" >&- 2>&-
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
}

@test "no openssl: the names that the client tells are watched" {
  start_server ok
  certificate a.example.org
  CERTLINE_PATH=$(tools bash) RENEWED_DOMAINS=a.example.org run deploy
  [ "$status" = 0 ]
  [ "$(adds)" = "a.example.org" ]
}
