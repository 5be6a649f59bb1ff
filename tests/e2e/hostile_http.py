#!/usr/bin/env python3
"""Hostile HTTP clients: request smuggling, slow clients of three kinds by slowhttptest, and load by
wrk and h2load (CERTLINE_LOAD_S seconds each).
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from harness import CERTLINED, PATIENCE, Daemon, check, equal, main, run, wait_for
from measures import (KEY, MIB, P99_MS, RELEASE, line_unaffected, private_bytes, unaffected,
                      watching_daemon)

SLOW_S = 10
SLOW_CLIENTS = 200
LOAD_S = int(os.environ.get("CERTLINE_LOAD_S", "3"))
CONFIG = """
[http]
listen = ["127.0.0.1:0"]
[line]
connections_per_source = 4096
"""
HOST = b"Host: certline.example\r\n"
SMUGGLED = b"smuggled.example.org"
INNER = (b"POST /api/v1.0/servers/add?api_key=" + KEY.encode() + b"&domain=" + SMUGGLED +
         b" HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n")
LENGTH = str(len(INNER)).encode()

# Each has INNER where one way to read it has a body and another the next request.
SMUGGLING = {
    "CL.TE": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
             b"\r\n0\r\n\r\n" + INNER,
    "TE.CL": b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"
             b"\r\n1\r\nZ\r\n0\r\n\r\n" + INNER,
    "two lengths": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nContent-Length: " +
                   LENGTH + b"\r\n\r\n" + INNER,
    "lengths in a list": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 0, " + LENGTH +
                         b"\r\n\r\n" + INNER,
    "a signed length": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: +0\r\n\r\n" + INNER,
    "a coding of its own": b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n" +
                           INNER,
    "a coding behind a tab": b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding:\x0bchunked\r\n"
                             b"\r\n0\r\n\r\n" + INNER,
    "a space before the colon": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length : " + LENGTH +
                                b"\r\n\r\n" + INNER,
    "a folded length": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n " + LENGTH +
                       b"\r\n\r\n" + INNER,
    "bare LF": b"POST /a HTTP/1.1\n" + HOST + b"Content-Length: 0\n\n" + INNER,
    "bare CR": b"GET /a HTTP/1.1\r\n" + HOST + b"X: y\rContent-Length: " + LENGTH + b"\r\n\r\n" +
               INNER,
    "NUL in a field": b"GET /a HTTP/1.1\r\n" + HOST + b"X: y\0\r\n\r\n" + INNER,
    "two Hosts": b"GET /a HTTP/1.1\r\n" + HOST + HOST + b"\r\n" + INNER,
    "no Host": b"GET /a HTTP/1.1\r\n\r\n" + INNER,
    "a chunk with a bad end": b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                              b"1\r\nZZ\r\n0\r\n\r\n" + INNER,
    "a chunk's size with a space": b"POST /a HTTP/1.1\r\n" + HOST +
                                   b"Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" + INNER,
    "chunks by 1.0": b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "an upgrade": b"GET /a HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" +
                  INNER,
    "CONNECT": b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
    "a body too long": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 99999\r\n\r\n" + INNER,
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + INNER,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + INNER,
    "an end announced": b"GET /api/ping HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + INNER,
}


def exchange(port, data):
    """All that comes back until the daemon closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as guest:
        guest.sendall(data)
        got = b""
        while some := guest.recv(65536):
            got += some
        return got


def framing(directory):
    """One answer, then the end; what stands behind an error is nobody's request."""
    with Daemon(directory, CONFIG) as daemon:
        port = daemon.port_of("http")
        for what, data in SMUGGLING.items():
            got = exchange(port, data)
            statuses = [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]
            equal(len(statuses), 1, f"{what}: answers {statuses}")
            wanted = {200} if what == "an end announced" else {400, 413, 501, 505}
            check(statuses[0] in wanted, f"{what}: {statuses[0]}")
            check(b"Connection: close" in got, f"{what}: {got}")
        reply = daemon.request(f"command domains apikey {KEY}")
        check(reply.code == 401, f"no name was added, nor the key with it: {reply}")
        alone = INNER.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
        equal(exchange(port, alone)[9:12], b"200", "the same request by itself")


