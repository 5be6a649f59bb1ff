#!/usr/bin/env bats
# What each version of each ACME client passes to its hooks, and what the hook does with it.
load setting

# certbot's folder with the lineages NAME..., each of them with a certificate for NAME; the hook in
# its post folder is what is run.
letsencrypt() {
  config=$here/letsencrypt
  mkdir -p "$config/renewal-hooks/post" "$config/renewal-hooks/deploy" "$config/renewal" "$here/logs"
  for name in "$@"; do
    lineage=$config/live/$name certificate "$name"
    echo "logs_dir = $here/logs" >"$config/renewal/$name.conf"
  done
  cp "$hook" "$config/renewal-hooks/post/certline-post"
  post=$config/renewal-hooks/post/certline-post
}
# As if a deploy hook had told of them.
all_seen() {
  mkdir -p -m 700 "$state" "$state/seen"
  for file in "$config"/renewal/*.conf; do
    name=${file##*/}
    touch -d 'next minute' "$state/seen/${name%.conf}"
  done
}
FAILED=': renewal failed; the certificate served ends in'

@test "certbot 4.2 and later: FAILED_DOMAINS" {
  start_server ok
  letsencrypt a.example.org b.example.org
  all_seen
  RENEWED_DOMAINS=a.example.org FAILED_DOMAINS='B.example.org c.example.org' \
    run --separate-stderr "$post"
  [ "$status" = 0 ]
  [ "$(adds)" = "b.example.org
c.example.org" ]
  [[ "${stderr_lines[0]}" = "certline: b.example.org$FAILED"* ]]
  [ "${#stderr_lines[@]}" = 2 ]
  : >"$log"
  RENEWED_DOMAINS=a.example.org FAILED_DOMAINS='' run "$post"
  [ ! -s "$log" ]
}

@test "certbot before 4.2: its log, of the last run only" {
  start_server ok
  letsencrypt a.example.org b.example.org c.example.org
  all_seen
  cat >"$here/logs/letsencrypt.log" <<'END'
2026-01-01 00:00:00,000:DEBUG:certbot._internal.main:certbot version: 2.1.0
2026-01-01 00:00:01,000:ERROR:certbot._internal.renewal:Failed to renew certificate c.example.org with error: x
2026-03-01 00:00:00,000:DEBUG:certbot._internal.main:certbot version: 2.1.0
2026-03-01 00:00:01,000:ERROR:certbot._internal.renewal:Failed to renew certificate b.example.org with error: Failed to renew certificate $(id) with error
2026-03-01 00:00:01,000:ERROR:certbot._internal.renewal:Failed to renew certificate ../../x with error: x
END
  # 2.7 to 4.1: both empty when anything failed. Before: none, or what a deploy hook left behind.
  RENEWED_DOMAINS='' FAILED_DOMAINS='' run "$post"
  [ "$(adds)" = "b.example.org" ]
  RENEWED_LINEAGE=$config/live/a.example.org RENEWED_DOMAINS=a.example.org run "$post"
  [ "$status" = 0 ]
  [ "$(adds)" = "b.example.org
b.example.org" ]
}

@test "no log: certificates past their time for renewal" {
  start_server ok
  letsencrypt a.example.org b.example.org
  lineage=$config/live/b.example.org certificate_for 9 b.example.org
  all_seen
  run faketime '6 days' "$post"
  [ "$status" = 0 ]
  [ "$(adds)" = "b.example.org" ]
}

@test "16,000 characters of names" {
  start_server ok
  letsencrypt a.example.org
  all_seen
  names=$(printf 'a-rather-long-name-of-a-host-%03d.example.org ' {1..400})
  [ ${#names} -gt 16000 ]
  RENEWED_DOMAINS=$names FAILED_DOMAINS=$names CERTLINE_WAIT=0 run "$post"
  [ "$status" = 0 ]
  [ "$(adds | sort -u | wc -l)" = 400 ]
}

@test "a post hook alone announces what is new, and nothing twice" {
  start_server ok
  letsencrypt a.example.org b.example.org
  run "$post"
  [ "$status" = 0 ]
  [ "$(adds | cut -d' ' -f1)" = "a.example.org
b.example.org" ]
  run "$post"
  [ "$(adds | wc -l)" = 2 ]
  touch -d '+2 seconds' "$config/live/a.example.org/cert.pem"
  run "$post"
  [ "$(adds | tail -n 1 | cut -d' ' -f1)" = a.example.org ]
  [ "$(adds | wc -l)" = 3 ]
}

@test "with both hooks it is the post hook that tells what is served" {
  start_server ok
  letsencrypt a.example.org
  cp "$hook" "$config/renewal-hooks/deploy/zz-certline-deploy"
  RENEWED_LINEAGE=$config/live/a.example.org run "$config/renewal-hooks/deploy/zz-certline-deploy"
  [ -z "$output" ]
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
  run "$post"
  [ "$output" = "certline: a.example.org: 1 of 1 addresses serve the new certificate" ]
  [ "$(adds | wc -l)" = 1 ]
  run "$post"
  [ -z "$output" ]
}

@test "the files beside certbot are links to the one file; in pre it does nothing" {
  [ "$(readlink "$root/hooks/certbot/certline-deploy")" = ../certline ]
  [ "$(readlink "$root/hooks/certbot/certline-post")" = ../certline ]
  start_server ok
  certificate a.example.org
  RENEWED_LINEAGE=$lineage run "$root/hooks/certbot/certline-deploy"
  [ "$(adds)" = "a.example.org sha256 $sha256" ]
  mkdir -p "$here/renewal-hooks/pre"
  ln -s "$hook" "$here/renewal-hooks/pre/certline"
  run "$here/renewal-hooks/pre/certline"
  [ "$status" = 0 ]
  [ -z "$output" ]
}

@test "acme.sh 3.1: --reloadcmd, --renew-hook, --deploy-hook" {
  start_server ok
  certificate a.example.org www.example.org
  CERT_PATH=$lineage/cert.pem CERT_FULLCHAIN_PATH=$lineage/cert.pem Le_Domain=a.example.org \
    run "$hook" hook acme.sh
  [ "$status" = 0 ]
  wanted="a.example.org sha256 $sha256
www.example.org sha256 $sha256"
  [ "$(adds)" = "$wanted" ]
  : >"$log"
  PATH=$root/hooks:$PATH run sh -c ". '$root/hooks/acme.sh/certline.sh'
    certline_deploy a.example.org key '$lineage/cert.pem' ca full pfx"
  [ "$status" = 0 ]
  [ "$(adds)" = "$wanted" ]
}

@test "acme.sh 3.1: --notify-hook tells of errors, in both of its forms" {
  start_server ok
  notify() {
    : >"$log"
    PATH=$root/hooks:$PATH run sh -c '. "$0"; certline_send "$@"' "$root/hooks/acme.sh/certline.sh" "$@"
    [ "$status" = 0 ]
  }
  notify 'Renew a.example.org error by host' 'There is an error.' 1
  [ "$(adds)" = a.example.org ]
  notify 'Renew Error Success by host' 'Errored certs:
    b.example.org
    c.example.org

Successful certs:
    d.example.org
' 1
  [ "$(adds)" = "b.example.org
c.example.org" ]
  notify 'Renew a.example.org success by host' 'Good, the cert is renewed.' 0
  notify 'Renew a.example.org skipped by host' 'Good, the cert is skipped.' 2
  notify 'Hello, this is a notification from acme.sh' 'If you receive this message' 0
  [ -z "$(adds)" ]
  PATH=/usr/bin:/bin run sh -c ". '$root/hooks/acme.sh/certline.sh'; certline_send a b 1"
  [ "$status" = 0 ]
}

@test "dehydrated: deploy_cert, invalid_challenge, and status 0 for the rest" {
  start_server ok
  certificate d.example.org
  call() {
    run "$root/hooks/dehydrated/certline-dehydrated" "$@"
    [ "$status" = 0 ]
  }
  call this_hookscript_is_broken__dehydrated_is_working_fine__please_ignore_unknown_hooks_in_your_script
  for event in startup_hook 'exit_hook an error' 'deploy_challenge a b c' 'unchanged_cert a b c' \
    'request_failure 500 x GET y' 'generate_csr a b c' 'sync_cert a b c' ''; do
    call $event
    [ -z "$output" ]
  done
  [ ! -s "$log" ]
  call deploy_cert d.example.org key "$lineage/cert.pem" full chain 1
  [ "$(adds)" = "d.example.org sha256 $sha256" ]
  altnames='e.example.org f.example.org' call deploy_cert e.example.org key "$here/none" full chain 1
  [ "$(adds | tail -n 2)" = "e.example.org
f.example.org" ]
  call invalid_challenge g.example.org 'some response'
  [[ "$output" = "certline: g.example.org$FAILED"* ]]
}

@test "lego 4 and 5" {
  start_server ok
  certificate l.example.org m.example.org
  unset CERTLINE_EMAIL
  LEGO_ACCOUNT_EMAIL=four@b.example LEGO_CERT_DOMAIN=l.example.org LEGO_CERT_PATH=$lineage/cert.pem \
    run "$root/hooks/lego/certline-lego"
  [ "$status" = 0 ]
  [ "$(adds)" = "l.example.org sha256 $sha256
m.example.org sha256 $sha256" ]
  [ "$(heard 'email four@b.example')" = 1 ]
  : >"$log"
  rm -r "$state"
  LEGO_HOOK_ACCOUNT_EMAIL=five@b.example LEGO_HOOK_CERT_DOMAINS=x.example.org,y.example.org \
    LEGO_HOOK_CERT_PATH=$here/none run "$hook" hook lego
  [ "$(adds)" = "x.example.org
y.example.org" ]
  [ "$(heard 'email five@b.example')" = 1 ]
}

@test "uacme: called in its place, with its arguments and its status" {
  start_server ok
  lineage=$here/ssl/u.example.org certificate u.example.org
  mkdir "$here/bin"
  printf '#!/bin/sh\necho "uacme $*"\nexit ${UACME:-0}\n' >"$here/bin/uacme"
  chmod +x "$here/bin/uacme"
  export PATH=$here/bin:$PATH
  uacme=$root/hooks/uacme/certline-uacme
  run "$uacme" -v -c "$here/ssl" -h /hook --type EC issue u.example.org w.example.org
  [ "$status" = 0 ]
  [ "${lines[0]}" = "uacme -v -c $here/ssl -h /hook --type EC issue u.example.org w.example.org" ]
  [ "$(adds)" = "u.example.org sha256 $sha256" ]
  : >"$log"
  cp "$here/ssl/u.example.org/cert.pem" "$here/request-cert.pem"
  run "$uacme" issue "$here/request.csr"
  [ "$(adds)" = "u.example.org sha256 $sha256" ]
  : >"$log"
  UACME=1 run "$uacme" "--confdir=$here/ssl" issue u.example.org
  [ "$status" = 1 ]
  run "$uacme" -c "$here/ssl" update
  [ ! -s "$log" ]
}

@test "Caddy: cert_obtained with a path in its storage, cert_failed" {
  start_server ok
  lineage=$here/storage/certificates certificate c.example.org
  mv "$here/storage/certificates/cert.pem" "$here/storage/certificates/c.crt"
  CADDY_STORAGE=$here/storage run "$root/hooks/caddy/certline-caddy" cert_obtained c.example.org \
    certificates/c.crt
  [ "$status" = 0 ]
  [ "$(adds)" = "c.example.org sha256 $sha256" ]
  run "$hook" hook caddy cert_obtained '*.d.example.org' certificates/none.crt
  [ "$(adds | tail -n 1)" = '*.d.example.org' ]
  run "$hook" hook caddy cert_failed e.example.org
  [[ "$output" = "certline: e.example.org$FAILED"* ]]
  run "$hook" hook caddy tls_get_certificate
  [ "$status" = 0 ]
}

@test "an unknown client: status 0 and a word about it" {
  run --separate-stderr "$hook" hook nonsense a b
  [ "$status" = 0 ]
  [ "$stderr" = "certline: warning: unknown client 'nonsense': certline help lists the clients" ]
}
