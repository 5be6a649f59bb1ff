#!/usr/bin/env bats
# What the hook sends for a certificate (names, digest, key), and what it reports.
load setting

@test "each name of the certificate with its digest, on one connection" {
  start_server ok
  certificate Www.Example.org example.org 192.0.2.1 2001:db8::1 xn--bcher-kva.example.org
  run deploy
  [ "$status" = 0 ]
  [ "$(adds)" = "www.example.org sha256 $sha256
example.org sha256 $sha256
192.0.2.1 sha256 $sha256
2001:db8:0:0:0:0:0:1 sha256 $sha256
xn--bcher-kva.example.org sha256 $sha256" ]
  [ "$(heard connected)" = 1 ]
  [ ! -e "$state/queue" ]
}

@test "a wildcard: expected only where the certificate names its host, too" {
  start_server ok
  certificate '*.example.org' example.org '*.alone.example.org'
  run deploy
  [ "$(adds)" = "*.example.org sha256 $sha256
example.org sha256 $sha256
*.alone.example.org" ]
  [ "$output" = "certline: example.org: 1 of 1 addresses serve the new certificate" ]
}

@test "a hundred names" {
  start_server ok
  certificate $(printf 'host%d.example.org ' {1..100})
  run deploy
  [ "$status" = 0 ]
  [ "$(adds | sort -u | wc -l)" = 100 ]
  [ "$(adds | wc -l)" = 100 ]
  [ "$(grep -c 'serve the new' <<<"$output")" = 100 ]
}

@test "hostile names: nothing is run, nothing gets into a request" {
  start_server ok
  touch "$here/canary"
  certificate "a\\ncommand remove domain good.example.org" "b c.example.org" '"d".example.org' \
    "\$(rm $here/canary).example.org" "\`rm $here/canary\`" '-n.example.org' '*' '*.*.example.org' \
    "e'.example.org" ';rm' '\\x00.example.org' 'f.example.org, DNS:g.example.org' \
    '\\xff.example.org' '/../../x' good.example.org
  run deploy
  [ "$status" = 0 ]
  [ -e "$here/canary" ]
  [ "$(adds)" = "good.example.org sha256 $sha256" ]
  [[ "$output" = *"14 names of $lineage/cert.pem are left out: they hold bytes"* ]]
  [ "$(heard remove)" = 0 ]
}

@test "hostile names in the environment" {
  start_server ok
  touch "$here/canary"
  RENEWED_DOMAINS="-n * \$(rm $here/canary) good.example.org ../../x;rm" RENEWED_LINEAGE=$here/none \
    run "$hook"
  [ "$status" = 0 ]
  [ -e "$here/canary" ]
  [ "$(heard $'\n')" != 0 ]
  adds | grep -qx good.example.org
  [ "$(adds | grep -c -e '^-n' -e "$here" -e home)" = 0 ]
}

@test "without a certificate: the names that certbot tells" {
  start_server ok
  RENEWED_LINEAGE=$here/none RENEWED_DOMAINS='A.example.org b.example.org' run "$hook"
  [ "$status" = 0 ]
  [ "$(adds)" = "a.example.org
b.example.org" ]
}

@test "more ports than 443" {
  start_server ok
  certificate a.example.org 2001:db8::1
  CERTLINE_PORTS='443 993' run deploy
  [ "$(adds | head -n 2)" = "a.example.org:443 sha256 $sha256
a.example.org:993 sha256 $sha256" ]
}

@test "what is served, a clear line for each name" {
  start_server ok
  certificate a.example.org
  export FAKE_ADDRESSES=$here/addresses
  stop_server
  start_server ok
  echo '192.0.2.1 none 192.0.2.2 none 192.0.2.7 old_certificate_served' >"$here/addresses"
  run deploy
  [ "$output" = "certline: a.example.org: 2 of 3 addresses serve the new certificate; 192.0.2.7 still \
the old one (old_certificate_served): reload its server" ]
  [ "$(heard 'command scan')" = 1 ]
  echo '192.0.2.1 timeout 2001:db8::1 pending 192.0.2.3 expired' >"$here/addresses"
  run deploy
  [ "$output" = "certline: a.example.org: 0 of 3 addresses serve the new certificate; 192.0.2.1 \
unreachable (timeout); 2001:db8::1 not looked at yet; 192.0.2.3 expired" ]
}

@test "CERTLINE_WAIT=0: nobody waits for what is served" {
  start_server ok
  certificate a.example.org
  CERTLINE_WAIT=0 run deploy
  [ -z "$output" ]
  [ "$(heard expiration)" = 0 ]
}

@test "the key: made once, claimed once, mode 600, never in an argument" {
  start_server ok
  certificate a.example.org
  for shell in bash dash mksh 'busybox sh'; do
    rm -rf "$state"
    RENEWED_LINEAGE=$lineage strace -f -qq -s 9999 -e trace=execve -o "$here/trace" $shell "$hook"
    key=$(head -n 1 "$state/key")
    [ ${#key} = 32 ]
    [ "$(grep -c "$key" "$here/trace")" = 0 ]
  done
  [ "$(stat -c %a "$state/key")" = 600 ]
  [ "$(stat -c %a "$state")" = 700 ]
  [ "$(heard "command claim email a@b.example apikey $key")" = 1 ]
  run deploy
  [ "$(heard "claim email a@b.example apikey $key")" = 1 ]
  [ "$(head -n 1 "$state/key")" = "$key" ]
}

@test "a key the server doesn't know any more is claimed again" {
  start_server unknown_key
  certificate a.example.org b.example.org
  mkdir -m 700 "$state"
  printf '%s\n' 0123456789abcdef x@y.example >"$state/key"
  run deploy
  [ "$status" = 0 ]
  [ "$(heard 'claim email a@b.example apikey 0123456789abcdef')" = 1 ]
  [ "$(adds | wc -l)" = 4 ]
  [ ! -e "$state/queue" ]
}

@test "the e-mail address: by hand, the account's, a file beside the hook, a random one" {
  start_server ok
  certificate a.example.org
  unset CERTLINE_EMAIL
  config=$here/letsencrypt
  account=$config/accounts/server/directory/0123
  mkdir -p "$config/renewal-hooks/deploy" "$account"
  cp "$hook" "$config/renewal-hooks/deploy/certline"
  hook=$config/renewal-hooks/deploy/certline
  said() {
    rm -rf "$state"
    run deploy
    sed -n 's/^command claim email \([^ ]*\) .*/\1/p' "$log" | tail -n 1
  }
  [[ "$(said)" =~ ^hook-[0-9a-f]{32}@certline.invalid$ ]]
  echo '  file@b.example of ours' >"$config/renewal-hooks/keychest_apikey"
  [ "$(said)" = file@b.example ]
  echo '{"body": {"contact": ["mailto:account@b.example"]}, "uri": "x"}' >"$account/regr.json"
  [ "$(said)" = account@b.example ]
  sed -i 's/^email_of_this_copy=.*/email_of_this_copy=copy@b.example/' "$hook"
  [ "$(said)" = copy@b.example ]
  [ "$(CERTLINE_EMAIL=hand@b.example said)" = hand@b.example ]
  echo '{"body": {}, "uri": "x"}' >"$account/regr.json"
  echo '{"creation_host": "h", "register_to_eff": "eff@b.example"}' >"$account/meta.json"
  [ "$(said)" = copy@b.example ]
  sed -i 's/^email_of_this_copy=.*/email_of_this_copy=/' "$hook"
  [ "$(said)" = eff@b.example ]
  rm "$account/meta.json"
  echo 'email = ini@b.example' >"$config/cli.ini"
  [ "$(said)" = ini@b.example ]
  rm "$config/cli.ini"
  [ "$(CERTLINE_EMAIL='no address' said)" = file@b.example ]
}

@test "settings: a file that is read and not run; the environment comes first" {
  start_server ok
  certificate a.example.org
  cat >"$here/hook.conf" <<END
# CERTLINE_PORT=1
  CERTLINE_PORT = 2
CERTLINE_EMAIL="file@b.example"
CERTLINE_WAIT='0'
PATH=/nowhere
CERTLINE_STATE=\$(touch $here/run)
touch $here/run
CERTLINE_PORTS=4443
END
  export CERTLINE_CONF=$here/hook.conf
  unset CERTLINE_EMAIL
  run --separate-stderr deploy
  [ "$status" = 0 ]
  [ ! -e "$here/run" ]
  [ "$(heard 'email file@b.example')" = 1 ]
  [ "$(adds)" = "a.example.org:4443 sha256 $sha256" ]
  [ "$(heard expiration)" = 0 ]
  [[ "$stderr" = *"unknown setting PATH"* ]]
  CERTLINE_TIMEOUT=1h CERTLINE_PORT=99999999 run deploy
  [ "$status" = 0 ]
}

@test "a dry run says what it would do, and does nothing" {
  start_server ok
  certificate a.example.org
  CERTLINE_DRY_RUN=1 run deploy
  [ "$output" = "certline: would add a.example.org $sha256 at 127.0.0.1 port $CERTLINE_PORT" ]
  [ ! -e "$state" ]
  [ ! -s "$log" ]
}

@test "a name refused for good is said once; the others get through" {
  start_server refuse
  certificate a.example.org bad.example.org c.example.org
  run --separate-stderr deploy
  [ "$status" = 0 ]
  [ "$stderr" = "certline: warning: bad.example.org was refused: 422 domain is no host name" ]
  [ "$(grep -c 'serve the new' <<<"$output")" = 2 ]
  [ ! -e "$state/queue" ]
}
