# shellcheck shell=bash
# Sourced by scripts that start other programs. Each gets a process group of its own, and a signal to
# the script, or its end, ends these groups: nothing that it started is left behind.
groups=()

# begin COMMAND…: starts it in the background; $! is its process and its group.
begin() {
  set -m
  "$@" &
  set +m
  groups+=($!)
}

# finish COMMAND…: the same, to its end; gives its status. A signal needn't wait for the end of it.
finish() {
  begin "$@"
  wait $!
}

# shellcheck disable=SC2317 # called by the trap
end_groups() {
  local group patience=100  # tenths of a second, then SIGKILL
  trap '' HUP INT TERM
  for group in "${groups[@]}"; do
    kill -- "-$group" 2>/dev/null || continue
    while kill -0 -- "-$group" 2>/dev/null && [ $((patience -= 1)) -gt 0 ]; do
      read -rt 0.1 <> <(:) || :
    done
    kill -KILL -- "-$group" 2>/dev/null || :
  done
  wait 2>/dev/null || :
}
trap end_groups EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
