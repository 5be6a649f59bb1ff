"""What the tests of injected failures share: a daemon with a preloaded library that fails one call,
a DNS server, a workload that remembers every outcome, and the check of what must hold afterwards.
"""

import errno
import itertools
import os
import re
import signal
import socket
import threading
import time

from harness import (CERTLINED, Daemon, Failure, Line, Process, check, complete_config, equal,
                     wait_for)

LIBRARIES = CERTLINED.parents[1] / "lib"
KEY = "0123456789abcdef"
LATER_NAMES = 4
BOUND_S = 20  # for whatever the daemon is asked; more is a hang
FATAL = r"^\S+ error (cannot_start|store_panic|died) |^certlined: "
# The loader, the C++ runtime before main() and the C library end a process in their own words.
OTHERS_WORDS = (r"error while loading shared libraries|^\s*what\(\):  std::bad_alloc|"
                r"^Fatal glibc error: .* out of memory")


class NameServer:
    """Every name under demo.test is at 127.0.0.1; nobody else exists."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            if not question:
                return
            self.socket.sendto(self.answer(question), client)

    @staticmethod
    def answer(question):
        end = question.index(b"\0", 12) + 5  # behind name, type and class
        known = question[12:end - 5].lower().endswith(b"\x04demo\x04test")
        is_a = question[end - 4:end - 2] == b"\0\x01"
        records = (b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01",) if known and is_a else ()
        flags = b"\x85\x80" if known else b"\x85\x83"
        return (question[:2] + flags + b"\0\x01\0" + bytes([len(records)]) + b"\0\0\0\0" +
                question[12:end] + b"".join(records))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


class Fault:
    """The n-th call of a kind fails; `how` is the name of an errno, "short" or "drop"."""

    def __init__(self, call, how, nth, report, library="fail_call", since=None):
        self.library, self.report, self.nth = library, report, nth
        self.environment = {"FAULT_CALL": call, "FAULT_NTH": str(nth), "FAULT_REPORT": str(report),
                            "FAULT_HOW": str(getattr(errno, how, how))}
        if since:
            self.environment["FAULT_FROM"] = since
        self.text = f"{call} {nth} failing with {how}"

    def fired(self):
        return self.report.exists()


def preload(library, environment):
    path = LIBRARIES / f"lib{library}.so"
    check(path.exists(), f"{path} is not built")
    return {**os.environ, "LD_PRELOAD": str(path),
            "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0", **environment}


class Outcomes:
    """What a client was told of its names."""

    def __init__(self):
        self.present, self.absent, self.unsure = {}, set(), set()

    def added(self, name, reply):
        if reply is None:
            self.unsure.add(name)
        elif reply.code == 200:
            known = self.present.setdefault(name, reply.pairs["id"])
            equal(reply.pairs["id"], known, f"the id of {name} when it is added again")
            self.unsure.discard(name)
            self.absent.discard(name)
        elif name not in self.present:
            self.absent.add(name)

    def removed(self, name, reply):
        if reply is None:
            self.unsure.add(name)
            self.present.pop(name, None)
        elif reply.code in (200, 404):
            self.present.pop(name, None)
            self.unsure.discard(name)
            self.absent.add(name)

    def undecided(self):
        """The store became unusable: what failed may have been kept all the same."""
        self.unsure |= self.absent
        self.absent.clear()


class Client:
    """Sends one request after another; a connection that breaks is replaced by the next one."""

    def __init__(self, port):
        self.port, self.line = port, None

    def ask(self, text):
        """The reply, or None where none came and none will."""
        try:
            if self.line is None:
                self.line = Line(self.port)
                self.line.socket.settimeout(BOUND_S)
            return self.line.request(text)
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise Failure(f"{text!r} hangs") from None
            return None
        except Failure as failure:
            self.close()
            if "no line came" in str(failure):
                raise Failure(f"{text!r} hangs") from None
            return None

    def close(self):
        if self.line is not None:
            self.line.close()
        self.line = None


class Rig:
    """One daemon after another on a store of its own, under one fault."""

    def __init__(self, directory, config, tls_port, binary=CERTLINED):
        self.directory, self.binary, self.tls_port = directory, binary, tls_port
        self.config = config
        self.config_file = directory / "certlined.toml"
        self.store = directory / "store"
        self.outcomes = Outcomes()

    def run(self, fault, workload):
        """The workload under the fault, then what must hold. Gives how the daemon took it:
        "refused to start", "went on" or "ended"."""
        self.config_file.write_text(complete_config(self.config, self.store))
        argv = [self.binary, "serve", "--config", self.config_file]
        environment = preload(fault.library, fault.environment)
        with Process(argv, env=environment) as process:
            try:
                return self._run(process, workload)
            except Failure as failure:
                raise Failure(f"{fault.text}: {failure}\n{process.log()}") from None

    def _run(self, process, workload):
        started = wait_for(lambda: process.find(r"listening.*:(\d+)") or not process.running(),
                           "the daemon to start or to end", BOUND_S)
        if started is True:
            self.ended(process)
            return "refused to start"
        client = Client(int(started.group(1)))
        workload(client, self.outcomes)
        if self.goes_on(process, client):
            client.close()
            process.signal(signal.SIGTERM)
            if process.wait_exit(BOUND_S) != 0:
                self.ended(process)
            return "went on"
        self.ended(process)
        return "ended"

    def ended(self, process):
        """It ended by itself: with status 1, and one line that says why."""
        status = process.wait_exit(BOUND_S)
        if not process.find(r"\S"):
            raise Failure(f"it ended without a word ({status})")
        if process.find(OTHERS_WORDS):
            return
        equal(status, 1, "the exit status")
        said = [line for line in process.lines if re.search(FATAL, line)]
        equal(len(said), 1, f"lines that say why it ended, {said}")
        if "store_panic" in said[0]:
            self.outcomes.undecided()

    def goes_on(self, process, client):
        """True: it answers, saves and scans, the scan on request where the first one failed. False:
        it has ended, or is about to."""
        deadline, reply = time.monotonic() + BOUND_S, None
        for attempt in itertools.count():
            if not process.running():
                return False
            check(time.monotonic() < deadline, f"it neither recovers nor ends: {reply}")
            name = f"later{attempt % LATER_NAMES}.demo.test:{self.tls_port}"
            added = client.ask(f"command add domain {name} apikey {KEY}")
            self.outcomes.added(name, added)
            reply = client.ask(f"command expiration domain {name} apikey {KEY} wait 2")
            if reply is not None and reply.pairs.get("problem") == "none":
                return True
            client.ask(f"command scan domain {name} apikey {KEY}")

    def check_kept(self):
        """A clean start finds what was acknowledged, and scans it."""
        with Daemon(self.directory, self.config, binary=self.binary) as daemon, \
                daemon.line() as line:
            names = set((line.request(f"command domains apikey {KEY}").data or "").split())
            lost = set(self.outcomes.present) - self.outcomes.unsure - names
            equal(lost, set(), "acknowledged names that are lost")
            equal(names & self.outcomes.absent, set(), "names that were refused or removed")
            for name, known in self.outcomes.present.items():
                if name in names:
                    again = line.request(f"command add domain {name} apikey {KEY}")
                    equal(again.pairs["id"], known, f"the id of {name}")
            for name in names:
                wanted = "none" if ".demo.test" in name or name[:4] == "127." else "no_address"
                self.wait_problem(line, name, wanted)

    @staticmethod
    def wait_problem(line, name, wanted):
        """What the failure left in the name's row goes away with the next scan."""
        def settled():
            reply = line.request(f"command expiration domain {name} apikey {KEY}")
            problem = reply.pairs["problem"]
            if problem not in ("pending", wanted):
                line.request(f"command scan domain {name} apikey {KEY}")
            return problem == wanted
        wait_for(settled, f"{name} to be {wanted}")
