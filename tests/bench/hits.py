"""Hits against Redis GET, acknowledged adds against Redis SET with appendfsync always."""

from measure import BINARIES, CONNECTIONS, KEY, bulk, load, paired, redis

from harness import Daemon


def bench_hits(directory, seconds):
    value = "x" * 230  # as long as an answer
    with Daemon(directory, 'log.level = "warning"', BINARIES / "certlined") as daemon:
        with redis(directory) as peer, daemon.line() as line:
            for i in range(1000):
                line.send(f"command add domain n{i}.example.org apikey {KEY}\n".encode())
            for _ in range(1000):
                line.read_reply()
            load(peer.port, 1, 1, 0.1, bulk("SET", "k", value))
            hit = f"command expiration domain n500.example.org apikey {KEY}\\n"
            for pipeline in (1, 16):
                yield (f"expiration hits, {CONNECTIONS} connections, {pipeline} under way",
                       "Redis GET",
                       paired(lambda: load(daemon.port, pipeline, 2, seconds, hit),
                              lambda: load(peer.port, pipeline, 2, seconds, bulk("GET", "k"))))


def bench_adds(directory, seconds):
    config = 'log.level = "warning"\nlimits.names_per_key = 10000000'
    # Where appends and commits reach the same disk, the sync is what both wait for.
    with Daemon(directory, config, BINARIES / "certlined") as daemon:
        with redis(directory, "--appendonly", "yes", "--appendfsync", "always") as peer:
            add = f"command add domain n%d.example.org apikey {KEY}\\n"
            yield (f"adds of new names, synced, {CONNECTIONS} connections",
                   "Redis SET, appendfsync always",
                   paired(lambda: load(daemon.port, 1, 2, seconds, add),
                          lambda: load(peer.port, 1, 1, seconds, bulk("SET", "n%d", "v"))))
