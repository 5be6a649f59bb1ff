"""Scans of nginx endpoints, each on an address of its own in 127.0.0.0/8, so that no verdict is
remembered from another target.

Two farms: a hundred chains, one per port, that nginx loads once; and ten thousand leaves, one per
address, that it reads from a file with each connection, which costs the server more than the scan
costs the client. All trust the same file, as users do: the system's roots and the farm's. The peers
are a bare OpenSSL loop (connect, shake hands, verify, close; as many threads as the scanner has)
and openssl s_client under xargs, which reads that file for each connection.
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

from measure import BINARIES, KEY, ROUNDS, figures, median, private_mib

from harness import Daemon, Failure, Server, check, wait_for

SCANS = 10_000
IN_FLIGHT = 2_000
GROWTH = (100, 500, 1_000, 2_000, 5_000)
PORTS = 100  # as addresses.hpp has it
CORES = os.cpu_count()
S_CLIENTS = 1_000  # of the 10,000: they would take minutes
SYSTEM_ROOTS = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
DELAY_S, DEADLINE_S = 0.2, 10
PATIENT_S = 60  # where no target is silent: a busy machine is slow, but scans them all
DEFAULT_CONCURRENCY = 512
SLOW_CONCURRENCIES = (256, DEFAULT_CONCURRENCY)


def address(i):
    return f"127.1.{i // 256}.{i % 256}"


def tell_late(count):
    """Of the healthy targets; it happens where other work keeps the machine busy."""
    if count > 0:
        print(f"  ({count} targets that are not silent did not answer within the deadline)")


class PrivateMemory:
    """The most private memory a process was seen to have, in MiB, looked at while it runs."""

    def __init__(self, pid):
        self.pid = pid
        self.most = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.done.wait(0.1):
            with contextlib.suppress(OSError):
                self.most = max(self.most, private_mib(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def free_ports(count):
    """The first of so many free ports in a row, below those that the kernel gives to clients."""
    for first in range(11_000, 30_000, count):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.create_server(("0.0.0.0", port)))
            return first
    raise Failure("no free ports in a row")


class Farm:
    """nginx behind every address of 127.0.0.0/8, and a front that is slow or silent."""

    def __init__(self, directory):
        self.directory = directory
        self.chains = directory / "chains"
        self.trust = directory / "trust.pem"
        self.ports = free_ports(PORTS + 2)
        self.own_leaf_port, self.slow_port = self.ports + PORTS, self.ports + PORTS + 1

    def __enter__(self):
        self.chains.mkdir()
        subprocess.run([BINARIES / "make_chains", self.chains, str(SCANS)], check=True)
        roots = [SYSTEM_ROOTS, self.chains / "root.pem"]
        self.trust.write_text("".join(file.read_text() for file in roots))
        listen = lambda port: f"listen 0.0.0.0:{port} ssl backlog=8192 reuseport;"
        shared = "".join(f"server {{ {listen(self.ports + i)} ssl_certificate "
                         f"{self.chains}/port{i}.pem; return 204; }}\n" for i in range(PORTS))
        conf = self.directory / "nginx.conf"
        conf.write_text(f"""
daemon off; worker_processes {CORES}; pid {self.directory}/nginx.pid; error_log stderr crit;
user root; worker_rlimit_nofile 20000; events {{ worker_connections 9000; }}
http {{ access_log off; ssl_session_cache off; ssl_session_tickets off;
  client_body_temp_path {self.directory}; proxy_temp_path {self.directory};
  fastcgi_temp_path {self.directory}; uwsgi_temp_path {self.directory};
  scgi_temp_path {self.directory};
  ssl_certificate_key {self.chains}/leaf.key;
  server {{ {listen(self.own_leaf_port)} ssl_certificate {self.chains}/$server_addr.pem;
  return 204; }}
  {shared} }}
