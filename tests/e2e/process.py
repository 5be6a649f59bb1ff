#!/usr/bin/env python3
"""The process around the protocol: subcommands, configuration, signals, supervision, logging."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import (CERTLINED, PATIENCE, ROOT, Daemon, Failure, Line, Listener, Process, check,
                     complete_config, equal, main, wait_for)

KEY = "0123456789abcdef"
LOOPBACK = '[scanner]\nallow = ["127.0.0.0/8"]\n'


def certlined(*arguments):
    return subprocess.run([str(a) for a in (CERTLINED, *arguments)], capture_output=True, text=True,
                          timeout=PATIENCE)


class SilentServer(Listener):
    """Says `banner`, and then nothing more until its guest goes."""

    def __init__(self, banner=b""):
        self.banner, self.guests = banner, 0
        super().__init__()

    def serve(self, guest):
        self.guests += 1
        guest.sendall(self.banner)
        while guest.recv(65536):
            pass


def subcommands(directory):
    done = certlined("version")
    check(done.returncode == 0 and done.stdout.startswith("certlined "), f"version: {done}")
    equal(certlined().returncode, 2, "status without a subcommand")
    equal(certlined("serve", "--nonsense").returncode, 2, "status of an unknown option")
    empty = directory / "empty.toml"
    empty.touch()
    done = certlined("check-config", "--config", empty)
    equal(done.returncode, 0, f"an empty file is fine: {done}")


def sample_configuration(directory):
    """As it is, and with every key of it switched on."""
    sample = ROOT / "packaging/certlined.toml"
    done = certlined("check-config", "--config", sample)
    equal(done.returncode, 0, f"the sample: {done}")
    switched_on = directory / "all.toml"
    switched_on.write_text("\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in sample.read_text().splitlines()))
    check(switched_on.read_text().count("\n[") >= 5, "the sample has its sections")
    done = certlined("check-config", "--config", switched_on)
    equal(done.returncode, 0, f"the sample with every key switched on: {done}")


def unknown_key(directory):
    bad = directory / "bad.toml"
    for text, line, word in (("[line]\nidle_ms = 1000\ncolour = 1\n", 3, "line.colour"),
                             ("\n\n[painting]\n", 3, "painting"),
                             ("[line]\nquiet_ms = \"soon\"\n", 2, "line.quiet_ms"),
                             ("[line\n", 1, "")):
        bad.write_text(text)
        for arguments in (("check-config", "--config", bad), ("serve", "--config", bad)):
            done = certlined(*arguments)
            check(done.returncode == 1, f"{arguments[0]} takes {text!r}: {done}")
            check(f"{bad}:{line}:" in done.stderr and word in done.stderr, done.stderr)
    done = certlined("check-config", "--config", directory / "absent.toml")
    equal(done.returncode, 1, "a file that isn't there")


def sigterm_answers_what_is_under_way(directory):
    """Somebody waits for a scan that hangs: they are answered, and the daemon ends. It takes 5 s at
    most where the machine is its own; here it is known from the 30 s that they wait."""
    with SilentServer() as server, Daemon(directory, LOOPBACK) as daemon, daemon.line() as line:
        name = f"127.0.0.1:{server.port}"
        line.request(f"command add domain {name} apikey {KEY}")
        line.send(f"command expiration domain {name} apikey {KEY} wait 30\n".encode())
        wait_for(lambda: server.guests, "the scan to connect")
        daemon.signal(signal.SIGTERM)
        reply = line.read_reply()
        equal((reply.code, reply.pairs["problem"]), (200, "pending"), f"the answer: {reply}")
        check(line.read_line() is None, "then the connection ends")
        equal(daemon.wait_exit(20), 0, "the exit status")


def sigterm_amid_writes_and_scans(directory):
    """Whatever is under way when it comes, what was acknowledged is there, and the end is clean."""
    with SilentServer() as server:
        for turn in range(6):
            with Daemon(directory, LOOPBACK) as daemon, daemon.line() as line:
                names = [f"127.0.{turn}.{n + 1}:{server.port}" for n in range(200)]
                line.send("".join(f"command add domain {name} apikey {KEY}{turn}\n"
                                  for name in names).encode())
                for _ in range(20):
                    equal(line.read_reply().code, 200, "add")
                daemon.stop()
                acknowledged = 20
                while line.read_line() is not None:
                    check(line.read_line() is not None, "half a reply")
                    acknowledged += 1
            with Daemon(directory, LOOPBACK) as daemon, daemon.line() as line:
                for name in names[:acknowledged]:
                    request = f"command expiration domain {name} apikey {KEY}{turn}"
                    equal(line.request(request).code, 200, request)


def sigterm_again_and_again(directory):
    """An impatient supervisor doesn't turn an orderly end into a crash, at whatever moment."""
    for turn in range(3):
        home = directory / str(turn)
        home.mkdir()
        with Daemon(home) as daemon:
            while daemon.running():
                daemon.signal(signal.SIGTERM)
            equal(daemon.wait_exit(), 0, "the exit status")


