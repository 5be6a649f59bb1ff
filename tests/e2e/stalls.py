#!/usr/bin/env python3
"""Whether scans go on: a backlog that takes half an hour is told to nobody as long as it moves,
whatever the hosts are like; a quarter of an hour without the end of a scan is told once, and so is
the end of that.
"""

import contextlib
import socket
import sys
import threading

sys.dont_write_bytecode = True
from harness import (Authority, Daemon, check, equal, free_port, loopback_config, main, s_server,
                     wait_for)
from told import Clock, Receiver, webhook

KEY = "0123456789abcdef"
# One scan at a time. No scan gives up within the test by itself: the monotonic clock is not set
# forward.
MORE = """timeout_ms = 120000
concurrency = 1
[limits]
scan_interval_s = 0
[notify]
gather_s = 0
"""
MINUTES = 40


class SilentHosts:
    """Addresses of loopback where connections are taken and nothing is said until the test hangs
    up."""

    def __init__(self, count):
        self.port = free_port("127.0.3.1")
        self.names = [f"127.0.3.{n + 1}:{self.port}" for n in range(count)]
        self.sockets = [socket.create_server((f"127.0.3.{n + 1}", self.port))
                        for n in range(count)]
        self.guests, self.hang_up = [], False
        self.threads = [threading.Thread(target=self._accept, args=(each,), daemon=True)
                        for each in self.sockets]
        for thread in self.threads:
            thread.start()

    def _accept(self, listening):
        with contextlib.suppress(OSError):
            while True:
                guest = listening.accept()[0]
                self.guests.append(guest)
                if self.hang_up:
                    guest.close()

    def end_one(self):
        """Hangs up on the guest that is there, and waits for the next."""
        count = len(self.guests)
        self.guests[-1].close()
        wait_for(lambda: len(self.guests) > count, "the next scan")

    def end_all(self):
        self.hang_up = True
        self.guests[-1].close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listening in self.sockets:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for thread in self.threads:
            thread.join()
        for guest in self.guests:
            guest.close()


def add(line, name):
    reply = line.request(f"command add domain {name} apikey {KEY}")
    equal(reply.code, 200, f"add {name}: {reply}")


def add_dead(line, hosts):
    """One of them is being scanned then, and the others are due."""
    for name in hosts.names:
        add(line, name)
    wait_for(lambda: hosts.guests, "the first scan")


def wake(line, server):
    """A commit, after which the daemon looks whether scans go on."""
    add(line, f"localhost:{server.port}")
    equal(line.request(f"command remove domain localhost:{server.port} apikey {KEY}").code, 200,
          "remove")


@contextlib.contextmanager
def watching(directory, dead):
    """A daemon, what it tells, its clock, silent hosts, and one with an expired certificate."""
    clock, authority = Clock(directory), Authority(directory / "ca")
    with contextlib.ExitStack() as exits:
        receiver = exits.enter_context(Receiver())
        hosts = exits.enter_context(SilentHosts(dead))
        expired = exits.enter_context(s_server(authority.issue(["127.0.0.1"], days=-1,
                                                               age_days=30)))
        config = loopback_config(authority, MORE + webhook("ops", receiver.url))
        daemon = exits.enter_context(Daemon(directory, config, env=clock.environment))
        line = exits.enter_context(daemon.line())
        yield daemon, line, clock, receiver, hosts, expired


def moving_backlog(directory):
    """An import of dead hosts: all that is due has been so for longer than a quarter of an hour,
    and each minute one scan ends. Behind them is a host with something to tell, whose message
    comes after whatever else was to be told."""
    with watching(directory, MINUTES) as (_, line, clock, receiver, hosts, expired):
        add_dead(line, hosts)
        add(line, f"127.0.0.1:{expired.port}")
        for minute in range(1, MINUTES):
            clock.forward(60 * minute)
            hosts.end_one()
        clock.forward(60 * MINUTES)
        hosts.end_all()
        receiver.wait("expired")
        equal([m["event"] for m in receiver.messages()
               if m["event"] in ("scanner_stalled", "recovered")], [], "of the scanner")


def stalled(directory):
    """The one place for scans is taken by a scan that doesn't end, and a name waits behind it."""
    with watching(directory, 2) as (daemon, line, clock, receiver, hosts, expired):
        add_dead(line, hosts)
        for minute in range(1, 15):
            clock.forward(60 * minute)
            wake(line, expired)
        equal(receiver.messages(), [], "told within a quarter of an hour")
        for minute in range(15, MINUTES):
            clock.forward(60 * minute)
            wake(line, expired)
        message = receiver.wait("scanner_stalled")[0]
        equal((message["severity"], message["hosts"]), ("critical", []), "the message")
        equal(len(hosts.guests), 1, "scans begun")
        add(line, f"127.0.0.1:{expired.port}")
        hosts.end_all()
        receiver.wait("expired")
        clock.forward(60 * MINUTES + 120)
        wake(line, expired)
        over = receiver.wait("recovered")
        equal([m["about"] for m in over], ["scanner_stalled"], "what is over")
        equal(len(receiver.messages("scanner_stalled")), 1, "told once")
        check(daemon.running(), "the daemon goes on")


main(moving_backlog, stalled)
