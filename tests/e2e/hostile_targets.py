#!/usr/bin/env python3
"""A farm of hostile scan targets against the daemon: each ends in its own state in its deadline,
memory and descriptors stay where they are, and healthy servers are scanned normally meanwhile.
CERTLINE_FARM=large makes it more than 10,000 scans.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from harness import (CERTLINED, PATIENCE, Authority, Daemon, check, equal, loopback_config, main,
                     need_root, wait_for)
from measures import descriptors
from real_servers import nginx

KEY = "0123456789abcdef"
LARGE = os.environ.get("CERTLINE_FARM") == "large"
STRIDE = 1 if LARGE else 24  # between the bytes at which a handshake is cut
PER_KIND = 24 if LARGE else 3  # addresses at which the others are looked at
ROUNDS = 2
IN_FLIGHT = 192 if LARGE else 64
DEADLINE_MS = 5000
HOSTILE = [f"127.77.0.{n}" for n in range(1, 65)]
HEALTHY = [f"127.78.0.{n}" for n in range(1, 9)]
GROWTH_KIB = 8192  # of private memory in all rounds but the first


class Farm:
    """The farm in a process of its own, nginx beside it, and the configuration of who looks."""

    def __init__(self, directory):
        self.authority = Authority(directory / "ca")
        self.leaf = self.authority.issue(HOSTILE + HEALTHY, rsa=True)
        names = [f"host{n}.with.a.name.demo.test" for n in range(9000)]
        self.huge = self.authority.issue(HOSTILE + names, rsa=True)
        for certificate, name in ((self.leaf, "leaf"), (self.huge, "huge")):
            shutil.copy(certificate.chain, directory / f"{name}.pem")
            shutil.copy(certificate.key, directory / f"{name}.key")
        shutil.copy(self.authority.certificate, directory / "root.pem")
        self.directory = directory
        self.config = loopback_config(self.authority, f"timeout_ms = {DEADLINE_MS}\n"
                                      f"concurrency = {IN_FLIGHT}\nper_address = 64\n"
                                      "[limits]\nscan_interval_s = 0\nnames_per_key = 20000\n")

    def __enter__(self):
        program = pathlib.Path(__file__).with_name("target_farm.py")
        self.process = subprocess.Popen([sys.executable, program, self.directory, str(STRIDE)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        late = threading.Timer(PATIENCE, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        check(line, "the farm doesn't start")
        self.targets = json.loads(line)
        self.web = nginx(self.directory, self.leaf, HEALTHY)
        return self

    def __exit__(self, *details):
        self.web.__exit__(*details)
        with contextlib.suppress(subprocess.TimeoutExpired):
            print(self.process.communicate(timeout=10)[0], end="")
        self.process.kill()
        self.process.wait()

    def names(self):
        """Name and target, for each byte of a cut handshake and some addresses else, mixed."""
        pairs = []
        for number, target in enumerate(self.targets):
            cut = target["kind"].startswith("reset within")
            for n in range(1 if cut else PER_KIND):
                pairs.append((f"{HOSTILE[(number + n) % len(HOSTILE)]}:{target['port']}", target))
        random.Random(1).shuffle(pairs)
        return dict(pairs)


def judge(target, problem, found):
    """What is wrong with what was seen, if anything."""
    if problem != target["problem"]:
        return f"{problem} instead of {target['problem']}"
    if target["found"] is not None and found != target["found"]:
        return f"certificate found: {found}"
    return None


def each_kind_alone(directory):
    """`certlined scan` says what it saw, and how long it took."""
    with Farm(directory) as farm:
        config = directory / "scan.toml"
        config.write_text(farm.config)
        kinds = {target["kind"]: target for target in farm.targets}

        def look(target):
            done = subprocess.run([CERTLINED, "scan", f"{HOSTILE[0]}:{target['port']}", "--json",
                                   "--starttls", target["starttls"], "--config", config],
                                  capture_output=True, text=True, timeout=PATIENCE)
            check(done.stdout, f"{target['kind']}: {done}")
            return json.loads(done.stdout)["addresses"][0]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(look, kinds.values()))
    wrong = []
    for (kind, target), row in zip(kinds.items(), rows):
        print(f"  {kind:34} {row['state']:28} {row['elapsed_ms']:5} ms  {row['detail'][:80]}")
        problem = "none" if row["state"] == "ok" else row["state"]
        fault = judge(target, problem, row["certificate_found"])
        if row["elapsed_ms"] > 2 * DEADLINE_MS:
            fault = f"{row['elapsed_ms']} ms"
        if fault:
            wrong.append(f"{kind}: {fault}: {row}")
    check(not wrong, "\n".join(wrong))
    print(f"hostile targets: {len(rows)} kinds, each in its own state")


def pipelined(line, requests):
    """The replies to many requests, some hundred under way at a time."""
    replies = []
    for at in range(0, len(requests), 200):
        part = requests[at:at + 200]
        line.send("".join(request + "\n" for request in part).encode())
        replies += [line.read_reply() for _ in part]
    return replies


class Crowd:
    """Healthy names, scanned one after another as long as the hostile ones are."""

    def __init__(self, daemon, port):
        self.names = [f"{address}:{port}" for address in HEALTHY]
        self.line = daemon.line()
        self.problems, self.seconds = collections.Counter(), []
        pipelined(self.line, [f"command add domain {name} apikey {KEY}" for name in self.names])
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def scan(self, name):
        started = time.monotonic()
        # Both at once: whoever asks in a later second than the scan ended in waits for the next.
        which = f"domain {name} apikey {KEY}"
        asked, told = pipelined(self.line, [f"command scan {which}",
                                            f"command expiration {which} wait 30"])
        equal(asked.code, 200, name)
        self.problems[told.pairs["problem"]] += 1
        self.seconds.append(time.monotonic() - started)

    def run(self):
        try:
            while not self.over.is_set():
                for name in self.names:
                    self.scan(name)
        except Exception as failure:  # whatever it is, the test has to hear of it
            self.problems[repr(failure)] += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.line.close()


def usage(daemon):
    """Private memory in KiB, and open descriptors."""
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if "RssAnon" in line)
    return memory, descriptors(daemon)


def settled(line, names):
    """Each has been scanned since it was asked for; nothing is under way."""
    if line.request("command status").pairs["scans_in_flight"] != "0":
        return None
    replies = pipelined(line, [f"command expiration domain {n} apikey {KEY}" for n in names])
    if any(reply.pairs["problem"] == "pending" for reply in replies):
        return None
    return replies


def one_round(daemon, line, names, first):
    """Scans every name once; gives what is wrong with the outcome."""
    started = int(time.time())
    command = "add" if first else "scan"
    more = [f" starttls {target['starttls']}" if first else "" for target in names.values()]
    requests = [f"command {command} domain {name} apikey {KEY}{m}" for name, m in zip(names, more)]
    for request, reply in zip(requests, pipelined(line, requests)):
        equal(reply.code, 200, f"{request}: {reply}")

    def over():
        replies = settled(line, names)
        fresh = replies and all(int(r.pairs["last_scan_utc"]) >= started for r in replies)
        return replies if fresh else None
    replies = wait_for(over, "the scans of a round", 300)
    wrong = []
    for (name, target), reply in zip(names.items(), replies):
        fault = judge(target, reply.pairs["problem"], reply.pairs["certificate_found"] == "true")
        if fault:
            wrong.append(f"{target['kind']} ({name}): {fault}: {reply}")
    return wrong


def healthy_among_hostile(directory):
    with Farm(directory) as farm, Daemon(directory, farm.config) as daemon, \
            daemon.line() as line:
        names = farm.names()
        figures = []
        for number in range(ROUNDS):
            started = time.monotonic()
            with Crowd(daemon, farm.web.port) as crowd:
                wrong = one_round(daemon, line, names, number == 0)
            wait_for(lambda: line.request("command status").pairs["connections"] == "1", "peace")
            figures.append(usage(daemon))
            print(f"  round {number + 1}: {len(names)} hostile scans in "
                  f"{time.monotonic() - started:.1f} s; {len(crowd.seconds)} healthy ones, "
                  f"median {sorted(crowd.seconds)[len(crowd.seconds) // 2] * 1000:.0f} ms, "
                  f"worst {max(crowd.seconds) * 1000:.0f} ms; private memory "
                  f"{figures[-1][0]} KiB, {figures[-1][1]} descriptors")
            check(not wrong, f"{len(wrong)} of {len(names)}:\n" + "\n".join(wrong[:40]))
            equal(set(crowd.problems), {"none"}, f"the healthy targets: {crowd.problems}")
    scans = ROUNDS * len(names)
    kinds = len({target["kind"] for target in farm.targets})
    print(f"hostile targets: {scans} scans of {kinds} kinds, each in its own state")
    equal({descriptors for _, descriptors in figures}, {figures[0][1]}, "descriptors")
    if LARGE:
        check(scans >= 10000, f"only {scans} scans")
        check(figures[-1][0] - figures[0][0] <= GROWTH_KIB, f"private memory grows: {figures}")


need_root()
main(each_kind_alone, healthy_among_hostile)
