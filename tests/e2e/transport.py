#!/usr/bin/env python3
"""The wires beside the plain ones: TLS with certificates that are exchanged while the daemon runs,
handshakes that are never finished, and the Unix socket, which knows its client's user.
"""

import contextlib
import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
from harness import (CERTLINED, Authority, Daemon, Line, Process, check, complete_config, equal,
                     loopback_config, main, need_root, run, wait_for)
from measures import private_bytes

PATIENCE = 30
HALF_HELLOS = 5000
SOURCES = 25
HALF_HELLO_BYTES = 2048  # of the daemon's memory for each, at most
PIPELINE = 300
# A record of 16 KiB is announced, and a ClientHello as long as fits, and nothing follows.
HALF_HELLO = bytes.fromhex("160301" "4000" "010" "03ffc" "0303")
# More than the daemon looks at.
LONG_HELLO = bytes.fromhex("160301" "4000" "01" "020000" "0303")
# A whole record, but of a ClientHello of which more records would have to come.
FIRST_OF_TWO = bytes.fromhex("160301" "0024" "01" "000200" "0303") + bytes(30)
PROGRAM = """#!/bin/sh
cat >>{heard}
"""


def tls_config(certificate, more="", files=None):
    chain, key = files or (certificate.chain, certificate.key)
    return f'[tls]\ncertificate = "{chain}"\nkey = "{key}"\n{more}'


class TlsLine(Line):
    """The line protocol over TLS; `certificate` is what the daemon showed, in DER."""

    def __init__(self, daemon, authority, source=None, name="localhost"):
        super().__init__(daemon.port_of("line-tls"), source=source)
        context = ssl.create_default_context(cafile=str(authority.certificate))
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.certificate = self.socket.getpeercert(binary_form=True)


def shown(daemon, authority):
    with TlsLine(daemon, authority) as line:
        return line.certificate


def leaf(certificate):
    return ssl.PEM_cert_to_DER_cert(certificate.chain.read_text())


class Files:
    """The pair that the daemon is told of, exchanged as certificate tools do it."""

    def __init__(self, directory, certificate):
        self.chain, self.key = directory / "chain.pem", directory / "key.pem"
        self.put(certificate)

    @property
    def names(self):
        return self.chain, self.key

    def put(self, certificate):
        for new, old in ((certificate.chain, self.chain), (certificate.key, self.key)):
            fresh = old.with_suffix(".new")
            shutil.copy(new, fresh)
            fresh.rename(old)


def s_client(port, *arguments, text="command ping\n", until="status ok"):
    """What openssl's client got to hear, and its complaints."""
    with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as client:
        timer = threading.Timer(PATIENCE, client.kill)
        timer.start()
        heard = b""
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write(text.encode())
            client.stdin.flush()
        while until.encode() not in heard:
            some = client.stdout.read1(65536)
            if not some:
                break
            heard += some
        client.kill()
        with contextlib.suppress(BrokenPipeError):
            client.stdin.close()
        client.wait()
        timer.cancel()
    return heard.decode("utf-8", "replace")


def gets(sock):
    """What comes before the daemon closes; b"" too where it resets the connection."""
    sock.settimeout(PATIENCE)
    heard = b""
    try:
        while some := sock.recv(65536):
            heard += some
    except ConnectionResetError:
        pass
    return heard


def foreign_clients(directory):
    """openssl's and nmap's clients; old versions and renegotiation are refused."""
    authority = Authority(directory / "ca")
    certificate = authority.issue(["localhost", "127.0.0.1"])
    with Daemon(directory, tls_config(certificate)) as daemon:
        port = daemon.port_of("line-tls")
        for arguments in (("-tls1_3",), ("-tls1_2",), ("-no_tls1_3",)):
            heard = s_client(port, "-quiet", *arguments)
            check("data pong\nstatus ok 200" in heard, f"{arguments}: {heard}")
        for version in ("-tls1", "-tls1_1"):
            heard = s_client(port, version, "-cipher", "ALL@SECLEVEL=0")
            check("pong" not in heard and "alert protocol version" in heard, heard)
        heard = s_client(port, "-tls1_2", text="R\n", until="no renegotiation")
        check("no renegotiation" in heard, heard)
        heard = s_client(daemon.port_of("https"), "-alpn", "h2", until="-- never --")
        check("no application protocol" in heard, heard)
        heard = s_client(daemon.port_of("https"), "-alpn", "h2,http/1.1", until="ALPN protocol:")
        check("ALPN protocol: http/1.1" in heard + "\n", heard)
        found = run("nmap", "-Pn", "-n", "-p", port, "--script", "ssl-enum-ciphers", "127.0.0.1")
        check("TLSv1.2" in found and "TLSv1.3" in found and "least strength: A" in found, found)
        check("TLSv1.1" not in found and "TLSv1.0" not in found, found)


