#!/usr/bin/env python3
"""The power is cut at every moment. While clients add and remove names and scans come in, the test
records what the daemon writes. Then it replays the record up to each call and into it:
power_cut.cpp cuts. Two lies show that it would find a loss.
"""

import shutil
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from fault_rig import KEY, preload
from harness import (CERTLINED, Authority, Daemon, check, equal, loopback_config, main, s_server,
                     wait_for)

POWER_CUT = CERTLINED.parent / "power_cut"
CLIENTS = 2
NAMES = 30  # of each client
MAP = '[store]\nmap_size = "64 MiB"\n'


def client(daemon, number, tls_port, told):
    """Adds names, some in a row and some at once, and removes every fifth."""
    key = f"{KEY}{number}"
    names = [f"127.0.{number + 1}.1:{tls_port}"] + [f"n{i}.c{number}.example.org"
                                                   for i in range(NAMES)]
    with daemon.line() as line:
        for name in names[:10]:
            told.append(line.request(f"command add domain {name} apikey {key}").code)
        line.send("".join(f"command add domain {name} apikey {key}\n"
                          for name in names[10:]).encode())
        told += [line.read_reply().code for _ in names[10:]]
        for name in names[2::5]:
            told.append(line.request(f"command remove domain {name} apikey {key}").code)


def record(directory):
    """A store before, and the trace of what was done to it; how many requests were answered."""
    authority = Authority(directory / "ca")
    certificate = authority.issue([f"127.0.{n + 1}.1" for n in range(CLIENTS)])
    config = loopback_config(authority, MAP)
    with Daemon(directory, config) as daemon:
        pass  # makes the store
    shutil.copy(daemon.store / "data.mdb", directory / "before.mdb")
    environment = preload("fail_call", {"FAULT_TRACE": str(directory / "trace"),
                                        "FAULT_STORE": str(daemon.store.resolve())})
    told = [[] for _ in range(CLIENTS)]
    with s_server(certificate) as server, \
            Daemon(directory, config, env=environment) as daemon:
        server_port = server.port
        clients = [threading.Thread(target=client, args=(daemon, n, server_port, told[n]))
                   for n in range(CLIENTS)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
    codes = [code for client_codes in told for code in client_codes]
    equal(set(codes), {200}, "the replies")
    return len(codes)


def replay(directory, *lie):
    done = subprocess.run([POWER_CUT, directory / "trace", directory / "before.mdb", *lie],
                          capture_output=True, text=True, timeout=300)
    check(done.returncode in (0, 1), f"power_cut {lie}: {done}")
    print(f"      {' '.join(lie) or 'honest'}: {' '.join(done.stdout.split(chr(10)))}")
    return done.returncode == 1, done.stdout


def power_cuts(directory):
    record(directory)
    lost, text = replay(directory)
    check(not lost, f"something acknowledged is lost: {text}")
    check(f"{CLIENTS * (NAMES + 1)} names acknowledged" in text, f"the trace misses some: {text}")
    for lie in ("unsynced", "early"):
        lost, text = replay(directory, lie)
        check(lost, f"a loss that must be there isn't found with {lie}: {text}")


main(power_cuts)
