#!/usr/bin/env bats
# packaging/install-hook: it installs the right files, once or twice, and removes them again.
load setting

@test "what is there for whom" {
  tree=$here/tree
  mkdir -p "$tree/etc/letsencrypt" "$tree/etc/dehydrated/conf.d" "$tree/usr/bin" \
    "$tree/root/.acme.sh/notify"
  touch "$tree/usr/bin/uacme" "$tree/usr/bin/caddy"
  chmod +x "$tree/usr/bin/uacme" "$tree/usr/bin/caddy"
  export HOME=/root
  install=$root/packaging/install-hook
  before=$(find "$tree" | sort)

  run "$install" --root "$tree" --dry-run
  [ "$status" = 0 ]
  [[ "$output" = *"would link $tree/etc/letsencrypt/renewal-hooks/deploy/zz-certline-deploy"* ]]
  [ "$(find "$tree" | sort)" = "$before" ]

  run "$install" --root "$tree"
  [ "$status" = 0 ]
  cmp "$root/hooks/certline" "$tree/usr/local/bin/certline"
  [ -x "$tree/usr/local/bin/certline" ]
  for file in deploy/zz-certline-deploy post/zz-certline-post; do
    [ "$(readlink "$tree/etc/letsencrypt/renewal-hooks/$file")" = /usr/local/bin/certline ]
  done
  [ -x "$tree/usr/local/bin/certline-uacme" ]
  [ -x "$tree/usr/local/bin/certline-caddy" ]
  [ "$(. "$tree/etc/dehydrated/conf.d/certline.sh" && echo "$HOOK")" = \
    /usr/local/bin/certline-dehydrated ]
  [ -e "$tree/root/.acme.sh/notify/certline.sh" ]
  [ -e "$tree/usr/local/share/man/man1/certline.1" ]
  [[ "$output" = *"acme.sh --set-notify --notify-hook certline"* ]]
  run "$root/hooks/certline" version
  [ "$status" = 0 ]

  run "$install" --root "$tree"
  [[ "$output" = *"nothing to do" ]]

  echo CERTLINE_PORT=1 >>"$tree/etc/certline/hook.conf"
  run "$install" --root "$tree" --remove
  [ "$status" = 0 ]
  [[ "$output" = *"$tree/etc/certline/hook.conf was changed: it stays"* ]]
  [ -z "$(find "$tree/usr/local" "$tree/root" "$tree/etc/dehydrated" "$tree/etc/letsencrypt" \
    -type f -o -type l)" ]
  run "$install" --root "$tree" --remove
  [ "$status" = 0 ]
}

@test "another hook of dehydrated's stays, with a word about it" {
  mkdir -p "$here/tree/etc/dehydrated"
  echo 'HOOK=/etc/dehydrated/hook.sh' >"$here/tree/etc/dehydrated/config"
  run "$root/packaging/install-hook" --root "$here/tree" dehydrated
  [ "$status" = 0 ]
  [ ! -e "$here/tree/etc/dehydrated/conf.d/certline.sh" ]
  [[ "$output" = *"have it call /usr/local/bin/certline-dehydrated"* ]]
}

@test "wrong usage" {
  run "$root/packaging/install-hook" --nonsense
  [ "$status" = 2 ]
  [[ "$output" = install-hook* ]]
}

@test "the settings' file says what the hook reads" {
  settings=$(sed -n 's/^#\(CERTLINE_[A-Z_]*\)=.*/\1/p' "$root/packaging/hook.conf" | sort)
  read=$(sed -n 's/^ *\(CERTLINE_[A-Z_]*\)) : .*/\1/p' "$hook" | sort)
  [ -n "$read" ]
  [ "$settings" = "$read" ]
  for setting in $read; do
    grep -q "$setting" "$root/packaging/man/certline-hook.7"
    grep -q "$setting" "$root/hooks/README.md"
  done
}
