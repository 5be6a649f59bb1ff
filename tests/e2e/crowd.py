#!/usr/bin/env python3
"""crowd.py KIND PORT COUNT [REQUEST]: a crowd of hostile clients. It runs in its own process, so
that its work does not make the daemon look slow. It prints "settled" once COUNT clients have
connected, and runs until it is killed: a client that is disconnected connects again.

They come from 127.0.1.1, 127.0.1.2, ..., PER_SOURCE from each. "wrong:" and a line of output means
that a reply was none the request may have.
"""

import contextlib
import os
import random
import resource
import selectors
import socket
import struct
import sys
import time

PER_SOURCE = 200
READ = 262144


class Client:
    """What all of them share: a connection from the crowd's addresses, and coming back. `due` is
    when it acts next; None while only the socket says when."""

    wants_to_read, wants_to_write = True, False

    def __init__(self, crowd, number):
        self.crowd, self.number, self.visits = crowd, number, 0
        self.connect()

    def connect(self):
        self.visits += 1
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((f"127.0.1.{1 + self.number // PER_SOURCE}", 0))
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.crowd.port))
        self.due = time.monotonic() + self.crowd.random.random() * 0.2
        self.arrived()
        events = selectors.EVENT_READ * self.wants_to_read \
            | selectors.EVENT_WRITE * self.wants_to_write
        self.crowd.selector.register(self.socket, events, self)

    def come_back(self):
        self.crowd.selector.unregister(self.socket)
        self.socket.close()
        self.connect()

    def arrived(self):
        pass

    def readable(self):
        try:
            if self.socket.recv(READ):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.come_back()

    def writable(self):
        pass

    def act(self):
        self.due = None


class Silent(Client):
    """Connects and says nothing, ever."""


class HalfLine(Client):
    """Begins a line and leaves it there."""

    def act(self):
        self.due = None
        with contextlib.suppress(OSError):
            self.socket.send(b"command expiration domain exam")


class Drip(Client):
    """A byte at a time, often enough that silence never ends the line."""

    TEXT = b"command expiration domain www.example.org apikey 0123456789abcdef ip 192.0.2.1 "

    def arrived(self):
        self.sent = 0

    def act(self):
        self.due = time.monotonic() + 0.03 + 0.05 * self.crowd.random.random()
        with contextlib.suppress(OSError):
            self.socket.send(self.TEXT[self.sent % len(self.TEXT):][:1])
            self.sent += 1


class BlankLines(Client):
    """Now and then a line end, and nothing in it."""

    def act(self):
        self.due = time.monotonic() + 0.5 + self.crowd.random.random()
        with contextlib.suppress(OSError):
            self.socket.send(b"\r\n")


class Churn(Client):
    """In and out: at once or after a request, by FIN, by half-close or by reset."""

    wants_to_write = True
    SAYINGS = (b"", b"command ping\n", b"command pi", b"\x00\xff\x1b[31m\n" * 120, b"x" * 40000)

    def writable(self):
        with contextlib.suppress(OSError):
            saying = self.SAYINGS[self.visits % len(self.SAYINGS)]
            if saying:
                self.socket.send(saying)
            leave = self.visits % 3
            if leave == 0:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            if leave == 1:  # the daemon has the last word
                self.socket.shutdown(socket.SHUT_WR)
                self.crowd.selector.modify(self.socket, selectors.EVENT_READ, self)
                return
        self.come_back()


class Hog(Client):
    """Requests without end, as fast as the daemon takes them, cut anywhere; each reply is read."""

    wants_to_write = True

    def arrived(self):
        self.rest = b""

    def readable(self):
        try:
            some = self.socket.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            some = b""
        at = some.find(b"status error 4")
        if at >= 0 and not self.crowd.may_err:
            print("wrong:", some[at:at + 120], flush=True)
        if not some:
            self.come_back()

    def writable(self):
        try:
            if not self.rest:
                self.rest = self.crowd.requests
            self.rest = self.rest[self.socket.send(self.rest):]
        except BlockingIOError:
            pass
        except OSError:
            self.come_back()


class Deaf(Hog):
    """The same, and no reply is ever read."""

    wants_to_read = False


class Trickle(Hog):
    """The same, and a byte of the replies is read each second."""

    wants_to_read = False

    def act(self):
        self.due = time.monotonic() + 1
        try:
            self.socket.recv(1)
        except BlockingIOError:
            pass
        except OSError:
            self.come_back()


KINDS = {
    "slow": (Silent, HalfLine, Drip, BlankLines),
    "silent": (Silent,),
    "churn": (Churn,),
    "hogs": (Hog,),
    "deaf": (Deaf,),
    "trickle": (Trickle,),
}


class Crowd:
    def __init__(self, kind, port, count, request):
        self.port = port
        self.random = random.Random(10023)
        self.requests = (request.encode() + b"\n") * 2000
        self.may_err = not request.startswith("command")
        self.selector = selectors.DefaultSelector()
        kinds = KINDS[kind]
        self.clients = []
        for number in range(count):
            self.clients.append(kinds[number % len(kinds)](self, number))
            if number % 100 == 99:
                self.turn()

    def turn(self):
        for key, events in self.selector.select(0.01):
            client = key.data
            if events & selectors.EVENT_READ:
                client.readable()
            elif events & selectors.EVENT_WRITE:
                client.writable()
        now = time.monotonic()
        for client in self.clients:
            if client.due is not None and client.due <= now:
                client.act()

    def settled(self):
        def connected(client):
            try:
                client.socket.getpeername()
                return True
            except OSError:
                return False
        return all(connected(client) for client in self.clients)


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)  # a real crowd has its own machines
    kind, port, count, *request = sys.argv[1:]
    crowd = Crowd(kind, int(port), int(count), *(request or ["command help"]))
    settled = False
    while True:
        crowd.turn()
        if not settled and (kind == "churn" or crowd.settled()):
            settled = True
            print("settled", flush=True)


main()
