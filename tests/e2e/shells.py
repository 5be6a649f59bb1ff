#!/usr/bin/env python3
"""From the shells people have: key, claim, add, expiration, with and without a line end, in one
connection and in several, each reply read by one `dd bs=1000 count=1`.
"""

import sys

sys.dont_write_bytecode = True
from harness import (Authority, Daemon, check, equal, loopback_config, main, run,
                     s_server)

# Asks until there is an answer. Not once with a long wait: whoever comes a second after the scan
# has ended would sit it out.
ASK_EXPIRATION = r"""
reply=
while case $reply in "" | *" problem pending"*) ;; *) false ;; esac; do
  reply=$(ask "command expiration domain $2 apikey $key wait 1")
done
echo "$reply"
"""

# One connection through the shell's own /dev/tcp. $1 is the port, $2 the name, $3 what ends a
# request ("\n" or nothing).
ONE_CONNECTION = r"""
set -eu
exec 3<> "/dev/tcp/127.0.0.1/$1"
ask() {
  printf "$1$end" >&3
  dd bs=1000 count=1 <&3 2>/dev/null
}
end=$3
key=$(ask "command apikey" | sed -n 's/^data //p')
ask "command claim email shell@example.org apikey $key"
ask "command add domain $2 apikey $key"
""" + ASK_EXPIRATION

SEVERAL_CONNECTIONS = r"""
set -eu
ask() {
  exec 3<> "/dev/tcp/127.0.0.1/$port"
  printf "$1$end" >&3
  dd bs=1000 count=1 <&3 2>/dev/null
  exec 3>&-
}
port=$1 end=$3
key=$(ask "command apikey" | sed -n 's/^data //p')
ask "command claim email shell@example.org apikey $key"
ask "command add domain $2 apikey $key"
""" + ASK_EXPIRATION

# Through nc and two pipes with names.
ONE_CONNECTION_NC = r"""
set -eu
end=$3
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
mkfifo "$here/to" "$here/from"
$NC 127.0.0.1 "$1" <"$here/to" >"$here/from" &
exec 3>"$here/to" 4<"$here/from"
ask() {
  printf "$1$end" >&3
  dd bs=1000 count=1 <&4 2>/dev/null
}
key=$(ask "command apikey" | sed -n 's/^data //p')
ask "command claim email shell@example.org apikey $key"
ask "command add domain $2 apikey $key"
""" + ASK_EXPIRATION + "kill $!\n"

SEVERAL_CONNECTIONS_NC = r"""
set -eu
port=$1 end=$3
ask() {
  printf "$1$end" | $NC 127.0.0.1 "$port" | dd bs=1000 count=1 2>/dev/null
}
key=$(ask "command apikey" | sed -n 's/^data //p')
ask "command claim email shell@example.org apikey $key"
ask "command add domain $2 apikey $key"
""" + ASK_EXPIRATION

# The lines as they were first published, word for word but for host and name.
PUBLISHED_ADD = r"""
exec 3<> "/dev/tcp/127.0.0.1/$1"
echo -e "command add domain $2 apikey 28a7e10-1fea-4a5c" >&3
echo "$(dd bs=1000 count=1 <&3 2>/dev/null)"
"""
PUBLISHED_KEY = r"""
TCP_DEV=/dev/tcp/127.0.0.1/$1
exec 3<> "$TCP_DEV"
echo -ne "command apikey" >&3
RESPONSE=$(dd bs=1000 count=1 <&3 2>/dev/null | head -n 1)
echo $RESPONSE
"""

DEV_TCP = {"bash": ["bash"], "ksh": ["ksh"]}
WITH_NC = {"zsh": (["zsh"], "nc -N"), "mksh": (["mksh"], "nc -N"),
           "busybox": (["busybox", "sh"], "busybox nc")}


def play(shell, script, site, end, nc=""):
    """A daemon of its own for each: it has seen neither key nor name before."""
    name, daemon = site.name, site.daemon()
    with daemon:
        converse(shell, script, daemon, name, end, nc)


def converse(shell, script, daemon, name, end, nc):
    # zsh splits $NC into words only when told to.
    prelude = "setopt sh_word_split 2>/dev/null || :\n" if shell == ["zsh"] else ""
    out = run(*shell, "-c", prelude + script, "shell", daemon.port, name, end,
              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NC": nc, "LC_ALL": "C"})
    lines = out.splitlines()
    equal(len(lines), 5, f"{shell}, {nc or '/dev/tcp'}, end {end!r}: lines of {out!r}")
    check(lines[0].startswith("status ok 200 created"), f"claim: {lines[0]}")
    check(lines[1].startswith("data id ") and lines[1].endswith(f" domain {name}"), lines[1])
    check(lines[2].startswith("status ok 200 "), lines[2])
    check(f"data domain {name} certificate_found true renewal_due false expired_found false "
          "trusted true " in lines[3] and lines[3].endswith(" problem none"), lines[3])
    equal(lines[4], "status ok 200 nothing to do", "the advice")


class Site:
    """A healthy server on loopback, and as many daemons as are asked for."""

    def __init__(self, directory):
        self.directory, self.count = directory, 0
        self.authority = Authority(directory / "ca")
        self.server = s_server(self.authority.issue(["127.0.0.1"]))
        self.name = f"127.0.0.1:{self.server.port}"

    def daemon(self):
        self.count += 1
        home = self.directory / str(self.count)
        home.mkdir()
        return Daemon(home, loopback_config(self.authority))

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.server.__exit__(*details)


def dev_tcp(directory):
    with Site(directory) as site:
        for shell in DEV_TCP.values():
            for script in (ONE_CONNECTION, SEVERAL_CONNECTIONS):
                for end in ("\\n", "", "\\r\\n"):
                    play(shell, script, site, end)


def netcat(directory):
    with Site(directory) as site:
        for shell, nc in WITH_NC.values():
            for script in (ONE_CONNECTION_NC, SEVERAL_CONNECTIONS_NC):
                for end in ("\\n", ""):
                    play(shell, script, site, end, nc)


def published_lines(directory):
    with Site(directory) as site, site.daemon() as daemon:
        for shell in DEV_TCP.values():
            out = run(*shell, "-c", PUBLISHED_ADD, "shell", daemon.port, site.name).splitlines()
            equal(len(out), 2, f"lines of {out}")
            check(out[0].startswith("data id ") and out[1].startswith("status ok 200"), f"{out}")
            out = run(*shell, "-c", PUBLISHED_KEY, "shell", daemon.port).split()
            check(len(out) == 2 and out[0] == "data" and len(out[1]) == 32, f"{out}")


main(dev_tcp, netcat, published_lines)
