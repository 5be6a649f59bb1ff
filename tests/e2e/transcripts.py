#!/usr/bin/env python3
"""The transcripts of README are true: its console blocks are typed into bash while the quick start
runs. What differs each time (keys, ids, digests, times) is compared by its form.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import (CERTLINED, ROOT, Daemon, Listener, Process, accepts, check, equal, free_port,
                     main, run, wait_for)

QUICKSTART = ROOT / "packaging/quickstart"
BUILD_PATIENCE = 1800
MARK = "-- next --"

FORMS = ((r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"), (r"\b[0-9a-f]{64}\b", "SHA256"),
         (r"\b[0-9a-f]{32}\b", "HEX"), (r"\b1[0-9]{9}\b", "TIME"),
         (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "DATE"), (r"\d+ days? left", "DAYS left"))


def form(text):
    for pattern, word in FORMS:
        text = re.sub(pattern, word, text)
    return text


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / name).read_text(),
                      re.MULTILINE | re.DOTALL)


def steps(block):
    """(what is typed, what is shown) of a console block."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    check(parts[0] == "", f"a console block begins with a command: {block!r}")
    return list(zip(parts[1::2], parts[2::2]))


def type_in(commands):
    """One bash for all of them; gives what each of them printed."""
    script = "".join(f"{command}\necho '{MARK}'\n" for command in commands)
    out = subprocess.run(["bash"], input=script, capture_output=True, text=True, cwd=ROOT,
                         timeout=120)
    equal(out.stderr, "", "standard error")
    return out.stdout.split(f"{MARK}\n")


class QuickStart:
    """How the quick start runs here: with this program instead of one that it builds, its data in a
    directory of its own, and at ports of its own, so that it minds nobody who runs one by hand and
    nobody's data. CERTLINE_QUICKSTART=builds lets it build, too."""

    PROGRAM = "./build/release/bin/certlined"

    def __init__(self, directory):
        self.var = directory / "var"
        self.ports = [str(port) for port in (free_port(), free_port(), *sorted([free_port(),
                                                                                free_port()]))]
        line, http, *demo = self.ports
        self.environment = {**os.environ, "CERTLINE_VAR": str(self.var), "CERTLINE_PORT": line,
                            "CERTLINE_HTTP_PORT": http, "CERTLINE_DEMO_PORTS": " ".join(demo)}
        builds = os.environ.get("CERTLINE_QUICKSTART") == "builds"
        program = self.PROGRAM if builds else str(CERTLINED)
        if builds:
            self.environment.pop("CERTLINED", None)
        else:
            self.environment["CERTLINED"] = program
        self.instead = {self.PROGRAM: program, "var/certlined.toml": f"{self.var}/certlined.toml",
                        **dict(zip(default_ports(), self.ports))}

    def here(self, text):
        """The document's text with what differs here."""
        for there, here in self.instead.items():
            text = re.sub(rf"(?<!\w){re.escape(there)}\b", here, text)
        return text

    def all_gone(self):
        return not any(accepts(int(port)) for port in self.ports)


def default_ports():
    """Line, HTTP, healthy, expiring."""
    text = QUICKSTART.read_text()
    return re.search(r"CERTLINE_PORT:-(\d+).*CERTLINE_HTTP_PORT:-(\d+).*"
                     r"CERTLINE_DEMO_PORTS:-(\d+) (\d+)", text, re.DOTALL).groups()


def readme(directory):
    """The transcripts, with the quick start running as a newcomer runs it."""
    shown = [step for block in blocks("README.md", "console") for step in steps(block)]
    check(len(shown) > 10, "README has its transcript")
    mine = QuickStart(directory)
    with Process([QUICKSTART], cwd=ROOT, env=mine.environment) as quickstart:
        quickstart.wait_line(r"type next", BUILD_PATIENCE)
        printed = type_in([mine.here(command) for command, _ in shown])
        for (command, wanted), got in zip(shown, printed):
            # curl prints a body as it is, without a line end.
            equal(form(got).rstrip("\n"), form(mine.here(wanted)).rstrip("\n"), f"$ {command}")
        # What it says to type next is typed, too, as far as it stays on this machine.
        suggested = [line.strip() for line in quickstart.lines if line.startswith("  ")]
        check(any(line.startswith("exec 3<> /dev/tcp/") for line in suggested), f"{suggested}")
        first = type_in(suggested[:3])
        check(first[2].endswith("help on add\n"), f"{first}")
        os.killpg(quickstart.process.pid, signal.SIGINT)
        equal(quickstart.wait_exit(), 130, "the exit status")
    wait_for(mine.all_gone, "the ports to be free again")