def pipelining(directory):
    """Many requests in one write, in small records, and a last one that ends with the stream."""
    authority = Authority(directory / "ca")
    with Daemon(directory, tls_config(authority.issue(["localhost"]))) as daemon:
        with TlsLine(daemon, authority) as line:
            line.send(b"command ping\n" * PIPELINE)
            for byte in b"command ping\n" * 3:
                line.send(bytes([byte]))
            for _ in range(PIPELINE + 3):
                equal(line.read_reply().data, "pong", "in the pipeline")
            key = "transport-key-0001"
            names = [f"n{n}.example.org" for n in range(PIPELINE)]
            line.send("".join(f"command add domain {name} apikey {key}\n"
                              for name in names).encode())
            for name in names:
                equal(line.read_reply().pairs["domain"], name, "added")
            line.send(b"command ping")
            equal(line.read_reply().data, "pong", "an unterminated request, after silence")
        with TlsLine(daemon, authority) as line:
            line.send(b"GET / HTTP/1.1\r\n")
            reply = line.read_reply()
            check(not reply.ok and line.read_line() is None, f"HTTP within TLS: {reply}")


def wrong_port(directory):
    """Plain text at a TLS port is told so or closed; TLS at a plain port is closed."""
    authority = Authority(directory / "ca")
    with Daemon(directory, tls_config(authority.issue(["localhost"]))) as daemon:
        tls, https = daemon.port_of("line-tls"), daemon.port_of("https")
        for port, text, wanted in ((tls, b"help\n", b"status error 400 this port takes TLS only"),
                                   (tls, LONG_HELLO, b""), (https, LONG_HELLO, b""),
                                   (tls, b"\x16\x02", b""), (https, b"GET / HTTP/1.1\r\n", b"")):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as guest:
                guest.sendall(text)
                heard = gets(guest)
                check(heard.startswith(wanted) and (wanted or not heard), f"{text}: {heard}")
        context = ssl.create_default_context(cafile=str(authority.certificate))
        with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as plain:
            with contextlib.suppress(ssl.SSLError, ConnectionResetError):
                context.wrap_socket(plain, server_hostname="localhost")
                raise AssertionError("the plain port speaks TLS")
        daemon.wait_line("wrong_protocol .*looks_like=tls")
        equal(daemon.request("command ping").data, "pong", "afterwards")


@contextlib.contextmanager
def guests(port, count, text, source=lambda n: "127.0.0.1"):
    """So many connections that have said this much, and wait."""
    with contextlib.ExitStack() as stack:
        all_of_them = []
        for n in range(count):
            guest = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), PATIENCE, (source(n), 0)))
            guest.sendall(text)
            all_of_them.append(guest)
        yield all_of_them


def half_hellos(directory):
    """Thousands of clients announce a large ClientHello and stop: nobody else notices."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    authority = Authority(directory / "ca")
    config = tls_config(authority.issue(["localhost"]), f"handshake_ms = {PATIENCE * 4000}\n")
    with Daemon(directory, config) as daemon:
        shown(daemon, authority)
        before = private_bytes(daemon)
        source = lambda n: f"127.0.2.{1 + n % SOURCES}"
        with guests(daemon.port_of("line-tls"), HALF_HELLOS, HALF_HELLO, source):
            wait_for(lambda: descriptors_of(daemon) > HALF_HELLOS, "all of them to be accepted")
            with TlsLine(daemon, authority) as line:
                equal(line.request("command ping").data, "pong", "over TLS, meanwhile")
            equal(daemon.request("command ping").data, "pong", "over the plain port, meanwhile")
            each = (private_bytes(daemon) - before) / HALF_HELLOS
            print(f"      {HALF_HELLOS} half ClientHellos: {each:.0f} bytes each")
            check(each < HALF_HELLO_BYTES, f"bytes for each: {each}")
        wait_for(lambda: descriptors_of(daemon) < HALF_HELLOS / 2, "them to be gone")
        equal(daemon.request("command ping").data, "pong", "afterwards")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def handshakes_at_once(directory):
    """Over a limit a handshake is refused at once; others go on, and so does the source later."""
    authority = Authority(directory / "ca")
    config = tls_config(authority.issue(["localhost"]), f"""handshake_ms = {PATIENCE * 4000}