def prober(port):
    guest = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask():
        guest.request("GET", f"/api/v1.0/servers/expiration/n7.example.org?api_key={KEY}")
        answer = guest.getresponse()
        body = answer.read()
        check(answer.status == 200 and json.loads(body)["status"] == "success", f"{body}")
    return ask


def served(daemon, beside, what):
    """Both wires go on for others."""
    line_unaffected(daemon, beside, what)
    unaffected(f"{what}: one by HTTP", P99_MS,
               *(prober(each.port_of("http")) for each in (daemon, beside)))


def slow(directory, what, *mode):
    with watching_daemon(directory / "crowded", config=CONFIG) as daemon, \
            watching_daemon(directory / "beside", config=CONFIG) as beside:
        url = f"http://127.0.0.1:{daemon.port_of('http')}/api/openapi.json"
        attack = subprocess.Popen(["slowhttptest", *mode, "-c", str(SLOW_CLIENTS), "-r",
                                   str(SLOW_CLIENTS), "-l", str(SLOW_S), "-p", "2", "-u", url],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  cwd=directory)
        try:
            there = lambda: int(daemon.request("command status").pairs["connections"])
            wait_for(lambda: there() > SLOW_CLIENTS / 2, "slow clients")
            end = time.monotonic() + SLOW_S * 0.6
            while time.monotonic() < end:
                served(daemon, beside, what)
            said, _ = attack.communicate(timeout=SLOW_S + PATIENCE)
            check("service available:   NO" not in re.sub(r"\x1b\[[\d;]*m", "", said), said)
        finally:
            attack.kill()
            attack.wait()
        wait_for(lambda: there() == 1, "the slow ones to be closed")


def slow_heads(directory):
    slow(directory, "slow heads", "-H", "-i", "1", "-x", "24")


def slow_bodies(directory):
    slow(directory, "slow bodies", "-B", "-i", "1", "-s", "8192", "-x", "10")


def slow_reads(directory):
    slow(directory, "slow reads", "-X", "-w", "1", "-y", "16", "-n", "1", "-z", "8", "-k", "3")


def load(directory):
    """wrk and h2load over connections that end after 100 requests, sanitizers watching."""
    # Freed blocks would be kept by the hundred megabytes.
    options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "quarantine_size_mb=8"]))
    with watching_daemon(directory, config=CONFIG, binary=CERTLINED,
                         env={**os.environ, "ASAN_OPTIONS": options}) as daemon:
        root = f"http://127.0.0.1:{daemon.port_of('http')}"
        hit = f"{root}/api/v1.0/servers/expiration/n7.example.org?api_key={KEY}"
        before = None
        for url in (hit, f"{root}/api/openapi.json"):
            said = run("wrk", "-t1", "-c20", f"-d{LOAD_S}s", url)
            check("Non-2xx" not in said and "Socket errors" not in said, said)
            rate = re.search(r"Requests/sec:\s*([\d.]+)", said).group(1)
            print(f"      wrk for {LOAD_S} s: {rate} requests/s")
            equal(daemon.request("command ping").code, 200, "the line meanwhile")
            before = before or private_bytes(daemon)
        # Pipelined. Whole connections: by time, h2load hangs when its last one is closed.
        rounds, until = 0, time.monotonic() + LOAD_S
        while time.monotonic() < until:
            said = run("h2load", "--h1", "-t1", "-c20", "-m4", "-n2000", hit)
            check("2000 succeeded, 0 failed, 0 errored" in said, said)
            rounds += 1
        print(f"      h2load for {LOAD_S} s: {rounds * 2000} requests")
        equal(daemon.request("command ping").code, 200, "the line meanwhile")
        grown = private_bytes(daemon) - before
        check(grown < 64 * MIB, f"memory grew by {grown} bytes")


if __name__ == "__main__":
    check(RELEASE.exists(), f"build the release preset first: {RELEASE}")
    main(framing, slow_heads, slow_bodies, slow_reads, load)
