#!/usr/bin/env python3
"""`certlined scan`: one scan, as text and as JSON, and the exit status."""

import json
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import (CERTLINED, PATIENCE, Authority, check, equal, free_port,
                     loopback_config, main, need_root, s_server)
import real_servers


class Site:
    def __init__(self, directory):
        self.authority = Authority(directory / "ca")
        self.config = directory / "scan.toml"
        self.config.write_text(loopback_config(self.authority, "timeout_ms = 5000\n"))

    def scan(self, *arguments):
        return subprocess.run([str(a) for a in (CERTLINED, "scan", *arguments, "--config",
                                                self.config)],
                              capture_output=True, text=True, timeout=PATIENCE)


def healthy(directory):
    site = Site(directory)
    leaf = site.authority.issue(["127.0.0.1"])
    with s_server(leaf) as server:
        done = site.scan(f"127.0.0.1:{server.port}")
        equal(done.returncode, 0, f"exit status: {done}")
        check(f"port {server.port}: ok" in done.stdout and leaf.sha256 in done.stdout
              and "names        127.0.0.1" in done.stdout
              and "issuer       CN=certline test root" in done.stdout, done.stdout)
        done = site.scan(f"127.0.0.1:{server.port}", "--json")
        equal(done.returncode, 0, f"exit status: {done}")
        document = json.loads(done.stdout)
        equal(len(document["addresses"]), 1, "rows")
        row = document["addresses"][0]
        equal((row["state"], row["trusted"], row["chain_sha256"][0], row["renewal_utc"],
               row["renewal_due"], row["expired"], row["protocol"]),
              ("ok", True, leaf.sha256, leaf.not_after, False, False, "TLSv1.3"), "the row")
        equal((row["names"], row["issuer"]), (["127.0.0.1"], "CN=certline test root"), "the leaf")


def problems(directory):
    site = Site(directory)
    late = site.authority.issue(["127.0.0.1"], days=-1, age_days=60)
    with s_server(late) as server:
        done = site.scan(f"127.0.0.1:{server.port}")
        equal(done.returncode, 1, f"exit status: {done}")
        check("expired" in done.stdout and late.sha256 in done.stdout, done.stdout)
    done = site.scan(f"127.0.0.1:{free_port()}", "--json")
    equal(done.returncode, 1, f"exit status: {done}")
    equal(json.loads(done.stdout)["addresses"][0]["state"], "refused", "nobody there")
    done = site.scan("10.1.2.3", "--json")
    equal(done.returncode, 1, f"exit status: {done}")
    equal(json.loads(done.stdout)["addresses"][0]["state"], "policy", "a private address")


def starttls(directory):
    site = Site(directory)
    leaf = site.authority.issue(["127.0.0.1"], rsa=True)
    with real_servers.postfix(directory, leaf) as server:
        done = site.scan(f"127.0.0.1:{server.port}", "--starttls", "smtp", "--json")
        equal(done.returncode, 0, f"exit status: {done}")
        equal(json.loads(done.stdout)["addresses"][0]["chain_sha256"][0], leaf.sha256, "the leaf")


def usage(directory):
    site = Site(directory)
    for arguments in ((), ("example.org", "--starttls", "telnet"), ("127.1",), ("a b",),
                      ("example.org", "--nonsense")):
        done = site.scan(*arguments)
        equal(done.returncode, 2, f"exit status of scan {arguments}: {done}")
        check(done.stderr, "it says why")


need_root()
main(healthy, problems, starttls, usage)