handshakes = 5
handshakes_per_source = 2
[limits]
exempt_loopback = false
""")
    with Daemon(directory, config) as daemon:
        port = daemon.port_of("line-tls")
        wait_for(lambda: at_rest(daemon), "the daemon's looks at its own ports to end")
        with guests(port, 3, FIRST_OF_TWO) as three:
            # Threads accept side by side, so any of them may be the one too many.
            refused = wait_for(lambda: [g for g in three if closed(g)], "one to be refused")
            equal(len(refused), 1, "of three from one source")
            with TlsLine(daemon, authority, source="127.0.3.1") as line:
                equal(line.request("command ping").data, "pong", "another source")
            with guests(port, 4, FIRST_OF_TWO, lambda n: f"127.0.3.{10 + n}") as four:
                wait_for(lambda: any(closed(g) for g in four), "the sixth to be refused")
                equal(sum(closed(g) for g in four), 1, "of four more, with five allowed")
                equal(daemon.request("command ping").data, "pong", "the plain port")
        daemon.wait_line('handshake_failed .*reason="too many handshakes at once"')
        wait_for(lambda: served(daemon, authority), "room for a handshake again")


def at_rest(daemon):
    pairs = daemon.request("command status").pairs
    return (pairs["names"], pairs["certificates"], pairs["scans_in_flight"]) == ("2", "1", "0")


def closed(guest):
    """Nothing else is said to these guests, so what is there to read is the end."""
    return bool(select.select([guest], [], [], 0)[0])


def served(daemon, authority):
    try:
        return shown(daemon, authority)
    except OSError:
        return None


def deadline(directory):
    """Whoever says nothing, half a ClientHello or half a handshake is closed in time."""
    authority = Authority(directory / "ca")
    config = tls_config(authority.issue(["localhost"]), "handshake_ms = 500\n")
    with Daemon(directory, config) as daemon:
        for wire in ("line-tls", "https"):
            for text in (b"", HALF_HELLO[:3], HALF_HELLO, FIRST_OF_TWO):
                with socket.create_connection(("127.0.0.1", daemon.port_of(wire)),
                                              PATIENCE) as guest:
                    guest.sendall(text)
                    equal(gets(guest), b"", f"{wire}: {text}")
        daemon.wait_line("handshake_failed .*reason=deadline")
        with TlsLine(daemon, authority) as line:
            equal(line.request("command ping").data, "pong", "afterwards")


def exchange(directory):
    """New files are served from the next handshake on; connections go on, and broken files change
    nothing."""
    authority = Authority(directory / "ca")
    first, second, third = (authority.issue(["localhost"]) for _ in range(3))
    files = Files(directory, first)
    with Daemon(directory, tls_config(None, files=files.names)) as daemon, \
            TlsLine(daemon, authority) as old:
        equal(old.certificate, leaf(first), "the first")
        files.put(second)
        wait_for(lambda: shown(daemon, authority) == leaf(second), "the new certificate")
        equal(old.request("command ping").data, "pong", "a connection with the old certificate")
        for broken in (lambda: files.key.write_bytes(third.key.read_bytes()),
                       lambda: files.chain.write_text("no certificate\n"), files.chain.unlink):
            count = sum("certificate_refused" in line for line in daemon.lines)
            broken()
            wait_for(lambda: sum("certificate_refused" in line for line in daemon.lines) > count,
                     "the broken pair to be refused")
            equal(shown(daemon, authority), leaf(second), "after broken files")
        files.put(third)
        daemon.signal(1)
        wait_for(lambda: shown(daemon, authority) == leaf(third), "the one after SIGHUP")
        equal(old.request("command ping").data, "pong", "the old connection still")
        files.chain.write_text("")
        daemon.signal(1)
        daemon.wait_line(r"\breloaded ")
        equal(shown(daemon, authority), leaf(third), "after SIGHUP with a broken file")


def bad_at_start(directory):
    """One line that names setting and file, and status 1."""
    authority = Authority(directory / "ca")
    good, other = authority.issue(["localhost"]), authority.issue(["localhost"])
    locked, junk = directory / "locked.key", directory / "junk.pem"
    run("openssl", "ec", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", locked)
    junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    missing = directory / "missing.pem"
    for chain, key, setting, word in ((missing, good.key, "tls.certificate", missing),
                                      (good.chain, missing, "tls.key", missing),
                                      (junk, good.key, "tls.certificate", junk),
                                      (good.chain, junk, "tls.key", junk),
                                      (good.chain, locked, "tls.key", "without a password"),
                                      (good.chain, other.key, "tls.key", "is not the key of")):
        config = directory / "bad.toml"
        config.write_text(complete_config(tls_config(None, files=(chain, key)), directory / "s"))
        with Process([CERTLINED, "serve", "--config", config]) as process:
            equal(process.wait_exit(), 1, f"{chain} {key}: {process.log()}")
            why = process.find(r"cannot_start why=.*")
            check(why and setting in why.group() and str(word) in why.group(), process.log())
            equal(len(process.lines), 1, process.log())


def own_certificate(directory):
    """Its names are watched for the operator at both ports, reached without DNS and in spite of
    the address policy; names that a new certificate leaves out no longer."""
    authority = Authority(directory / "ca")
    files = Files(directory, authority.issue(["certline.example.org", "*.demo.example.org"],
                                             days=-1, age_days=60))
    program, heard = directory / "page", directory / "heard"
    program.write_text(PROGRAM.format(heard=heard))
    program.chmod(0o755)
    config = tls_config(None, f"""[scanner]