""")
        with contextlib.ExitStack() as stack:
            stack.enter_context(Server(["nginx", "-p", self.directory, "-c", conf, "-e", "stderr"],
                                       self.own_leaf_port))
            stack.enter_context(Server([BINARIES / "slow_relay", self.slow_port, self.ports,
                                        int(DELAY_S * 1000)], self.slow_port))
            self.servers = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.servers.close()

    def scan(self, kind, in_flight, port=None, silent=0):
        """Over the hundred ports, or of one port."""
        deadline = DEADLINE_S if silent else PATIENT_S
        process = subprocess.Popen([BINARIES / "scan_load", kind, self.trust,
                                    str(port or self.ports),
                                    str(1 if port else PORTS), str(SCANS), str(in_flight),
                                    str(deadline * 1000)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with PrivateMemory(process.pid) as memory:
            out, errors = process.communicate()
        if process.returncode != 0:
            sys.exit(f"scan_load failed: {errors}")
        result = figures(out)
        late = int(result["silent"]) - silent
        if late < 0 or result["ok"] + result["silent"] != SCANS:
            sys.exit(f"not every scan went as it should: {out}{errors[:2000]}")
        tell_late(late)
        return result | {"private_mib": memory.most}

    def bare_loop(self, port=None):
        return self.scan("bare_loop", CORES, port)


def row(work, peer, rounds, what):
    return (work, peer, (median([a[what] for a, _ in rounds]), median([b[what] for _, b in rounds]),
                         median([a[what] / b[what] for a, b in rounds]), 0))


def s_client_rate(farm):
    """Chains verified per second by openssl s_client under xargs."""
    names = farm.directory / "addresses"
    names.write_text("".join(f"{address(i)}:{farm.ports + i % PORTS}\n" for i in range(S_CLIENTS)))
    started = time.monotonic()
    subprocess.run(["xargs", "-a", names, "-P8", "-I{}", "openssl", "s_client", "-connect",
                    "{}", "-CAfile", farm.trust, "-verify_return_error"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True)
    return {"rate": S_CLIENTS / (time.monotonic() - started)}


def bench_library(farm):
    name = f"{SCANS:,} scans, {IN_FLIGHT:,} in flight"
    seen = [(farm.scan("scanner", IN_FLIGHT), farm.bare_loop(), s_client_rate(farm))
            for _ in range(ROUNDS)]
    rounds = [(ours, bare) for ours, bare, _ in seen]
    loop = f"bare OpenSSL loop, {CORES} threads"
    yield row(f"{name}: CPU seconds", loop, rounds, "cpu_s")
    yield row(f"{name}: scans a second", loop, rounds, "rate")
    yield row(f"{name}: private MiB", loop, rounds, "private_mib")
    own = [(farm.scan("scanner", IN_FLIGHT, farm.own_leaf_port),
            farm.bare_loop(farm.own_leaf_port))]
    yield row(f"{name}, {SCANS:,} leaves: CPU seconds", loop, own, "cpu_s")
    yield row(f"{name}, {SCANS:,} leaves: scans a second", loop, own, "rate")
    yield row(f"{name}: scans a second", f"xargs -P8 openssl s_client, {S_CLIENTS:,} of them",
              [(ours, client) for ours, _, client in seen], "rate")
    print(f"\n  | in flight | scans a second | CPU seconds | private MiB |\n  {'| --- ' * 4}|")
    for in_flight in GROWTH:
        seen = farm.scan("scanner", in_flight)
        print(f"  | {in_flight:,} | {seen['rate']:,.0f} | {seen['cpu_s']:.2f} | "
              f"{seen['private_mib']:.0f} |", flush=True)


def allowed_seconds(in_flight):
    """What deadline and concurrency allow where a tenth is silent and the rest takes its time."""
    silent = SCANS // 10
    work = silent * DEADLINE_S + (SCANS - silent) * DELAY_S
    return max(DEADLINE_S, work / in_flight)


def bench_slow(farm):
    for in_flight in SLOW_CONCURRENCIES:
        seen = farm.scan("scanner", in_flight, farm.slow_port, silent=SCANS // 10)
        allowed = allowed_seconds(in_flight)
        yield (f"{SCANS:,} scans, a tenth silent, the rest {DELAY_S:g} s, {in_flight} in flight: "
               "seconds", f"deadline ({DEADLINE_S} s) and concurrency alone",
               (seen["wall_s"], allowed, seen["wall_s"] / allowed, 0))


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch_all(line, port_of):
    """Adds every address; gives what the daemon says of each in the end."""
    for i in range(SCANS):
        line.send(f"command add domain {address(i)}:{port_of(i)} apikey {KEY}\n".encode())
    for i in range(SCANS):
        reply = line.read_reply()
        check(reply.ok, f"add {address(i)}: {reply}")
    wait_for(lambda: line.request("command status").pairs["scans_in_flight"] == "0",
             "the end of all scans", patience=300)
    ended = time.monotonic()
    for i in range(SCANS):
        line.send(f"command expiration domain {address(i)}:{port_of(i)} apikey {KEY}\n".encode())
    return ended, [line.read_reply().pairs for _ in range(SCANS)]


def through_daemon(farm, directory, port_of, concurrency, silent=0):
    """From the first add to the last committed scan."""
    directory.mkdir()
    config = f"""
log.level = "warning"
limits.names_per_key = 1000000
[scanner]
allow = ["127.0.0.0/8"]
special_names = true
trust_file = "{farm.trust}"
concurrency = {concurrency}
timeout_ms = {(DEADLINE_S if silent else PATIENT_S) * 1000}
"""
    with Daemon(directory, config, BINARIES / "certlined") as daemon, daemon.line() as line:
        pid = daemon.process.pid
        with PrivateMemory(pid) as memory:
            used, started = cpu_seconds(pid), time.monotonic()
            ended, answers = watch_all(line, port_of)
            used = cpu_seconds(pid) - used
        trusted = sum(a["trusted"] == "true" for a in answers)
        silences = sum(a["problem"] == "timeout" for a in answers)
        check(silences >= silent and trusted >= SCANS - silences,
              f"{trusted} names are trusted, {silences} were silent")
        tell_late(silences - silent)
        wall = ended - started
    return {"wall_s": wall, "cpu_s": used, "rate": SCANS / wall, "private_mib": memory.most}


def bench_daemon(farm):
    seen = through_daemon(farm, farm.directory / "quick",
                          lambda i: farm.ports + i % PORTS, IN_FLIGHT)
    rounds = [(seen, farm.bare_loop())]
    name = f"{SCANS:,} names added and scanned by the daemon, {IN_FLIGHT:,} in flight"
    loop = f"bare OpenSSL loop, {CORES} threads"
    yield row(f"{name}: CPU seconds", loop, rounds, "cpu_s")
    yield row(f"{name}: scans a second", loop, rounds, "rate")
    yield row(f"{name}: private MiB", loop, rounds, "private_mib")
    silent = SCANS // 10
    seen = through_daemon(farm, farm.directory / "slow", lambda _: farm.slow_port,
                          DEFAULT_CONCURRENCY, silent)
    allowed = allowed_seconds(DEFAULT_CONCURRENCY)
    yield (f"the same by the daemon: a tenth silent, the rest {DELAY_S:g} s: seconds",
           f"deadline ({DEADLINE_S} s) and concurrency ({DEFAULT_CONCURRENCY}) alone",
           (seen["wall_s"], allowed, seen["wall_s"] / allowed, 0))


def bench_scans(directory, _seconds):
    with Farm(directory) as farm:
        yield from bench_library(farm)
        yield from bench_slow(farm)
        yield from bench_daemon(farm)
