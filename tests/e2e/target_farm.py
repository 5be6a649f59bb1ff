#!/usr/bin/env python3
"""target_farm.py DIRECTORY STRIDE: a farm of hostile and odd scan targets, one port for each, on
all of 127.0.0.0/8. Prints a line of JSON that lists them, then serves until standard input ends.

DIRECTORY holds what the test had issued: leaf.pem and leaf.key, root.pem, huge.pem and huge.key.
STRIDE is the number of bytes between two places where a handshake is cut.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import struct
import sys
import warnings

sys.dont_write_bytecode = True
from hostile_kinds import (ALERT, CLOSE, CUT_DIALOGUE, HANDSHAKE, HEAR, RESET, SCRIPTS, SILENCE,
                           certificates, fragments, message, record, TLS12_HELLO)

PAUSE = 0.1  # between two bytes of who drips
PORTS = range(16000, 32768)  # so many that those which the system hands out might not suffice


class Guest:
    """One connection; its methods raise OSError when the guest is gone."""

    def __init__(self, sock):
        self.socket, self.loop = sock, asyncio.get_running_loop()
        self.heard = b""

    async def say(self, data):
        await self.loop.sock_sendall(self.socket, data)

    async def hear(self):
        self.heard = await self.loop.sock_recv(self.socket, 65536)
        if not self.heard:
            raise ConnectionResetError
        return self.heard

    async def wait_end(self):
        while await self.loop.sock_recv(self.socket, 65536):
            pass

    async def end(self, how):
        if how == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if how == CLOSE:
            self.socket.shutdown(socket.SHUT_WR)
        elif how != SILENCE:
            kind, chunk = how
            while True:
                await self.say(chunk)
                await asyncio.sleep(PAUSE if kind == "trickle" else 0)  # others have their turn
        await self.wait_end()


def script(steps, ending):
    async def serve(guest):
        for step in steps:
            if step is HEAR:
                await guest.hear()
            else:
                await guest.say(step(guest.heard) if callable(step) else step)
        await guest.end(ending)
    return serve


def cut_dialogue(position):
    """A mail server that resets after so many bytes; the guest speaks between them."""
    async def serve(guest):
        left = position
        for reply in CUT_DIALOGUE:
            if left < len(reply):
                break
            await guest.say(reply)
            await guest.hear()
            left -= len(reply)
        else:
            reply = b""
        await guest.say(reply[:left])
        await guest.end(RESET)
    return serve


class Tls:
    """A real TLS server whose words can be changed before they are said."""

    def __init__(self, chain, key, version, demand=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is meant
            context.minimum_version = context.maximum_version = version
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.load_cert_chain(chain, key)
        if demand:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(chain)
        self.context = context

    def engine(self):
        into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        return into, out, self.context.wrap_bio(into, out, server_side=True)

    def flight_size(self):
        """The bytes that the server says until the client is content."""
        client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.set_ciphers("ALL:@SECLEVEL=0")
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client = trusting.wrap_bio(client_in, client_out)
        into, out, server = self.engine()
        said = 0
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
                return said
            into.write(client_out.read())
            with contextlib.suppress(ssl.SSLWantReadError):
                server.do_handshake()
            data = out.read()
            said += len(data)
            client_in.write(data)

    def server(self, change=lambda data, said: data, limit=None, ending=CLOSE, after=None):
        """change(data, said) gives what is said instead; `limit` bytes are said at most, then it
        ends in that way. `after`: a function of the engine, for what comes behind the handshake."""
        async def serve(guest):
            into, out, engine = self.engine()
            said, done = 0, False
            while not done:
                try:
                    engine.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    done = True  # it has said what it thinks of that
                data = out.read()
                if limit is not None and said + len(data) >= limit:
                    await guest.say(data[:limit - said])
                    return await guest.end(ending)
                await guest.say(change(data, said))
                said += len(data)
                if not done:
                    into.write(await guest.hear())
            if after:
                await guest.end(after(engine, out))
            await guest.end(ending)
        return serve


def in_fragments(data, _):
    """The same handshake, a record for each byte of it."""
    out = b""
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        out += fragments(data[5:size]) if data[0] == HANDSHAKE and size < 5000 else data[:size]
        data = data[size:]
    return out


def plain_part_in_fragments(data, said):
    return in_fragments(data, said) if said == 0 else data


def application_data(engine, out):
    engine.write(b"x" * 16000)
    return ("flood", out.read())  # the same record again: its number is wrong, so it is an end


def look_alikes(root, count):
    """Certificates with the root's name and key, and other serial numbers: each might have issued
    the leaf."""
    der = ssl.PEM_cert_to_DER_cert(root.read_text())
    at = der.index(b"\x02\x14") + 2  # the serial, 20 bytes
    return [der[:at + 16] + (i + 1).to_bytes(4, "big") + der[at + 20:] for i in range(count)]


def pem(*certificates_der):
    return "".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates_der)


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def certificate_kinds(directory):
    """Name, problem, whether a certificate is found, what serves."""
    leaf, key, root = (directory / n for n in ("leaf.pem", "leaf.key", "root.pem"))
    huge, huge_key = directory / "huge.pem", directory / "huge.key"
    long, giant = directory / "long.pem", directory / "giant.pem"
    long.write_text(leaf.read_text() + pem(*look_alikes(root, 99)))
    giant.write_text(huge.read_text() * 5)
    leaf_der = ssl.PEM_cert_to_DER_cert(leaf.read_text())
    first_of = {V12: Tls(leaf, key, V12), V13: Tls(leaf, key, V13)}
    for name, version in (("TLS 1.2", V12), ("TLS 1.3", V13)):
        plain = first_of[version]
        size = plain.flight_size()
        yield f"sound, {name}", "none", True, plain.server()
        yield f"100 certificates, {name}", "none", True, Tls(long, key, version).server()
        yield f"300 kB of chain, {name}", "none", True, Tls(huge, huge_key, version).server()
        yield f"1.5 MB of chain, {name}", "tls_error", False, \
            Tls(giant, huge_key, version).server()
        yield f"demands a certificate, {name}", "client_certificate_required", True, \
            Tls(leaf, key, version, demand=True).server()
        yield f"stops one byte short, {name}", "timeout", True, \
            plain.server(limit=size - 1, ending=SILENCE)
    yield "floods after the handshake", "none", True, \
        first_of[V13].server(after=application_data)
    yield "a record for each byte", "none", True, first_of[V12].server(plain_part_in_fragments)
    yield "TLS 1.0", "none", True, Tls(leaf, key, ssl.TLSVersion.TLSv1).server()
    yield "a certificate, then nonsense", "tls_error", True, \
        script((HEAR, TLS12_HELLO + certificates(leaf_der) + record(HANDSHAKE,
                message(12, b"x" * 99))), SILENCE)
    yield "half a certificate", "tls_error", False, \
        script((HEAR, TLS12_HELLO + certificates(leaf_der[:400])), SILENCE)
    yield "a fatal alert behind the certificate", "tls_error", True, \
        script((HEAR, TLS12_HELLO + certificates(leaf_der) + record(ALERT, b"\2\x28")), CLOSE)


def cut_kinds(directory, stride):
    """A reset after each byte of a handshake, and of a mail server's dialogue."""
    leaf, key = directory / "leaf.pem", directory / "leaf.key"
    for name, version in (("TLS 1.2", V12), ("TLS 1.3", V13)):
        server = Tls(leaf, key, version)
        for position in range(0, server.flight_size(), stride):
            yield f"reset within {name}", "none", "tls_error", None, \
                server.server(limit=position, ending=RESET)
    for position in range(sum(map(len, CUT_DIALOGUE)) + 1):
        whole = position == sum(map(len, CUT_DIALOGUE))
        yield "reset within a dialogue", "smtp", \
            "tls_error" if whole else "starttls_protocol_error", None, cut_dialogue(position)


