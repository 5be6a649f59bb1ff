#!/usr/bin/env python3
"""A DNS server that lies: public and forbidden addresses in turn, a thousand records, aliases in a
circle, labels with NUL and dots, records about other names, forged and cut messages. The daemon
connects only to addresses that it judged, and reports each lie as a problem of its own.
"""

import json
import socket
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from harness import CERTLINED, PATIENCE, Authority, Daemon, Listener, equal, main, s_server

KEY = "0123456789abcdef"
A, CNAME = 1, 5
POINTER = b"\xc0\x0c"  # to the name in the question

CONFIG = """
[scanner]
allow = ["127.0.0.2/32"]
special_names = true
trust_file = "{trust}"
timeout_ms = 3000
dns_timeout_ms = 1500
resolvers = ["127.0.0.1:{port}"]
"""


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, data):
    return owner + struct.pack(">HHIH", kind, 1, 0, len(data)) + data


def address(text, owner=POINTER):
    return record(owner, A, socket.inet_aton(text))


class LyingDns:
    """UDP and TCP at one free port. script(name, turn, tcp) gives the A records, or a function from
    the query to the messages to send; the turn counts how often the name was asked for."""

    def __init__(self, script):
        self.script = script
        self.turns = {}
        self.lock = threading.Lock()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.threads = [threading.Thread(target=each, daemon=True)
                        for each in (self._serve_udp, self._serve_tcp)]
        for thread in self.threads:
            thread.start()

    def _answers(self, query, tcp):
        end = 12
        labels = []
        while query[end]:
            labels.append(query[end + 1:end + 1 + query[end]].decode())
            end += 1 + query[end]
        question = query[12:end + 5]
        name = ".".join(labels).lower()
        kind = struct.unpack(">H", query[end + 1:end + 3])[0]
        truncated, records = False, []
        if kind == A:
            with self.lock:
                turn = self.turns.get(name, 0)
                self.turns[name] = turn + (0 if tcp else 1)
            records = self.script(name, turn, tcp)
            if callable(records):
                return records(query)
            if records is None:
                truncated, records = True, []
        flags = 0x8180 | (0x200 if truncated else 0)
        return [query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question +
                b"".join(records)]

    def _serve_udp(self):
        while True:
            query, source = self.udp.recvfrom(4096)
            if not query:
                return
            for answer in self._answers(query, False):
                self.udp.sendto(answer, source)

    def _serve_tcp(self):
        while True:
            try:
                guest = self.tcp.accept()[0]
            except OSError:
                return
            with guest:
                guest.settimeout(5)
                length = guest.recv(2, socket.MSG_WAITALL)
                if len(length) < 2:
                    continue
                query = guest.recv(struct.unpack(">H", length)[0], socket.MSG_WAITALL)
                for answer in self._answers(query, True):
                    guest.sendall(struct.pack(">H", len(answer)) + answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.udp.sendto(b"", ("127.0.0.1", self.port))  # wakes it
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.tcp.close()
        self.udp.close()


class Trap(Listener):
    """Nobody may ever connect here."""

    def __init__(self):
        self.guests = 0
        super().__init__()

    def serve(self, guest):
        self.guests += 1


def forged(query):
    """Another transaction's answer with the trap's address, nothing else."""
    return [bytes([query[0] ^ 1]) + query[1:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) +
            query[12:query.index(b"\0", 12) + 5] + address("127.0.0.2")]


def lie(name, turn, tcp):
    nul = b"\x03a\0b" + wire("demo.test")
    dotted = b"\x09inner.dot" + wire("demo.test")
    lies = {
        "rebind": [address("127.0.0.2" if turn % 2 == 0 else "127.0.0.1")],
        "inner": [address("127.0.0.1"), address("10.0.0.1"), address("169.254.169.254")],
        "circle": [record(POINTER, CNAME, wire("b.demo.test")),
                   record(wire("b.demo.test"), CNAME, wire(name))],
        "nul": [record(POINTER, CNAME, nul), address("127.0.0.2", nul)],
        "dotted": [record(POINTER, CNAME, dotted), address("127.0.0.2", dotted)],
        "other": [address("127.0.0.2", wire("elsewhere.demo.test"))],
        "forged": forged,
        "cut": lambda query: [query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:20]],
        "empty": [],
        "many": [address(f"127.{n // 250}.{n % 250}.1") for n in range(1, 1001)] if tcp else None,
    }
    return lies[name.split(".")[0]]


def each_lie_has_its_problem(directory):
    authority = Authority(directory / "ca")
    with Trap() as trap, LyingDns(lie) as dns:
        config = CONFIG.format(trust=authority.certificate, port=dns.port)
        with Daemon(directory, config) as daemon, daemon.line() as line:
            for label, problem, addresses in (
                    ("inner", "policy", "3"), ("many", "policy", "16"),
                    ("circle", "dns_error", "0"), ("nul", "dns_error", "0"),
                    ("dotted", "dns_error", "0"), ("other", "no_address", "0"),
                    ("forged", "dns_error", "0"), ("cut", "dns_error", "0"),
                    ("empty", "no_address", "0")):
                name = f"{label}.demo.test:{trap.port}"
                _, reply = line.requests(
                    f"command add domain {name} apikey {KEY}",
                    f"command expiration domain {name} apikey {KEY} wait 30")
                equal(reply.code, 200, f"{label}: {reply}")
                got = reply.pairs["problem"], reply.pairs["addresses"]
                equal(got, (problem, addresses), label)
        equal(trap.guests, 0, "connections to an address that is not allowed")


def the_judged_address_is_the_one_connected(directory):
    """By turns the answer is allowed and not. One look-up per scan, a row for what it said, and
    never a connection to the address that is not allowed."""
    authority = Authority(directory / "ca")
    certificate = authority.issue(["rebind.demo.test"])
    with Trap() as trap, LyingDns(lie) as dns, s_server(certificate, trap.port, "127.0.0.2"):
        config_file = directory / "scan.toml"
        config_file.write_text(CONFIG.format(trust=authority.certificate, port=dns.port))
        for turn in range(4):
            done = subprocess.run([CERTLINED, "scan", f"rebind.demo.test:{trap.port}", "--json",
                                   "--config", config_file],
                                  capture_output=True, text=True, timeout=PATIENCE)
            rows = [(row["address"], row["state"]) for row in json.loads(done.stdout)["addresses"]]
            wanted = ("127.0.0.2", "ok") if turn % 2 == 0 else ("127.0.0.1", "policy")
            equal(rows, [wanted], f"turn {turn}: {done}")
            equal(dns.turns["rebind.demo.test"], turn + 1, "look-ups")
        equal(trap.guests, 0, "connections to an address that is not allowed")


main(each_lie_has_its_problem, the_judged_address_is_the_one_connected)
