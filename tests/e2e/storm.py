#!/usr/bin/env python3
"""Everything at once: clients on all commands, with TLS and without, scans of real servers,
reloads, certificates exchanged, a backup. What is checked is that nothing breaks; under TSan, that
no thread reads what another writes.
"""

import signal
import sys
import threading

sys.dont_write_bytecode = True
from harness import (CERTLINED, Authority, Daemon, check, equal, loopback_config, main,
                     run, s_server)
from transport import Files, TlsLine, tls_config  # noqa: E402

CLIENTS = 6
ROUNDS = 15
EXPECTED = {200, 404, 429}


def client(daemon, authority, number, ports, problems):
    key = f"storm-client-{number:04}"
    try:
        for turn in range(ROUNDS):
            with TlsLine(daemon, authority) if number % 2 else daemon.line() as line:
                name = f"127.0.0.1:{ports[(number + turn) % len(ports)]}"
                pipeline = [f"command add domain {name} apikey {key}",
                            f"command add domain n{turn}.c{number}.example.org apikey {key}",
                            f"command scan domain {name} apikey {key}",
                            f"command expiration domain {name} apikey {key} wait 5",
                            f"command domains apikey {key}", "command status", "command apikey",
                            f"command remove domain n{turn}.c{number}.example.org apikey {key}",
                            f"command claim email c{number % 2}@example.org apikey {key}"]
                line.send("".join(request + "\n" for request in pipeline).encode())
                for request in pipeline:
                    reply = line.read_reply()
                    check(reply.code in EXPECTED, f"{request}: {reply}")
    except Exception as problem:  # whatever it is, the test has to hear of it
        problems.append(problem)


def storm(directory):
    authority = Authority(directory / "ca")
    leaf, own = authority.issue(["127.0.0.1"]), authority.issue(["localhost", "127.0.0.1"])
    files = Files(directory, own)
    with s_server(leaf) as one, s_server(leaf) as two, \
            Daemon(directory, loopback_config(authority, tls_config(None, files=files.names))) \
            as daemon:
        problems = []
        threads = [threading.Thread(target=client,
                                    args=(daemon, authority, n, (one.port, two.port), problems))
                   for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for turn in range(5):
            files.put(authority.issue(["localhost"]) if turn % 2 else own)
            daemon.signal(signal.SIGHUP)
            run(CERTLINED, "backup", directory / f"backup{turn}", "--config", daemon.config_file)
        for thread in threads:
            thread.join()
        equal(problems, [], "problems")
        daemon.stop()
        check(not daemon.find("WARNING: ThreadSanitizer"), daemon.log(200))


main(storm)
