"""Hits against Redis GET, acknowledged adds against Redis SET with appendfsync always, how both
grow with the names that are watched, and what an idle connection costs.

Names are picked at random on both sides. They are as a daemon has them after a while: of twenty,
twelve are well, four due, three fail and one is not watched (seed_store.cpp). None is scanned for a
day, so that the daemon does nothing but answer. The resolver for new names never answers, for the
same reason.
"""

import contextlib
import re
import socket
import subprocess
import time

from measure import (BINARIES, CONNECTIONS, KEY, ROUNDS, bulk, load, median, paired, private_mib,
                     redis)

from harness import PATIENCE, Daemon, wait_for

NAMES = 1_000
GROWTH = (1_000, 100_000, 1_000_000)
IDLE = (1_000, 10_000, 18_000)  # descriptors end at 20,000 where nobody raised the limit
HIT = f"command expiration domain n%r.example.org apikey {KEY}\\n"
ADD = f"command add domain a%d.example.org apikey {KEY}\\n"
ANSWER = "x" * 230  # as long as one of ours


@contextlib.contextmanager
def seeded(directory, names, settings=""):
    """A daemon that has been watching so many names."""
    directory.mkdir()
    subprocess.run([BINARIES / "seed_store", directory / "store", str(names), KEY], check=True)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with silent:
        silent.bind(("127.0.0.1", 0))
        config = (f'log.level = "warning"\nlimits.names_per_key = 10000000\n{settings}\n'
                  f'[scanner]\nresolvers = ["127.0.0.1:{silent.getsockname()[1]}"]')
        with Daemon(directory, config, BINARIES / "certlined") as daemon:
            yield daemon


def fill(port, names):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
        for i in range(names):
            key = f"n{i:09}"
            peer.sendall(f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n"
                         f"${len(ANSWER)}\r\n{ANSWER}\r\n".encode())
        replies = b""
        while replies.count(b"+OK") < names:
            replies += peer.recv(65536)


def bench_hits(directory, seconds):
    with seeded(directory / "s", NAMES) as daemon, redis(directory) as peer:
        fill(peer.port, NAMES)
        load(daemon.port, 16, "s", 0.2, HIT, NAMES)
        for pipeline in (1, 16):
            yield (f"expiration hits, {CONNECTIONS} connections, {pipeline} under way", "Redis GET",
                   paired(lambda: load(daemon.port, pipeline, "s", seconds, HIT, NAMES),
                          lambda: load(peer.port, pipeline, "x", seconds, bulk("GET", "n%r"),
                                       NAMES)))


def bench_adds(directory, seconds):
    # Where appends and commits reach the same disk, the sync is what both wait for.
    with seeded(directory / "s", NAMES) as daemon:
        with redis(directory, "--appendonly", "yes", "--appendfsync", "always") as peer:
            yield (f"adds of new names, synced, {CONNECTIONS} connections",
                   "Redis SET, appendfsync always",
                   paired(lambda: load(daemon.port, 1, "s", seconds, ADD),
                          lambda: load(peer.port, 1, "+", seconds, bulk("SET", "n%d", "v"))))


def first_reply_s(directory):
    started = time.monotonic()
    with Daemon(directory, 'log.level = "warning"', BINARIES / "certlined") as daemon:
        with daemon.line() as line:
            line.send(b"command ping\n")
            line.read_reply()
            return time.monotonic() - started


def bench_names(directory, seconds):
    """How the figures grow: a daemon for each size, measured in turn."""
    with contextlib.ExitStack() as running:
        daemons = {names: running.enter_context(seeded(directory / str(names), names))
                   for names in GROWTH}
        for names, daemon in daemons.items():
            # The first question about a name goes to the store: ask about each some ten times.
            load(daemon.port, 16, "s", max(0.5, names / 60_000), HIT, names)
        memory = {names: private_mib(daemon.process.pid) for names, daemon in daemons.items()}
        for what, pipeline, request in (("hits, 1 under way", 1, HIT),
                                        ("hits, 16 under way", 16, HIT), ("adds", 1, ADD)):
            rounds = [{names: load(daemon.port, pipeline, "s", seconds, request, names)["rate"]
                       for names, daemon in daemons.items()} for _ in range(ROUNDS)]
            few = GROWTH[0]
            for names in GROWTH[1:]:
                yield (f"{what}, {names:,} names", f"the same, {few:,} names",
                       (median([r[names] for r in rounds]), median([r[few] for r in rounds]),
                        median([r[names] / r[few] for r in rounds]), 0))
    for names in GROWTH:
        size = (directory / str(names) / "store/data.mdb").stat().st_size >> 20
        starts = median([first_reply_s(directory / str(names)) for _ in range(ROUNDS)])
        print(f"  ({names:,} names: private memory {memory[names]:.0f} MiB, store {size} MiB, "
              f"start to first reply {starts:.2f} s)", flush=True)


def accepted(line):
    line.send(b"command status\n")
    return int(re.search(r"connections (\d+)", str(line.read_reply()))[1])


def bench_idle(directory, _):
    settings = "[line]\nconnections = 1000000\nconnections_per_source = 1000000\nidle_ms = 3600000"
    with seeded(directory / "s", NAMES, settings + "\nfirst_request_ms = 3600000") as daemon:
        pid = daemon.process.pid
        before = private_mib(pid)
        with contextlib.ExitStack() as open_ones:
            opened = 0
            for count in IDLE:
                while opened < count:
                    address = ("127.0.0.1", daemon.port)
                    open_ones.enter_context(socket.create_connection(address, 10))
                    opened += 1
                with daemon.line() as line:
                    wait_for(lambda: accepted(line) > count, "all connections to be accepted")
                each = (private_mib(pid) - before) * 1024 / count
                print(f"  ({count:,} idle connections: {each:.1f} KiB of private memory each)",
                      flush=True)
    return ()
