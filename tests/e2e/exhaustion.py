#!/usr/bin/env python3
"""One client tries to use up everything: endless lines, unread replies, every descriptor. Memory
stays flat, the CPU stays idle, and afterwards everything is as before.
"""

import contextlib
import resource
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
from harness import (PATIENCE, Failure, Line, Listener, check, equal, free_port, main,
                     wait_for)
from measures import (HIT, KEY, MIB, Peak, connections, cpu_share, watching_daemon)

PIPELINED = 100_000
FLAT = 2 * MIB  # what may come on top, for a buffer here and there
FEW = 64        # descriptors
CLIENTS = 200


def send_until_closed(port, data):
    """All of it, or until the daemon has enough; reads nothing. Gives how long it went on."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
            while True:  # all is in the kernel's hands: the daemon's reset ends it
                client.send(b"\n")
                threading.Event().wait(0.05)
                check(time.monotonic() - started < PATIENCE, "nobody puts an end to it")
    return time.monotonic() - started


def pipelined_and_never_read(directory):
    with watching_daemon(directory) as daemon:
        for request in ("command help", HIT):
            data = (request + "\n").encode() * PIPELINED
            send_until_closed(daemon.port, data)  # after it, buffers have their size
            with Peak(daemon) as memory:
                took = [send_until_closed(daemon.port, data) for _ in range(3)]
            print(f"      {PIPELINED} x {request.split(' domain')[0]!r}: cut off after "
                  f"{max(took):.1f} s, memory {memory.begin / MIB:.1f} MiB, "
                  f"at most {memory.growth / MIB:.2f} MiB more")
            check(memory.growth < FLAT, f"{memory.growth} bytes more")


def pipelined_and_read(directory):
    """The same requests from one who reads are all answered, in order."""
    with watching_daemon(directory) as daemon, daemon.line() as line, Peak(daemon) as memory:
        data = b"command ping\ncommand help on ping\n" * (PIPELINED // 2)
        sender = threading.Thread(target=line.send, args=(data,), daemon=True)
        sender.start()
        for _ in range(PIPELINED // 2):
            equal(line.read_line(), "data pong", "ping")
            equal(line.read_line(), "status ok 200 alive", "ping")
            equal(line.read_line(), "data command ping", "help")
            check(line.read_line().startswith("status ok 200 "), "help")
        sender.join(PATIENCE)
    print(f"      {PIPELINED} answered, at most {memory.growth / MIB:.2f} MiB more")
    check(memory.growth < FLAT, f"{memory.growth} bytes more")


def endless_lines(directory):
    """Answered once, with 413, where they end, by LF or by silence; then the connection goes on."""
    block = 4 * MIB
    kinds = (("letters", b"x", 1024, b"\n"), ("letters, ended by silence", b"x", 1024, b""),
             ("spaces", b" ", 128, b"\n"), ("NUL", b"\0", 128, b"\n"), ("CR", b"\r", 128, b""),
             ("0xff", b"\xff", 128, b"\n"), ("words", b"command ping ", 128, b"\n"))
    with watching_daemon(directory) as daemon:
        for what, part, mib, end in kinds:
            data = part * (block // len(part))
            with daemon.line() as line, Peak(daemon) as memory:
                line.send(data)
                started = time.monotonic()
                for _ in range(mib * MIB // block - 1):
                    line.send(data)
                rate = mib / (time.monotonic() - started)
                line.send(end)
                equal(line.read_reply().code, 413, what)
                equal(line.request("command ping").data, "pong", "and then")
            print(f"      {mib} MiB of {what}: {rate:.0f} MiB/s, at most "
                  f"{memory.growth / MIB:.2f} MiB more")
            check(memory.growth < FLAT, f"{what}: {memory.growth} bytes more")


class SilentServer(Listener):
    def serve(self, guest):
        while guest.recv(65536):
            pass


def gone_while_waiting(directory):
    """Who leaves, by FIN or by reset, while the daemon has a reason not to read, costs nothing."""
    config = '[scanner]\nallow = ["127.0.0.0/8"]\ntimeout_ms = 60000\n'
    with SilentServer() as server, watching_daemon(directory, config=config) as daemon:
        name = f"127.0.0.1:{server.port}"
        equal(daemon.request(f"command add domain {name} apikey {KEY}").code, 200, "add")
        wait = f"command expiration domain {name} apikey {KEY} wait 30\n".encode()
        for what, behind in (("nothing", b""),
                             ("more than is read ahead", b"command ping\n" * 9000)):
            for linger in (None, struct.pack("ii", 1, 0)):
                lines = [daemon.line() for _ in range(20)]
                for line in lines:
                    line.socket.setblocking(False)
                    line.socket.send(wait + behind)
                    if linger:
                        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                wait_for(lambda: connections(daemon) > len(lines), "all to be there")
                for line in lines:
                    line.close()
                share = cpu_share(daemon, 1)
                print(f"      20 left by {'reset' if linger else 'FIN'}, {what} behind: "
                      f"{share * 100:.1f} % CPU")
                check(share < 0.05, f"it uses {share * 100:.1f} % of a core")


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))


def answer_of(line):
    """What a client hears that may have been turned away: its reply, or None for a reset."""
    try:
        line.send(b"command ping\n")
        return line.read_reply()
    except (OSError, Failure):
        return None


def out_of_descriptors(directory):
    """Too many clients for the descriptors there are: some are served, the others told to come
    later, nothing spins, and scans still have descriptors."""
    config = '[scanner]\nallow = ["127.0.0.0/8"]\n'
    with watching_daemon(directory, config=config, preexec_fn=few_descriptors) as daemon:
        lines = [daemon.line() for _ in range(CLIENTS)]
        replies = [answer_of(line) for line in lines]
        served = [line for line, reply in zip(lines, replies) if reply and reply.ok]
        codes = {reply.code for reply in replies if reply and not reply.ok}
        check(len(served) >= FEW // 8, f"only {len(served)} are served")
        equal(codes, {503}, "what the others hear")
        share = cpu_share(daemon, 3)
        print(f"      {FEW} descriptors, {CLIENTS} clients, {len(served)} served: "
              f"{share * 100:.1f} % CPU")
        check(share < 0.05, f"it uses {share * 100:.1f} % of a core")

        name = f"127.0.0.1:{free_port()}"
        line = served[0]
        added, scanned = line.requests(f"command add domain {name} apikey {KEY}",
                                       f"command expiration domain {name} apikey {KEY} wait 30")
        equal(added.code, 200, "add meanwhile")
        equal(scanned.pairs["problem"], "refused", "the scan's result")

        for line in lines:
            line.close()
        wait_for(lambda: daemon.request("command ping").ok, "the next client")
        with contextlib.ExitStack() as stack:
            again = [stack.enter_context(daemon.line()) for _ in served]
            check(all(line.request("command ping").ok for line in again), "as many as before")


def accept_fails(directory):
    """Not one descriptor is left: accepting pauses, connections that are there go on, others are
    served when there are some again."""
    with watching_daemon(directory) as daemon, daemon.line() as line:
        equal(line.request(HIT).code, 200, "the first connection")
        pid = daemon.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        waiting = [Line(daemon.port) for _ in range(CLIENTS)]
        daemon.wait_line("accept_paused")
        equal(line.request(HIT).code, 200, "the connection that was there")
        share = cpu_share(daemon, 3)
        print(f"      no descriptor left, {CLIENTS} clients: {share * 100:.1f} % CPU")
        check(share < 0.05, f"it uses {share * 100:.1f} % of a core")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for client in waiting:
            equal(client.request("command ping").code, 200, "who waited")
            client.close()


main(pipelined_and_never_read, pipelined_and_read, endless_lines, gone_while_waiting,
     out_of_descriptors, accept_fails)
