#!/usr/bin/env python3
"""fake_server.py MODE LOG [CERTIFICATE KEY]: a server of the line protocol, as MODE says, on a free
port of 127.0.0.1, which it prints first. Each request line goes to LOG as it came, behind
a line "connected" for each connection. With CERTIFICATE and KEY it speaks TLS.
"""

import hashlib
import os
import pathlib
import re
import signal
import socket
import ssl
import sys
import threading

MODE, LOG = sys.argv[1], pathlib.Path(sys.argv[2])
ANSWERS = pathlib.Path(os.environ.get("FAKE_ADDRESSES", "/nonexistent"))  # data of `addresses`
PATIENCE_S = 60  # more than any hook has
lock = threading.Lock()
count = 0

EXPIRATION = ("domain {domain} certificate_found true renewal_due {due} expired_found {expired} "
              "trusted {trusted} renewal_utc 4102444800 last_scan_utc 1 next_scan_utc 2 "
              "addresses 3 problem {problem}")


def expiration(domain):
    """Its first label says how a name is: due.example.org."""
    state = domain.split(".")[0]
    fields = {"due": "false", "expired": "false", "trusted": "true", "problem": "none"}
    if state in ("due", "expired"):
        fields[state] = "true"
    if state == "untrusted":
        fields.update(trusted="false", problem="untrusted_root")
    if state == "unseen":
        return f"domain {domain} certificate_found false renewal_due false expired_found false " \
               "trusted false renewal_utc 0 last_scan_utc 1 next_scan_utc 2 addresses 0 " \
               "problem dns_error"
    return EXPIRATION.format(domain=domain, **fields)


def answer(line):
    global count
    words = line.split()
    pairs = dict(zip(words[::2], words[1::2]))
    command, domain = pairs.get("command"), pairs.get("domain", "")
    data = {"status": "version 0 uptime_s 1", "domains": "a.example.org due.example.org",
            "expiration": expiration(domain),
            "add": f"id 1 key 2 domain {domain}"}.get(command)
    if command == "apikey":
        with lock:
            count += 1
            data = hashlib.md5(b"%d" % count).hexdigest()
    if command == "addresses":
        data = ANSWERS.read_text().strip() if ANSWERS.exists() else "192.0.2.1 none"
    if MODE == "unknown_key" and command == "add" and "claim" not in LOG.read_text():
        return "status error 401 no such key\n"
    if MODE == "refuse" and "bad" in domain:
        return "status error 422 domain is no host name\n" if command == "add" \
            else "status error 404 not registered\n"
    if re.fullmatch(r"\d{3}", MODE) and command == "add":
        return f"status error {MODE} not now; retry in 7 s\n"
    return (f"data {data}\n" if data else "") + "status ok 200 no more follow\n"


def note(line):
    with lock, LOG.open("ab") as log:
        log.write(line)


def serve(guest):
    guest.settimeout(PATIENCE_S)
    note(b"connected\n")
    if MODE == "close":
        return
    if MODE == "junk":
        for _ in range(40):
            guest.sendall(b"x" * 1_000_000)
        return
    if MODE == "binary":
        guest.sendall(b"data \x1b]0;owned\x07\nstatus ok 200 fine\n")
    lines = guest.makefile("rb")
    for line in lines:
        note(line)
        if MODE == "hang":
            continue
        if MODE == "half":
            guest.sendall(answer(line.decode()).encode()[:-9])
            return
        if MODE == "half_of_adds" and b" add " in line and b"domain c." in line:
            return
        guest.sendall(answer(line.decode()).encode())


def accept(guest, context):
    try:
        with guest:
            if context:
                guest = context.wrap_socket(guest, server_side=True)
            serve(guest)
    except OSError:
        pass


def main():
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3], sys.argv[4])
    LOG.touch()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def work():
        while True:
            guest = listener.accept()[0]
            threading.Thread(target=accept, args=(guest, context), daemon=True).start()

    threading.Thread(target=work, daemon=True).start()
    signal.alarm(5 * PATIENCE_S)  # if the test that started it is gone
    signal.pause()


main()
