#!/usr/bin/env bats
# The command for people, cron and monitoring.
load setting

@test "check: one line and the exit status of a monitoring plugin" {
  start_server ok
  run "$hook" check fine.example.org
  [ "$status" = 0 ]
  [ "${#lines[@]}" = 1 ]
  [[ "$output" =~ ^CERTLINE\ OK\ -\ fine.example.org:\ [0-9]+\ days\ left,.*\ \|\ days_left=[0-9]+\;28\;0 ]]
  run "$hook" check due.example.org
  [ "$status" = 1 ]
  [[ "$output" = "CERTLINE RENEW - "* ]]
  run "$hook" check expired.example.org
  [ "$status" = 2 ]
  [[ "$output" = "CERTLINE EXPIRED - "* ]]
  run "$hook" check untrusted.example.org
  [ "$status" = 2 ]
  [[ "$output" = "CERTLINE UNTRUSTED - "*untrusted_root* ]]
  run "$hook" check unseen.example.org
  [ "$status" = 3 ]
  [[ "$output" = "CERTLINE UNKNOWN - unseen.example.org: U days left, problem dns_error"*"days_left=U;28;0"* ]]
  for wrong in '' 'a b' $'a\ncommand remove' '-x'; do
    run "$hook" check "$wrong"
    [ "$status" = 3 ]
  done
  [ "$(heard remove)" = 0 ]
  CERTLINE_PORT=1 run --separate-stderr "$hook" check fine.example.org
  [ "$status" = 3 ]
  [ "$output" = "CERTLINE UNKNOWN - fine.example.org: no answer from 127.0.0.1 port 1 | days_left=U;28;0" ]
}

@test "due: of a name, of any name, of a certificate on disk" {
  start_server ok
  run "$hook" due due.example.org
  [ "$status" = 0 ]
  run "$hook" due fine.example.org
  [ "$status" = 1 ]
  run "$hook" due unseen.example.org
  [ "$status" = 3 ]
  run "$hook" due
  [ "$status" = 0 ]
  CERTLINE_PORT=1 run "$hook" due fine.example.org
  [ "$status" = 3 ]
  stop_server
  # of 90 days a third is 30, so 28 count; of 30 days 10; of 8 days half.
  for days_due in '90 1' '27 1' '400 1' '8 1'; do
    certificate_for ${days_due% *} a.example.org
    run "$hook" due "$lineage"
    [ "$status" = "${days_due#* }" ]
  done
  for case in '28 9 0' '28 11 1' '90 27 0' '90 29 1' '8 3 0' '8 5 1' '400 27 0'; do
    set -- $case
    certificate_for "$1" a.example.org
    run faketime "$(($1 - $2)) days" "$hook" due "$lineage/cert.pem"
    [ "$status" = "$3" ]
  done
  run "$hook" due /dev/null/none
  [ "$status" = 3 ]
}

@test "add: watches names, and tells how they are" {
  start_server ok
  run "$hook" add Example.org:25 bücher.example.org
  [ "$status" = 0 ]
  [ "$(adds)" = "Example.org:25
bücher.example.org" ]
  [ "${lines[0]}" = "certline: Example.org:25: 1 of 1 addresses are well" ]
  run "$hook" add
  [ "$status" = 2 ]
  run "$hook" add 'a b' good.example.org
  [ "$status" = 3 ]
  [[ "$output" = *"not a name: 'a b'"* ]]
  CERTLINE_PORT=1 run "$hook" add later.example.org
  [ "$status" = 3 ]
  run "$hook" status
  [ "${lines[2]}" = "queue 1" ]
  run "$hook" send
  [ "$status" = 0 ]
  [ "$(adds | tail -n 1)" = later.example.org ]
}

@test "list, status, version, help, usage" {
  start_server ok
  run "$hook" list
  [ "$status" = 0 ]
  [[ "${lines[0]}" =~ ^a.example.org\ none\ [0-9]+$ ]]
  [ "${#lines[@]}" = 2 ]
  run "$hook" status
  [ "${lines[0]}" = "server 127.0.0.1 port $CERTLINE_PORT: version 0 uptime_s 1" ]
  [ "${lines[1]}" = "key in $state/key" ]
  [ "${lines[2]}" = "queue 0" ]
  run "$hook" version
  [[ "$output" =~ ^certline\ [0-9.]+$ ]]
  run "$hook" help
  [ "$status" = 0 ]
  run --separate-stderr "$hook"
  [ "$status" = 2 ]
  [[ "$stderr" = usage:* ]]
  run "$hook" nonsense
  [ "$status" = 2 ]
}
