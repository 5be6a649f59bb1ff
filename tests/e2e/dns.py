#!/usr/bin/env python3
"""A name with an IPv4 and an IPv6 address that serve different certificates: a row for each, one
answer for both. dnsmasq on loopback is the resolver.
"""

import sys

sys.dont_write_bytecode = True
from harness import (Authority, Daemon, check, equal, free_port, loopback_config, main, s_server)
from real_servers import dnsmasq

KEY = "0123456789abcdef"
NAME = "both.demo.test"


def config(authority, resolver):
    return loopback_config(authority, f'resolvers = ["127.0.0.1:{resolver.port}"]\n'
                                      "timeout_ms = 3000\n")


def added(line, name):
    """What the first scan saw."""
    which = f"domain {name} apikey {KEY}"
    _, reply = line.requests(f"command add {which}", f"command expiration {which} wait 30")
    equal(reply.code, 200, f"expiration of {name}: {reply}")
    return reply.pairs


def ask(line, name, more=""):
    reply = line.request(f"command expiration domain {name} apikey {KEY}{more}")
    equal(reply.code, 200, f"expiration of {name}{more}: {reply}")
    return reply.pairs


def two_addresses(directory):
    authority = Authority(directory / "ca")
    fresh = authority.issue([NAME], days=90)
    due = authority.issue([NAME], days=5, age_days=85)
    port = free_port("::1")
    with s_server(fresh, port, "127.0.0.1"), s_server(due, port, "::1"), \
            dnsmasq([(NAME, "127.0.0.1"), (NAME, "::1")]) as resolver, \
            Daemon(directory, config(authority, resolver)) as daemon, daemon.line() as line:
        name = f"{NAME}:{port}"
        both = added(line, name)
        four, six = ask(line, name, " ip 127.0.0.1"), ask(line, name, " ip ::1")
        equal(both["addresses"], "2", f"addresses of {both}")
        equal(four["certificate_sha256"], fresh.sha256, "the leaf on IPv4")
        equal(six["certificate_sha256"], due.sha256, "the leaf on IPv6")
        equal((four["renewal_due"], six["renewal_due"], both["renewal_due"]),
              ("false", "true", "true"), "renewal due")
        equal(both["renewal_utc"], str(due.not_after), "the earliest end")
        equal((both["trusted"], both["expired_found"], both["problem"]),
              ("true", "false", "none"), "the roll-up")
        status = line.request("command status").pairs
        equal((status["names"], status["endpoints"]), ("1", "1"), "what is stored")


def one_address_dead(directory):
    """Nobody listens on IPv6: the answer has IPv4's certificate, and says what is wrong."""
    authority = Authority(directory / "ca")
    certificate = authority.issue([NAME])
    with s_server(certificate) as server, \
            dnsmasq([(NAME, "127.0.0.1"), (NAME, "::1")]) as resolver, \
            Daemon(directory, config(authority, resolver)) as daemon, daemon.line() as line:
        name = f"{NAME}:{server.port}"
        both = added(line, name)
        got = [both[key] for key in ("addresses", "certificate_found", "renewal_utc", "problem")]
        equal(got, ["2", "true", str(certificate.not_after), "refused"], "the roll-up")
        four, six = ask(line, name, " ip 127.0.0.1"), ask(line, name, " ip ::1")
        equal((four["problem"], four["certificate_sha256"]), ("none", certificate.sha256), "IPv4")
        equal((six["problem"], six["certificate_found"]), ("refused", "false"), "IPv6")


def no_address(directory):
    """A name that nobody knows, and a resolver that doesn't answer, are two problems."""
    authority = Authority(directory / "ca")
    with dnsmasq([(NAME, "127.0.0.1")]) as resolver, \
            Daemon(directory, config(authority, resolver)) as daemon, daemon.line() as line:
        pairs = added(line, "nobody.demo.test")
        equal((pairs["problem"], pairs["addresses"]), ("no_address", "0"), "an unknown name")
    with Daemon(directory, config(authority, resolver) + "dns_timeout_ms = 300\n") as daemon, \
            daemon.line() as line:
        pairs = added(line, "other.demo.test")
        equal(pairs["problem"], "dns_error", "a resolver that is gone")


def many_addresses(directory):
    """Of twenty addresses sixteen are looked at; one that may not be is a row of its own."""
    authority = Authority(directory / "ca")
    certificate = authority.issue([NAME])
    many = [("many.demo.test", f"127.0.1.{n}") for n in range(1, 21)]
    mixed = [(NAME, "127.0.0.1"), (NAME, "10.1.2.3")]
    with s_server(certificate) as server, dnsmasq(many + mixed) as resolver, \
            Daemon(directory, config(authority, resolver)) as daemon, daemon.line() as line:
        for name, wanted in ((f"many.demo.test:{server.port}", ("16", "refused")),
                             (f"{NAME}:{server.port}", ("2", "policy"))):
            pairs = added(line, name)
            equal((pairs["addresses"], pairs["problem"]), wanted, name)
        equal((pairs["certificate_found"], pairs["trusted"]), ("true", "true"), "the roll-up")
        reply = line.request(f"command expiration domain {name} apikey {KEY} ip 10.1.2.3")
        check("scanner.allow" in reply.text, f"{reply}")


main(two_addresses, one_address_dead, no_address, many_addresses)
