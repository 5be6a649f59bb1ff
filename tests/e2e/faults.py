#!/usr/bin/env python3
"""One failure after another: the n-th call of each kind fails, n = 1, 2, 3 … until a run has no
failure. Each time nothing acknowledged is lost and nothing hangs. The daemon goes on, or it ends
for its supervisor with one line that says why.
"""

import concurrent.futures
import itertools
import os
import pathlib
import sys

sys.dont_write_bytecode = True
from fault_rig import KEY, LATER_NAMES, Fault, NameServer, Rig
from harness import CERTLINED, ROOT, Authority, Failure, check, loopback_config, main, s_server

RELEASE = pathlib.Path(os.environ.get("RELEASE", ROOT / "build/release/bin/certlined"))
AT_ONCE = 4
MOST = 400  # of a kind in one run; more calls than that are not a small workload


def workload(tls_port):
    """Adds, one of them by a name that DNS knows, scans, a removal, a list."""
    def work(client, outcomes):
        web, direct = f"web.demo.test:{tls_port}", f"127.0.0.1:{tls_port}"
        for name in (web, "n0.example.org", direct, "n1.example.org", "n2.example.org"):
            outcomes.added(name, client.ask(f"command add domain {name} apikey {KEY}"))
        client.ask(f"command expiration domain {web} apikey {KEY} wait 1")
        client.ask(f"command scan domain {direct} apikey {KEY}")
        outcomes.removed("n1.example.org",
                         client.ask(f"command remove domain n1.example.org apikey {KEY}"))
        client.ask(f"command expiration domain {direct} apikey {KEY} wait 1")
        client.ask(f"command domains apikey {KEY}")
    return work


class Bench:
    """What all runs share: a TLS server, a name server, and a directory for each run."""

    def __init__(self, directory, binary):
        self.directory, self.binary = directory, binary
        self.authority = Authority(directory / "ca")
        self.certificate = self.authority.issue(
            ["web.demo.test", "127.0.0.1"] + [f"later{n}.demo.test" for n in range(LATER_NAMES)])

    def __enter__(self):
        self.tls, self.dns = s_server(self.certificate), NameServer()
        self.config = loopback_config(
            self.authority, f'resolvers = ["127.0.0.1:{self.dns.port}"]\ntimeout_ms = 3000\n'
                            "dns_timeout_ms = 1500\n[line]\nthreads = 2\n"
                            "[limits]\nscan_interval_s = 1\n")
        return self

    def __exit__(self, *exception):
        self.tls.__exit__(*exception)
        self.dns.__exit__(*exception)

    def run_one(self, call, how, nth, **options):
        """None where the fault did not come to pass, else how the daemon took it."""
        home = self.directory / f"{call}-{how}-{nth}"
        home.mkdir()
        fault = Fault(call, how, nth, home / "fired", **options)
        rig = Rig(home, self.config, self.tls.port, self.binary)
        took = rig.run(fault, workload(self.tls.port))
        if not fault.fired():
            return None
        try:
            rig.check_kept()
        except Failure as failure:
            raise Failure(f"after {fault.text}: {failure}") from None
        return took

    def run_all(self, call, how, numbers=None, **options):
        """Some at a time, as most of the time is spent waiting."""
        took = []
        numbers = iter(numbers or range(1, MOST))
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            while None not in took:
                some = list(itertools.islice(numbers, AT_ONCE))
                check(some, f"{call} happens more often than it is made to fail")
                took += pool.map(lambda nth: self.run_one(call, how, nth, **options), some)
        took = [t for t in took if t]
        check(took, f"{call} never happens")
        counts = ", ".join(f"{took.count(t)} {t}" for t in sorted(set(took)))
        print(f"      {call} failing with {how}: {len(took)} runs ({counts})")


def run_kinds(directory, binary, kinds):
    with Bench(directory, binary) as bench:
        for call, *hows in kinds:
            for how in hows:
                bench.run_all(call, how)


def disk(directory):
    run_kinds(directory, RELEASE, [("sync", "EIO"), ("write", "EIO", "short")])


def disk_full(directory):
    run_kinds(directory, RELEASE, [("write", "ENOSPC"), ("file", "ENOSPC"), ("map", "ENOMEM")])


def files(directory):
    run_kinds(directory, RELEASE, [("open", "EMFILE"), ("read", "EIO")])


def connections(directory):
    run_kinds(directory, CERTLINED, [("accept", "ECONNABORTED", "EMFILE", "EPERM"),
                                     ("receive", "ECONNRESET"), ("send", "EPIPE")])


def outward(directory):
    run_kinds(directory, CERTLINED, [("socket", "EMFILE"), ("connect", "ECONNREFUSED", "ENOBUFS"),
                                     ("dns_question", "ENETUNREACH"),
                                     ("dns_answer", "ECONNREFUSED", "drop")])


def kernel(directory):
    run_kinds(directory, RELEASE, [("epoll_wait", "EINTR"),
                                   ("thread", "EAGAIN")])


def spread(start, growth):
    """1, 2, 3 … and then ever wider apart, without an end."""
    n = start
    while True:
        yield n
        n = max(n + 1, int(n * growth))


def memory_at_start(directory):
    with Bench(directory, RELEASE) as bench:
        bench.run_all("allocation", "ENOMEM", spread(1, 1.25), library="fail_allocation")


def memory_at_work(directory):
    with Bench(directory, RELEASE) as bench:
        bench.run_all("allocation", "ENOMEM", spread(1, 1.05), library="fail_allocation",
                      since="guest")


main(disk, disk_full, files, connections, outward, kernel,
     memory_at_start, memory_at_work)