def sighup(directory):
    with Daemon(directory, "[limits]\nnames_per_key = 1\n") as daemon, daemon.line() as line:
        line.request(f"command add domain a.example.org apikey {KEY}")
        add = f"command add domain b.example.org apikey {KEY}"
        equal(line.request(add).code, 429, "over the limit")
        daemon.config_file.write_text("[limits]\nnames_per_key = 2\ncolour = 1\n")
        daemon.signal(signal.SIGHUP)
        refused = daemon.wait_line(r"reload_refused .*")
        check("certlined.toml:3:" in refused.group(), refused.group())
        equal(line.request(add).code, 429, "the old limit stays")
        daemon.write_config("[limits]\nnames_per_key = 2\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_line(r"\breloaded ")
        equal(line.request(add).code, 200, "the new limit holds, on the old connection")


def one_daemon_for_one_store(directory):
    with Daemon(directory) as daemon:
        done = certlined("serve", "--config", daemon.config_file)
        equal(done.returncode, 1, f"a second daemon: {done}")
        check("store" in done.stderr, done.stderr)
        equal(daemon.request("command ping").code, 200, "the first goes on")


def supervision(directory):
    """READY when it listens, WATCHDOG as long as the event loops turn, RELOADING, STOPPING."""
    path = str(directory / "notify")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(path)
    notify.settimeout(PATIENCE)
    heard = []

    def expect(word, count=1):
        while sum(word in message for message in heard) < count:
            heard.append(notify.recv(4096).decode())

    environment = {**os.environ, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000"}
    with Daemon(directory, env=environment) as daemon:
        expect("READY=1")
        expect("WATCHDOG=1", 3)
        heard.clear()
        daemon.signal(signal.SIGHUP)
        expect("RELOADING=1")
        expect("READY=1")
        daemon.stop()
        expect("STOPPING=1")
    notify.close()


def logging(directory):
    """Keys are masked; what a peer says reaches neither log nor reply raw."""
    evil = "\x1b[31mred\r\nstatus ok 200 forged\r\n"
    with SilentServer(evil.encode()) as server, \
            Daemon(directory, LOOPBACK + '[log]\nlevel = "debug"\n') as daemon, \
            daemon.line() as line:
        name = f"127.0.0.1:{server.port}"
        for request in (f"command add domain {name} apikey {KEY}",
                        f"command scan domain {name} apikey {KEY}",
                        f"command expiration domain {name} apikey {KEY} wait 30",
                        f"command domains apikey {KEY} colour \x1b[31m",
                        f"command claim email a@example.org apikey {KEY}"):
            reply = line.request(request)
            check("\x1b" not in repr(reply.lines) and len(reply.lines) <= 2, f"{reply}")
        daemon.stop()
        text = "\n".join(daemon.lines)
        check(KEY not in text, "the log has a key")
        check(all(character.isprintable() for character in text.replace("\n", "")),
              "the log has control characters")
        for entry in daemon.lines:
            check(entry[:4].isdigit() and entry.split(" ")[1] in
                  ("debug", "info", "warning", "error"), f"not a log line: {entry}")


def no_core_dumps(directory):
    with Daemon(directory) as daemon:
        limits = pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if "core file" in line)
        equal(core.split()[4:6], ["0", "0"], "the limit on core files")


def add_until_refused(port):
    """Adds names one by one; those acknowledged, and whether one was refused with 503."""
    names = []
    with Line(port) as line:
        for i in range(6):
            reply = line.request(f"command add domain n{i}.example.org apikey {KEY}")
            if reply.code != 200:
                equal(reply.code, 503, "an add whose commit failed")
                return names, True
            names.append(f"n{i}.example.org")
    return names, False


def goes_on(port):
    try:
        with Line(port) as line:
            return line.request(f"command add domain later.example.org apikey {KEY}").code == 200
    except (Failure, OSError):
        return False


def store_panic(directory):
    """An error where a commit becomes visible makes the store unusable: the daemon says so, ends
    for its supervisor, and what it had acknowledged is there at the next start. Which write of the
    process that is depends on the store's layout, so each is tried in turn."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # not possible while traced
    for nth in range(3, 20):
        home = directory / str(nth)
        home.mkdir()
        config = home / "certlined.toml"
        config.write_text(complete_config("", home / "store"))
        with Process(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-e",
                      f"inject=pwrite64:error=EIO:when={nth}", CERTLINED, "serve", "--config",
                      config], env=environment) as process:
            port = int(process.wait_line(r"listening.*:(\d+)").group(1))
            acknowledged, refused = add_until_refused(port)
            if not refused or goes_on(port):
                continue
            equal(process.wait_exit(), 1, "the exit status")
            check(process.find("store_panic"), process.log())
        with Daemon(home) as daemon:
            names = daemon.request(f"command domains apikey {KEY}").data
            equal(names.split(" ") if names else [], acknowledged, "the names at the next start")
        return
    raise Failure("no failing write made the store unusable")


def port_is_taken(directory):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = directory / "taken.toml"
        config.write_text(f'[store]\npath = "{directory}/store"\n'
                          f'[line]\nlisten = ["127.0.0.1:{port}"]\nsocket = ""\n'
                          "[http]\nlisten = []\n")
        with Process([CERTLINED, "serve", "--config", config]) as process:
            equal(process.wait_exit(), 1, "the exit status")
            check(f"127.0.0.1:{port}" in process.log() and "line.listen" in process.log(),
                  process.log())


main(subcommands, sample_configuration, unknown_key, sigterm_answers_what_is_under_way,
     sigterm_amid_writes_and_scans, sigterm_again_and_again, sighup, one_daemon_for_one_store,
     supervision, logging, no_core_dumps, store_panic, port_is_taken)
