#!/usr/bin/env python3
"""Crowds of hostile clients: thousands that drip or keep silent, some that come and go as fast as
they can, some that ask without end, some that never read. Each time another client's requests go on
as if nobody else were there, and what the crowd cost is given back when it leaves.
"""

import contextlib
import sys

sys.dont_write_bytecode = True
from harness import CERTLINED, check, equal, main, wait_for
from measures import (HIT, KEY, MIB, Crowd, Peak, connections, descriptors, kernel_queues,
                      hit_anew, line_unaffected, p99_ms, watching_daemon)

SLOW = 2000
HOGS = 8
SCANS = 16  # descriptors that scans may be using at a moment
P99_BUSY_MS = 100  # all cores are busy then, with the crowd's own work too
QUEUE_MOST = 256 * 1024  # the kernel's, for one connection and one direction
KEPT_MOST = 512 * 1024   # the daemon's, for one connection: buffers for replies and requests


@contextlib.contextmanager
def with_one_beside(directory, names=10):
    """The daemon for the crowd, and one that is left alone."""
    with watching_daemon(directory / "crowded", names) as daemon, \
            watching_daemon(directory / "beside") as beside:
        yield daemon, beside


def given_back(daemon, before):
    """Every connection of a crowd that left is closed, and its descriptor with it."""
    wait_for(lambda: connections(daemon) == 1, "the crowd's connections to be gone")
    wait_for(lambda: descriptors(daemon) <= before + SCANS, "as few descriptors as before")


def slow_crowd(directory):
    with with_one_beside(directory) as (daemon, beside):
        line_unaffected(daemon, beside, "nobody else")
        before = descriptors(daemon)
        with Crowd("slow", daemon, SLOW):
            there = connections(daemon)
            check(there > SLOW * 0.95, f"only {there} connections")
            line_unaffected(daemon, beside, f"{there} dripping and silent")
        given_back(daemon, before)


def churn(directory):
    """In and out, by FIN, half-close and reset, with and without a request."""
    with with_one_beside(directory) as (daemon, beside):
        before = descriptors(daemon)
        with Crowd("churn", daemon, 400):
            line_unaffected(daemon, beside, "400 come and go")
            with Peak(daemon) as memory:
                line_unaffected(daemon, beside, "400 come and go, later")
        print(f"      memory grew by {memory.growth / MIB:.1f} MiB")
        check(memory.growth < 8 * MIB, f"{memory.growth} bytes more")
        given_back(daemon, before)


def hogs(directory):
    """Good requests and bad ones without a pause. Requests cut anywhere are never misread,
    however late the daemon comes to them."""
    kinds = {"one name": HIT, "all names": f"command domains apikey {KEY}",
             "blank lines": "", "the longest lines": "x" * 16384,
             "bad lines": "\n".join(["x"] * 99 + ["command ping"])}
    with with_one_beside(directory, 1000) as (daemon, beside):
        before = descriptors(daemon)
        for what, request in kinds.items():
            with Crowd("hogs", daemon, HOGS, request):
                line_unaffected(daemon, beside, f"{HOGS} send without end: {what}", P99_BUSY_MS)
        given_back(daemon, before)


def never_read(directory):
    """Nobody reads, or a byte a second: what waits for them is bounded here and in the kernel."""
    with with_one_beside(directory) as (daemon, beside):
        before = descriptors(daemon)
        for kind, what in (("deaf", "never read"), ("trickle", "read a byte a second")):
            with Peak(daemon) as memory, Crowd(kind, daemon, 100, "command help"):
                line_unaffected(daemon, beside, f"100 ask without end and {what}")
                sent, received = kernel_queues(daemon)
            print(f"      memory grew by {memory.growth / MIB:.1f} MiB, the kernel keeps at most "
                  f"{sent} bytes to send and {received} received of a connection")
            check(memory.growth < 100 * KEPT_MOST, f"{memory.growth} bytes for 100 clients")
            check(max(sent, received) < QUEUE_MOST, f"the kernel keeps {sent} and {received}")
        given_back(daemon, before)
        check(daemon.find("connection_dropped .*unread_output"), daemon.log())


def all_kinds(directory):
    """Every kind of crowd against the build under test, which the sanitizers watch: its exit status
    tells what they saw."""
    with watching_daemon(directory, binary=CERTLINED) as daemon:
        for kind in ("slow", "churn", "hogs", "deaf", "trickle"):
            with Crowd(kind, daemon, 100, HIT):
                p99_ms(2, lambda: hit_anew(daemon))
        wait_for(lambda: connections(daemon) == 1, "the crowds' connections to be gone")


main(slow_crowd, churn, hogs, never_read, all_kinds)
