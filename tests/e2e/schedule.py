#!/usr/bin/env python3
"""When the daemon looks again, as clients see it in next_scan_utc: a healthy name, one that fails,
an announced leaf that is awaited; and one scan for all who watch the same endpoint.
"""

import contextlib
import socket
import sys
import threading

sys.dont_write_bytecode = True
from harness import (PATIENCE, Authority, Daemon, Listener, check, equal, free_port,
                     loopback_config, main, s_server, wait_for)

KEY = "0123456789abcdef"
OTHER_KEY = "fedcba9876543210"
MORE = "timeout_ms = 5000\n[limits]\nscan_interval_s = 0\n"
HOUR = 3600


class Watched:
    """A name that a daemon watches."""

    def __init__(self, line, name, more=""):
        self.line, self.name = line, name
        self.add(more)

    def add(self, more="", key=KEY):
        reply = self.line.request(f"command add domain {self.name} apikey {key}{more}")
        equal(reply.code, 200, f"add {self.name}: {reply}")

    def ask(self, more="", key=KEY):
        reply = self.line.request(f"command expiration domain {self.name} apikey {key}{more}")
        equal(reply.code, 200, f"expiration of {self.name}: {reply}")
        return reply.pairs

    def scan(self):
        """Problem and seconds to the next scan, after a scan on request."""
        which = f"domain {self.name} apikey {KEY}"
        for reply in self.line.requests(f"command scan {which}",
                                        f"command expiration {which} wait 30"):
            equal(reply.code, 200, f"scan {self.name}: {reply}")
        return self.outcome()

    def awaited_for(self):
        pairs = self.ask()
        awaited = pairs["problem"] == "old_certificate_served"
        return int(pairs["next_scan_utc"]) - int(pairs["last_scan_utc"]) if awaited else None

    def scanned(self):
        return wait_for(lambda: (pairs := self.ask())["problem"] != "pending" and pairs,
                        f"the first scan of {self.name}")

    def outcome(self):
        pairs = self.scanned()
        return pairs["problem"], int(pairs["next_scan_utc"]) - int(pairs["last_scan_utc"])


@contextlib.contextmanager
def watching(directory):
    authority = Authority(directory / "ca")
    with Daemon(directory, loopback_config(authority, MORE)) as daemon, daemon.line() as line:
        yield authority, line


def between(value, low, high, what):
    check(low <= value <= high, f"{what}: {value} is not in {low} to {high}")


def healthy_then_failing(directory):
    """Twenty-four hours, a fifth more or less; without an answer 5 min, 15 min, 1 h, 6 h, 6 h."""
    with watching(directory) as (authority, line):
        with s_server(authority.issue(["127.0.0.1"])) as server:
            name = Watched(line, f"127.0.0.1:{server.port}")
            waits = [name.scan() for _ in range(6)]
        for problem, wait in waits:
            equal(problem, "none", "the healthy server")
            between(wait, 0.8 * 24 * HOUR - 2, 1.2 * 24 * HOUR + 2, "wait")
        check(len({wait for _, wait in waits}) > 1, f"not spread: {waits}")
        for wanted in (300, 900, HOUR, 6 * HOUR, 6 * HOUR):
            problem, wait = name.scan()
            equal(problem, "refused", "nobody there")
            between(wait, wanted, wanted + 2, "wait")


def by_lifetime(directory):
    """Due every six hours, short-lived by a twentieth; due from 28 days, a third, or a half."""
    cases = [  # lifetime and what is left of it, in days; due; the longest wait
        (90, 28.1, "false", 9 * HOUR), (90, 27.9, "true", 6 * HOUR),
        (398, 28.1, "false", 9 * HOUR), (398, 27.9, "true", 6 * HOUR),
        (60, 20.1, "false", 9 * HOUR), (60, 19.9, "true", 6 * HOUR),
        (10, 5.1, "false", 9 * HOUR), (10, 4.9, "true", 6 * HOUR),
        (6, 3.1, "false", 7.2 * HOUR), (6, 2.9, "true", 6 * HOUR),
        (1, 0.6, "false", 1.2 * HOUR), (1, 0.4, "true", 1.2 * HOUR),
    ]
    with watching(directory) as (authority, line):
        for lifetime, left, due, longest in cases:
            leaf = authority.issue(["127.0.0.1"], days=left, age_days=lifetime - left)
            with s_server(leaf) as server:
                name = Watched(line, f"127.0.0.1:{server.port}")
                problem, wait = name.outcome()
                pairs = name.ask()
            what = f"{left} of {lifetime} days"
            equal((pairs["renewal_due"], pairs["expired_found"], problem), (due, "false", "none"),
                  what)
            equal(pairs["renewal_utc"], str(leaf.not_after), what)
            between(wait, 60, longest + 2, what)


def announced_leaf(directory):
    """Awaited with 10 s, 30 s, 1 min, 5 min, 15 min, 1 h, 6 h, until it is served; others who
    watch the same endpoint don't await it. The old one has expired, and that is told, too."""
    with watching(directory) as (authority, line):
        old = authority.issue(["127.0.0.1"], days=-1, age_days=40)
        new = authority.issue(["127.0.0.1"])
        port = free_port()
        with s_server(old, port):
            name = Watched(line, f"127.0.0.1:{port}")
            equal(name.outcome()[0], "expired", "before")
            name.add(f" sha256 {new.sha256}")
            wait_for(lambda: name.awaited_for() in (10, 11), "the scan that add brought about")
            for wanted in (30, 60, 300, 900, HOUR, 6 * HOUR, 6 * HOUR):
                problem, wait = name.scan()
                equal(problem, "old_certificate_served", "awaited")
                between(wait, wanted, wanted + 2, "wait")
            pairs = name.ask(" ip 127.0.0.1")
            equal((pairs["problem"], pairs["expired_found"], pairs["certificate_sha256"]),
                  ("old_certificate_served", "true", old.sha256), "the address")
            name.add(key=OTHER_KEY)
            equal(name.ask("", OTHER_KEY)["problem"], "expired", "another account")
        with s_server(new, port):
            problem, wait = name.scan()
            equal(problem, "none", "after the change")
            between(wait, 0.8 * 24 * HOUR - 2, 1.2 * 24 * HOUR + 2, "wait")


class CountingRelay(Listener):
    """Passes connections on to a port of loopback, and counts them."""

    def __init__(self, to):
        self.to, self.count = to, 0
        super().__init__()

    def serve(self, guest):
        self.count += 1
        with socket.create_connection(("127.0.0.1", self.to), PATIENCE) as host:
            back = threading.Thread(target=self._pump, args=(host, guest), daemon=True)
            back.start()
            self._pump(guest, host)
            back.join()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while some := source.recv(65536):
                sink.sendall(some)
            sink.shutdown(socket.SHUT_WR)


def one_scan_for_two_accounts(directory):
    with watching(directory) as (authority, line):
        leaf = authority.issue(["127.0.0.1"])
        with s_server(leaf) as server, CountingRelay(server.port) as relay:
            name = Watched(line, f"127.0.0.1:{relay.port}")
            name.add(key=OTHER_KEY)
            equal(name.scanned()["problem"], "none", "the first account")
            equal(name.ask("", OTHER_KEY)["problem"], "none", "the second account")
            equal(relay.count, 1, "connections")
            equal(name.scan()[0], "none", "a scan on request")
            equal(relay.count, 2, "connections")
            equal(name.ask(" ip 127.0.0.1", OTHER_KEY)["certificate_sha256"], leaf.sha256,
                  "what the second account sees")


main(healthy_then_failing, by_lifetime, announced_leaf, one_scan_for_two_accounts)