trust_file = "{authority.certificate}"
[notify]
gather_s = 0
[[channel]]
name = "page"
kind = "program"
command = ["{program}"]
""", files.names)
    watched = lambda: int(daemon.request("command status").pairs["names"])
    with Daemon(directory, config) as daemon:
        wait_for(lambda: watched() == 4, "two names at two ports")
        wait_for(lambda: heard.exists() and "expired" in heard.read_text() and
                 "certline.example.org" in heard.read_text(), "the operator to hear of it")
        files.put(authority.issue(["certline.example.org"]))
        wait_for(lambda: watched() == 2, "one name at two ports")
        files.put(authority.issue(["other.example.org", "127.0.0.1"]))
        wait_for(lambda: watched() == 4, "a name and an address at two ports")
        daemon.stop()
        daemon.write_config("")
    with Daemon(directory, "") as daemon:
        wait_for(lambda: watched() == 0, "none without TLS")


ASK = """import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.sendall(b"command ping\\ncommand accounts\\n")
line.shutdown(socket.SHUT_WR)
print(line.makefile().read())
"""


def asked_as(user, path):
    return run("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable,
               "-c", ASK, path)


def unix_socket(directory):
    """Everybody may ask, only root and the daemon's own user may administer; the file comes and
    goes with the daemon, and nobody's place is taken."""
    path = directory / "line.sock"
    config = f'[line]\nsocket = "{path}"\n'
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with Daemon(directory, config) as daemon:
        equal(path.stat().st_mode & 0o777, 0o666, "its mode")
        check(daemon.find(f"listening protocol=socket address={path}"), daemon.log())
        root, nobody = asked_as(0, path), asked_as(65534, path)
        equal(root.count("status ok 200"), 2, root)
        check("data pong" in nobody and "status error 403" in nobody, nobody)
        other = directory / "other.toml"
        other.write_text(complete_config(config, directory / "other"))
        done = subprocess.run([CERTLINED, "serve", "--config", other], capture_output=True,
                              text=True, timeout=PATIENCE)
        check(done.returncode == 1 and "another daemon listens there" in done.stderr, done)
        equal(asked_as(0, path).count("status ok 200"), 2, "the first goes on")
        daemon.stop()
    check(not path.exists(), "the file went with the daemon")
    path.write_text("a file of somebody else\n")
    for where in (path, directory / "nowhere" / "line.sock"):
        other.write_text(complete_config(f'[line]\nsocket = "{where}"\n', directory / "other"))
        done = subprocess.run([CERTLINED, "serve", "--config", other], capture_output=True,
                              text=True, timeout=PATIENCE)
        check(done.returncode == 1 and "change line.socket" in done.stderr, done)
    equal(path.read_text(), "a file of somebody else\n", "a file that is no socket")


if __name__ == "__main__":
    need_root()
    main(foreign_clients, pipelining, wrong_port, half_hellos, handshakes_at_once, deadline,
         exchange, bad_at_start, own_certificate, unix_socket)
