# shellcheck shell=bash
# For scripts that start other programs: source this file. Each program gets its own process group.
# When the script ends or gets a signal, all these groups are killed, so that nothing is left behind.
groups=()

# begin COMMAND…: starts COMMAND in the background; $! is its process and its group.
begin() {
  set -m
  "$@" &
  set +m
  groups+=($!)
}

# finish COMMAND…: runs COMMAND and returns its status. Signals are handled while it runs.
finish() {
  begin "$@"
  wait $!
}

# shellcheck disable=SC2317 # called by the trap
{
  # Whether a process of the group is there, apart from those that ended and wait to be noticed.
  lives() {
    local file line
    for file in /proc/[0-9]*/stat; do
      { read -r line <"$file"; } 2>/dev/null || continue
      [[ ! ${line##*) } =~ ^[^Z]\ [0-9]+\ $1\  ]] || return 0  # state, parent, group
    done
    return 1
  }

  end_groups() {
    local group patience=100  # tenths of a second, then SIGKILL
    trap '' HUP INT TERM
    for group in "${groups[@]}"; do
      kill -- "-$group" 2>/dev/null || continue
      while lives "$group" && [ $((patience -= 1)) -gt 0 ]; do
        read -rt 0.1 <> <(:) || :
      done
      kill -KILL -- "-$group" 2>/dev/null || :
    done
    wait 2>/dev/null || :
  }
}
trap end_groups EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
