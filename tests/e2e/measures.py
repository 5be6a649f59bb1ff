"""What the tests of the daemon under load measure from outside: latency, memory, CPU time and
descriptors. The figures are the release build's, because sanitizers change time and memory,
and UBSan reports a pipe that it can't open.
"""

import os
import pathlib
import socket
import struct
import sys
import threading
import time

from harness import ROOT, Daemon, Failure, Process, check, equal

RELEASE = pathlib.Path(os.environ.get("CERTLINED_RELEASE",
                                      ROOT / "build/release/bin/certlined")).resolve()
CROWD = pathlib.Path(__file__).resolve().parent / "crowd.py"
KEY = "0123456789abcdef"
HIT = f"command expiration domain n7.example.org apikey {KEY}"
P99_MS = 50
BUSY_FACTOR = 3  # times what it is at the same moment without a crowd, where that is more
ROUNDS = 5
MIB = 1024 * 1024


def watching_daemon(directory, names=10, config="", binary=RELEASE, **options):
    """The release build, or another, watching n0.example.org and so on with KEY."""
    directory.mkdir(exist_ok=True)
    daemon = Daemon(directory, config, binary=binary, **options)
    try:
        with daemon.line() as line:
            for first in range(0, names, 100):
                some = range(first, min(first + 100, names))
                line.send("".join(f"command add domain n{n}.example.org apikey {KEY}\n"
                                  for n in some).encode())
                for _ in some:
                    equal(line.read_reply().code, 200, "add")
    except (Failure, OSError):
        daemon.kill()
        raise
    return daemon


class Crowd(Process):
    """crowd.py's clients; leaving the block ends them, and looks at what they complained about."""

    def __init__(self, kind, daemon, count, *request):
        super().__init__([sys.executable, CROWD, kind, daemon.port, count, *request])
        try:
            self.wait_line("settled")
        except Failure:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        ended = not self.running()
        self.kill()
        if kind is None:
            check(not ended, f"the crowd ended: {self.log()}")
            check(not self.find("^wrong:"), self.log())


def p99_ms(seconds, *asks):
    """The 99th percentile of how long each of them takes, in turn for so many seconds, and how
    often they ran."""
    times = [[] for _ in asks]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for ask, taken in zip(asks, times):
            before = time.monotonic()
            ask()
            taken.append((time.monotonic() - before) * 1000)
    return *(sorted(taken)[len(taken) * 99 // 100] for taken in times), len(times[0])


def unaffected(what, most, ask, ask_beside):
    """Another client's p99. On a machine that is busy with other things, a daemon without a crowd,
    asked in turn with this one, says what they cost. The best of a few rounds."""
    rounds = []
    while not rounds or (rounds[-1][0] >= rounds[-1][1] and len(rounds) < ROUNDS):
        got, beside, count = p99_ms(1.5, ask, ask_beside)
        rounds.append((got, max(most, BUSY_FACTOR * beside), beside, count))
    got, limit, beside, count = min(rounds, key=lambda r: r[0] / r[1])
    print(f"      {what}: p99 {got:.1f} ms over {count} requests; {beside:.1f} ms without a crowd")
    check(got < limit, f"{what}: p99 in ms, limit, p99 without a crowd, requests: {rounds}")


def hit(line):
    equal(line.request(HIT).code, 200, HIT)


def hit_anew(daemon):
    with daemon.line() as line:
        hit(line)
        # Reset at the end, or its port would be taken for a minute; there are 28,000.
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def line_unaffected(daemon, beside, what, most=P99_MS):
    """One who stays, and one who connects each time."""
    with daemon.line() as line, beside.line() as line_beside:
        unaffected(f"{what}: one who stays", most, lambda: hit(line), lambda: hit(line_beside))
    unaffected(f"{what}: one who connects anew", most, lambda: hit_anew(daemon),
               lambda: hit_anew(beside))


def private_bytes(daemon):
    rollup = pathlib.Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines()
               if line.startswith(("Private_Clean:", "Private_Dirty:")))


class Peak:
    """The most private memory seen within the block, above what there was at its begin."""

    def __init__(self, daemon):
        self.daemon, self.begin = daemon, private_bytes(daemon)
        self.most, self.over = self.begin, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, private_bytes(self.daemon))

    @property
    def growth(self):
        return self.most - self.begin

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def kernel_queues(daemon):
    """The largest send and receive queue of the daemon's connections, in bytes."""
    queues = [(0, 0)]
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "01" and int(words[1].split(":")[1], 16) == daemon.port:
            queues.append(tuple(int(part, 16) for part in words[4].split(":")))
    return max(sent for sent, _ in queues), max(received for _, received in queues)


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def connections(daemon):
    return int(daemon.request("command status").pairs["connections"])


def cpu_s(daemon):
    words = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text().split(")")[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def cpu_share(daemon, seconds):
    """The part of one core that the daemon uses over so many seconds from now."""
    before, started = cpu_s(daemon), time.monotonic()
    threading.Event().wait(seconds)
    return (cpu_s(daemon) - before) / (time.monotonic() - started)