class Farm:
    def __init__(self):
        self.targets, self.kept, self.guests = [], [], set()
        self.ports = iter(PORTS)

    def socket(self):
        """On every address of the loopback device, on no other."""
        out = socket.socket()
        out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        out.setblocking(False)
        for port in self.ports:
            with contextlib.suppress(OSError):
                out.bind(("0.0.0.0", port))
                return out
        raise SystemExit("no free port is left")

    def add(self, name, starttls, problem, found, sock):
        self.kept.append(sock)
        self.targets.append({"kind": name, "starttls": starttls, "problem": problem,
                             "found": found, "port": sock.getsockname()[1]})

    def serve(self, name, starttls, problem, found, serve):
        sock = self.socket()
        sock.listen(4096)
        self.add(name, starttls, problem, found, sock)
        asyncio.get_running_loop().add_reader(sock, self.welcome, sock, serve)

    def welcome(self, listener, serve):
        with contextlib.suppress(BlockingIOError):
            sock = listener.accept()[0]
            sock.setblocking(False)
            guest = asyncio.get_running_loop().create_task(self.entertain(sock, serve))
            self.guests.add(guest)
            guest.add_done_callback(self.guests.discard)

    @staticmethod
    async def entertain(sock, serve):
        with sock, contextlib.suppress(OSError):
            await serve(Guest(sock))

    def without_connection(self):
        """A port that is bound but closed; one whose line is full, so that nobody is answered."""
        self.add("closed port", "none", "refused", False, self.socket())
        full = self.socket()
        full.listen(0)
        self.add("full line", "none", "timeout", False, full)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", full.getsockname()[1]))
            self.kept.append(filler)


class Lag:
    """How late this farm itself has been at most: more than a little, and it is no fair judge."""

    def __init__(self):
        self.worst, self.watch = 0.0, asyncio.get_running_loop().create_task(self.run())

    async def run(self):
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(PAUSE)
            self.worst = max(self.worst, clock() - before - PAUSE)


async def main():
    directory, stride = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    farm = Farm()
    farm.without_connection()
    for name, starttls, problem, steps, ending in SCRIPTS:
        farm.serve(name, starttls, problem, False, script(steps, ending))
    for name, problem, found, serve in certificate_kinds(directory):
        farm.serve(name, "none", problem, found, serve)
    for kind in cut_kinds(directory, stride):
        farm.serve(*kind)
    print(json.dumps(farm.targets), flush=True)
    lag = Lag()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(f"  the farm was never later than {lag.worst * 1000:.0f} ms", flush=True)
    os._exit(0)  # with whoever is still there


asyncio.run(main())
