#!/usr/bin/env python3
"""The smallest map: it fills until new names are refused, and only those. Reads, scans and removals
go on, removals make room again, and a restart finds exactly what was acknowledged.
"""

import sys

sys.dont_write_bytecode = True
from harness import (Authority, Daemon, Failure, check, equal, loopback_config, main, s_server,
                     wait_for)

KEY = "0123456789abcdef"
FULL = """
[store]
map_size = "1 MiB"
[limits]
names_per_key = 1000000
scan_interval_s = 0
"""
MOST = 20_000  # names that a map of this size can't hold
PIPELINE = 50


def add_until_full(line):
    """Adds names until one is refused; those that were acknowledged, with their ids."""
    ids = {}
    for first in range(0, MOST, PIPELINE):
        names = [f"n{first + i}.example.org" for i in range(PIPELINE)]
        line.send("".join(f"command add domain {name} apikey {KEY}\n" for name in names).encode())
        replies = {name: line.read_reply() for name in names}
        ids |= {name: reply.pairs["id"] for name, reply in replies.items() if reply.code == 200}
        codes = {reply.code for reply in replies.values()}
        check(codes <= {200, 507}, f"replies: {codes}")
        if 507 in codes:
            return ids
    raise Failure("it never fills")


def listed(line):
    names, after = [], ""
    while True:
        reply = line.request(f"command domains apikey {KEY}{after}")
        names += (reply.data or "").split()
        if "no more follow" in reply.text:
            return set(names)
        after = f" after {names[-1]}"


def scanned_again(line, name):
    """A scan on request is carried out and saved."""
    ask = f"command expiration domain {name} apikey {KEY}"
    before = line.request(ask).pairs["last_scan_utc"]

    def later():
        equal(line.request(f"command scan domain {name} apikey {KEY}").code, 200, "scan")
        return line.request(ask).pairs["last_scan_utc"] > before
    wait_for(later, "a scan that is saved in a full store")
    equal(line.request(ask).pairs["problem"], "none", name)


def fills_and_goes_on(directory):
    authority = Authority(directory / "ca")
    certificate = authority.issue(["127.0.0.1"])
    with s_server(certificate) as server:
        config = loopback_config(authority, FULL)
        web = f"127.0.0.1:{server.port}"
        with Daemon(directory, config) as daemon, daemon.line() as line:
            first, scanned = line.requests(
                f"command add domain {web} apikey {KEY}",
                f"command expiration domain {web} apikey {KEY} wait 30")
            equal(scanned.code, 200, "the first scan")
            ids = {web: first.pairs["id"], **add_until_full(line)}
            check(len(ids) > 100, f"only {len(ids)} names fit")
            for request in (f"add domain new.example.org apikey {KEY}",
                            "add domain new.example.org apikey another-key-0123456789",
                            "claim email a@example.org apikey another-key-0123456789"):
                equal(line.request(f"command {request}").code, 507, request)
            equal(listed(line), set(ids), "what is listed when it is full")
            for name in list(ids)[::7]:
                reply = line.request(f"command expiration domain {name} apikey {KEY}")
                equal(reply.code, 200, f"{name} in a full store")
                reply = line.request(f"command add domain {name} apikey {KEY}")
                equal(reply.pairs.get("id"), ids[name], f"{name} once more")
            scanned_again(line, web)
            removed = room_again(line, ids)
        with Daemon(directory, config) as daemon, daemon.line() as line:
            equal(listed(line), set(ids), "what is there after a restart")
            reply = line.request(f"command add domain {web} apikey {KEY}")
            equal(reply.pairs["id"], ids[web], "an id after a restart")
    print(f"      {len(ids)} names fit, {removed} removals made room for the next")


def room_again(line, ids):
    """Removes names until new ones are taken again; how many that took."""
    victims = [name for name in ids if name.startswith("n")]
    for removed, name in enumerate(victims, 1):
        equal(line.request(f"command remove domain {name} apikey {KEY}").code, 200, "a removal")
        del ids[name]
        reply = line.request(f"command add domain again{removed}.example.org apikey {KEY}")
        check(reply.code in (200, 507), f"an add after removals: {reply}")
        if reply.code == 200:
            ids[f"again{removed}.example.org"] = reply.pairs["id"]
            return removed
    raise Failure("no room although everything was removed")


main(fills_and_goes_on)