def quickstart_no_wait(directory):
    """It ends by itself, twice in a row, and leaves no process behind."""
    mine = QuickStart(directory)
    for _ in range(2):
        out = run(QUICKSTART, "--no-wait", env=mine.environment)
        for text in ("renewal_due false expired_found false trusted true",
                     "renewal_due true expired_found false trusted true",
                     "status ok 200 nothing to do", "status ok 200 renew now"):
            check(text in out, f"the transcript lacks {text!r}:\n{out}")
        check(mine.all_gone(), "something still listens")
    check((mine.var / "store").is_dir(), "its data is where it was told to keep it")


def quickstart_taken_port(directory):
    """Two at once: the second says which port is taken and what to do."""
    mine = QuickStart(directory)
    for name in ("CERTLINE_PORT", "CERTLINE_HTTP_PORT", "CERTLINE_DEMO_PORTS"):
        with Occupant() as occupant:
            taken = str(occupant.port)
            ports = f"{mine.ports[2]} {taken}" if name == "CERTLINE_DEMO_PORTS" else taken
            done = subprocess.run([QUICKSTART, "--no-wait"], capture_output=True, text=True,
                                  timeout=120, env={**mine.environment, name: ports})
            equal(done.returncode, 1, f"the exit status: {done}")
            check(f"port {taken} is taken" in done.stderr and name in done.stderr, done.stderr)
    check(not mine.var.exists(), "nothing was written")


class Occupant(Listener):
    """Holds a port."""

    def serve(self, guest):
        pass


def protocol_session(directory):
    """The session at the head of PROTOCOL.md, line by line."""
    text = (ROOT / "protocol/PROTOCOL.md").read_text()
    session = re.search(r"marked `>`:\n\n((?:    .*\n)+)", text).group(1)
    exchanges = re.split(r"^    > (.*)\n", session, flags=re.MULTILINE)[1:]
    check(len(exchanges) >= 4, session)
    with Daemon(directory) as daemon, daemon.line() as line:
        for request, shown in zip(exchanges[::2], exchanges[1::2]):
            got = "".join(f"    {part}\n" for part in line.request(request).lines)
            equal(form(got), form(shown), f"> {request}")


def rest_session(directory):
    """The session at the head of REST.md, typed into bash with the port that the daemon has."""
    text = (ROOT / "protocol/REST.md").read_text()
    session = re.search(r"needs another\s+host name.*\n\n((?:    .*\n)+)", text).group(1)
    block = re.sub(r"\\\n\s*", "", re.sub(r"^    ", "", session, flags=re.MULTILINE))
    with Daemon(directory, '[http]\nlisten = ["127.0.0.1:0"]\n') as daemon:
        here = f"localhost:{daemon.port_of('http')}"
        shown = steps(block)
        equal(len(shown), 3, "commands")
        # What curl says of its progress is no part of it.
        printed = type_in([command.replace("localhost:10080", here).replace("curl ", "curl -s ")
                           for command, _ in shown])
        for (command, wanted), got in zip(shown, printed):
            equal(form(got).rstrip("\n"), form(wanted).rstrip("\n"), f"$ {command}")


def commands_table(directory):
    """README's table of commands is PROTOCOL.md's, which comes from the command table."""
    row = r"^\| (`command (?:\\\||[^|])*`) \| ([^|]*) \|"
    rows = lambda name: re.findall(row, (ROOT / name).read_text(), re.MULTILINE)
    equal(rows("README.md"), rows("protocol/PROTOCOL.md"), "the rows")


def folders(directory):
    """README's map has every folder, and no other."""
    shown = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    files = run("git", "ls-files", cwd=ROOT).split()
    there = {pathlib.PurePath(name).parts[0] for name in files if "/" in name}
    there = {name for name in there if not name.startswith(".") and name != "cmake"}
    equal(shown, there, "folders")


main(protocol_session, rest_session, commands_table, folders, quickstart_no_wait,
     quickstart_taken_port, readme)
