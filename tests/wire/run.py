#!/usr/bin/env python3
"""run.py BINARY TRANSCRIPT…: plays conversations against a real daemon, one fresh daemon for each
file.

A transcript is read from top to bottom; README.md beside this file lists what its lines may be.
"""

import base64
import os
import pathlib
import re
import select
import signal
import socket
import ssl
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import endings
import harness
import mailbox
from harness import Failure, check

PATTERNS = {
    "any": r".*",
    "hex32": r"[0-9a-f]{32}",
    "number": r"[0-9]+",
    "utc": r"[1-9][0-9]{9}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "word": r"\S+",
}
FLOOD_BYTES = 256 * 1024 * 1024  # a daemon that has taken this much unread doesn't stop at all


class Player:
    def __init__(self, path, binary, directory):
        self.path, self.binary, self.directory = path, binary, directory
        self.connections = {}
        self.values = {"socket": str(directory / "line.sock")}
        self.cleanup = []
        self.mailbox = None
        self.authority = None
        self.daemon = None
        self.config = []

    # Values and texts.

    def fill(self, text):
        """Placeholders of what is sent: captured values, {TEXT*N} for repetition."""
        def value(match):
            name = match.group(1)
            if name in self.values:
                return self.values[name]
            repeated = re.fullmatch(r"(.*)\*(\d+)", name, re.DOTALL)
            check(repeated, f"nothing is known as {{{name}}}")
            return repeated.group(1) * int(repeated.group(2))
        return re.sub(r"\{([^{}]+)\}", value, text)

    def outgoing(self, text):
        return self.fill(text).encode().decode("unicode_escape").encode("latin-1")

    def expected(self, text):
        """A regular expression, and the names of what it captures."""
        pattern, names, end = "", [], 0
        for match in re.finditer(r"\{([^{}]+)\}", text):
            pattern += re.escape(text[end:match.start()])
            end = match.end()
            kind, _, name = match.group(1).partition(":")
            if kind in PATTERNS:
                pattern += f"({PATTERNS[kind]})" if name else f"(?:{PATTERNS[kind]})"
                names += [name] if name else []
            else:
                pattern += re.escape(self.fill(match.group()))
        return pattern + re.escape(text[end:]), names

    def compare(self, got, wanted):
        pattern, names = self.expected(wanted)
        match = re.fullmatch(pattern, got)
        check(match, f"wanted {wanted!r}\n   got {got!r}")
        self.values.update(zip(names, match.groups()))

    # The daemon and what it looks at.

    def start(self):
        if not self.daemon:
            self.daemon = harness.Daemon(self.directory, self.fill("\n".join(self.config)),
                                         self.binary)
            self.values["port"] = str(self.daemon.port)

    def stop(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()
        self.daemon.stop()
        self.daemon = None

    def connection(self, name):
        self.start()
        if name not in self.connections:
            self.connections[name] = self.daemon.line()
        return self.connections[name]

    def end(self):
        """Nothing was said that the transcript doesn't show, and the daemon ends well."""
        if not self.daemon:
            return
        for name, line in self.connections.items():
            try:
                line.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the daemon was first
            rest = line.read_line()
            check(rest is None, f"connection {name} said more: {rest!r}")
        self.stop()

    # One method for each kind of line; `name` is the connection's.

    def do_config(self, name, text):
        check(not self.daemon, "config: comes before the first byte")
        self.config.append(text)

    def do_endpoint(self, name, text):
        """endpoint: NAME DAYS [HOST…]: a TLS server whose certificate is good for that long."""
        label, days, *hosts = text.split()
        self.authority = self.authority or harness.Authority(self.directory / "ca")
        self.values["trust"] = str(self.authority.certificate)
        certificate = self.authority.issue(hosts or ["127.0.0.1"], days=int(days), age_days=60)
        server = harness.s_server(certificate)
        self.cleanup.append(server.kill)
        self.values[f"{label}.port"] = str(server.port)
        self.values[f"{label}.sha256"] = certificate.sha256
        self.values[f"{label}.not_after"] = str(certificate.not_after)
        der = ssl.PEM_cert_to_DER_cert(certificate.chain.read_text())
        self.values[f"{label}.der"] = base64.b64encode(der).decode()

    def do_identity(self, name, text):
        """identity: HOST…: a certificate for the daemon's own TLS; gives {certificate}, {key}."""
        self.authority = self.authority or harness.Authority(self.directory / "ca")
        certificate = self.authority.issue(text.split())
        self.values["certificate"] = str(certificate.chain)
        self.values["key"] = str(certificate.key)

    def do_mailbox(self, name, text):
        """mailbox: a mail server for the daemon, which has addresses confirmed then."""
        self.mailbox = mailbox.Mailbox()
        self.cleanup.append(lambda: self.mailbox.__exit__())
        self.config += ["[accounts]", 'verification = "email"', "[http]",
                        'public_url = "https://watch.example.net"',
                        *self.mailbox.config.splitlines()]

    def do_mail(self, name, text):
        """mail TO PURPOSE…: the next mail is for TO, and has a token for each of these purposes
        and no other: {PURPOSE}, with a number behind from the second mail on."""
        to, *purposes = text.split()
        tokens = self.mailbox.next(to).tokens()
        check(sorted(tokens) == sorted(purposes), f"the mail has tokens for {sorted(tokens)}")
        for purpose, token in tokens.items():
            count = sum(1 for value in self.values if re.fullmatch(rf"{purpose}\d*", value))
            self.values[f"{purpose}{count + 1}" if count else purpose] = token

    def do_no_mail(self, name, text):
        self.mailbox.check_empty()

    def do_unused(self, name, text):
        """unused: NAME: a port at which nobody listens."""
        self.values[f"{text}.port"] = str(harness.free_port())

    def do_send(self, name, text):
        self.connection(name).send(self.outgoing(text) + b"\n")

    def do_send_bare(self, name, text):
        self.connection(name).send(self.outgoing(text))

    def do_send_slowly(self, name, text):
        """Byte by byte, each in a segment of its own."""
        for byte in self.outgoing(text):
            self.connection(name).send(bytes([byte]))

    def do_receive(self, name, text):
        line = self.connection(name).read_line()
        check(line is not None, f"wanted {text!r}\n   got the end of the connection")
        self.compare(line, text)

    def do_receive_once(self, name, text):
        """One read gives exactly this: the client is a `dd bs=1000 count=1`."""
        line = self.connection(name)
        check(not line.gathered, f"said before: {line.gathered!r}")
        got = line.socket.recv(1000).decode("ascii")
        check(got.endswith("\n"), f"one read gave part of a reply: {got!r}")
        self.compare(got[:-1].replace("\n", "\\n"), text)

    def do_silence(self, name, text):
        """silence MS: nothing comes for so long."""
        line = self.connection(name)
        readable = select.select([line.socket], [], [], int(text) / 1000)[0]
        check(not readable and not line.gathered, "said something")

    def do_connect(self, name, text):
        """connect [from ADDRESS | with TLS | to the socket]: otherwise a connection opens when it
        is first used."""
        self.start()
        check(name not in self.connections, f"{name} is open")
        if text == "to the socket":
            self.connections[name] = harness.Line.local(self.values["socket"])
            return
        if text == "with TLS":
            context = ssl.create_default_context(cafile=str(self.authority.certificate))
            plain = socket.create_connection(("127.0.0.1", self.daemon.port_of("line-tls")),
                                             harness.PATIENCE)
            self.connections[name] = harness.Line.over(
                context.wrap_socket(plain, server_hostname="127.0.0.1"))
            return
        source = text.removeprefix("from ").strip() or None
        self.connections[name] = self.daemon.line(source=source)

    def do_half_close(self, name, text):
        self.connection(name).socket.shutdown(socket.SHUT_WR)

    def do_closed(self, name, text):
        rest = self.connection(name).read_line()
        check(rest is None, f"said {rest!r} instead of closing")
        self.connections.pop(name).close()

    def do_hang_up(self, name, text):
        self.connections.pop(name).close()

    def do_flood(self, name, text):
        """Sends a request again and again, reads nothing, until the daemon closes."""
        line = self.connection(name)
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        block, sent = (self.outgoing(text) + b"\n") * 100, 0
        try:
            while sent < FLOOD_BYTES:
                sent += line.socket.send(block)
        except (BrokenPipeError, ConnectionResetError):
            self.connections.pop(name).close()
            return
        except socket.timeout:
            raise Failure("the daemon neither reads nor closes") from None
        raise Failure(f"the daemon took {sent} bytes and still goes on")

    def do_trickle(self, name, text):
        """Goes on byte by byte, never done, until the daemon has something to say."""
        line = self.connection(name)
        for byte in self.outgoing(text):
            line.send(bytes([byte]))
            if select.select([line.socket], [], [], 0.1)[0]:
                return
        raise Failure("the daemon took it all and says nothing")

    def do_until(self, name, text):
        """until CODE TEXT: sends TEXT with {n} = 1, 2, … until that code comes; before it, 200."""
        wanted, _, request = text.partition(" ")
        for n in range(1, 1_000_000):
            self.values["n"] = str(n)
            reply = self.connection(name).request(self.fill(request))
            if reply.code == int(wanted):
                return
            check(reply.code == 200, f"request {n}: {reply}")

    def do_times(self, name, text):
        """times N LINE: the same line N times over."""
        count, _, line = text.partition(" ")
        for _ in range(int(count)):
            _, word, rest = self.split(line)
            self.WORDS[word](self, name, rest)

    def do_restart(self, name, text):
        self.stop()
        self.start()

    def do_reload(self, name, text):
        """reload: [SECTION.]KEY = VALUE: changes the configuration, then SIGHUP."""
        section, key, value = re.fullmatch(r"(?:(\w+)\.)?(\w+) = (.*)", text).groups()
        self.config = [line for line in self.config if not line.startswith(f"{key} =")]
        if section:
            self.config += [f"[{section}]", f"{key} = {value}"]
        else:
            self.config.insert(0, f"{key} = {value}")
        before = len(self.daemon.lines)
        self.daemon.write_config(self.fill("\n".join(self.config)))
        self.daemon.signal(signal.SIGHUP)
        harness.wait_for(lambda: any("reload" in l for l in self.daemon.lines[before:]), "a reload")

    def do_damage(self, name, text):
        """damage: what the store has behind this key is overwritten while the daemon is down."""
        self.stop()
        data = self.directory / "store" / "data.mdb"
        content, key = bytearray(data.read_bytes()), self.outgoing(text)
        at, hits = content.find(key), 0
        while at >= 0:
            end = at + len(key)
            content[end:end + 4] = b"\xff" * 4  # the checksum
            hits += 1
            at = content.find(key, end)
        check(hits, f"the store has no {text!r}")
        data.write_bytes(content)
        self.start()

    def do_shutdown(self, name, text):
        """SIGTERM: what was asked before is answered."""
        self.daemon.signal(signal.SIGTERM)

    WORDS = {
        "config:": do_config, "identity:": do_identity,
        "endpoint:": do_endpoint, "mailbox": do_mailbox, "mail": do_mail, "no-mail": do_no_mail,
        "unused:": do_unused, "->": do_send, "~>": do_send_bare, "=>": do_send_slowly,
        "<-": do_receive, "<=": do_receive_once,
        "silence": do_silence, "connect": do_connect, "half-close": do_half_close,
        "closed": do_closed, "hang-up": do_hang_up, "flood": do_flood,
        "trickle": do_trickle, "until": do_until, "times": do_times, "restart": do_restart,
        "reload:": do_reload, "damage": do_damage, "shutdown": do_shutdown,
    }

    def play(self):
        try:
            for number, line in enumerate(self.path.read_text().splitlines(), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                name, word, text = self.split(line)
                check(word in self.WORDS, f"{self.path.name}:{number}: what is {line!r}?")
                try:
                    self.WORDS[word](self, name, text)
                except (Failure, OSError) as failure:
                    raise Failure(f"line {number}: {failure}") from None
            self.end()
        except Failure as failure:
            log = self.daemon.log() if self.daemon else ""
            raise Failure(f"{self.path.name}: {failure}\n--- the daemon's log ---\n{log}") from None
        finally:
            for action in self.cleanup:
                action()
            if self.daemon:
                self.daemon.kill()

    @staticmethod
    def split(line):
        match = re.fullmatch(r"(?:\[(\w+)\] )?(\S+)(?: (.*))?", line)
        check(match, f"what is {line!r}?")
        return match.group(1) or "", match.group(2), match.group(3) or ""


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n", maxsplit=1)[0])
    endings.prepare()
    failed = 0
    for name in sys.argv[2:]:
        path = pathlib.Path(name)
        started = time.monotonic()
        try:
            with harness.temporary_directory() as directory:
                Player(path, os.path.abspath(sys.argv[1]), directory).play()
            print(f"ok    {path.name} ({time.monotonic() - started:.1f} s)")
        except Failure as failure:
            failed += 1
            print(f"FAILED {failure}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
