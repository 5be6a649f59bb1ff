#!/usr/bin/env python3
"""Clients that speak something else: nmap's service probes, HTTP, TLS, SMTP, and bytes that no
client sends on purpose. The daemon answers each with a clear line or closes. It serves none, does
not hang, and logs them at a limited rate.
"""

import concurrent.futures
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from harness import PATIENCE, Daemon, Failure, Line, check, equal, main

KEY = "0123456789abcdef"
PROBES = pathlib.Path("/usr/share/nmap/nmap-service-probes")
ESCAPES = {"0": 0, "a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
FIRST_REQUEST_S = 10  # line.first_request_ms
ADD = f"command add domain foreign.example.org apikey {KEY}"
PER_MINUTE = 60  # log lines of one event


def unescaped(text):
    def one(match):
        word = match.group(1)
        code = int(word[1:], 16) if word[0] == "x" else ESCAPES.get(word, ord(word))
        return chr(code)
    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text).encode("latin-1")


def nmap_probes():
    """Name and bytes of every TCP probe."""
    probes = []
    for line in PROBES.read_text(encoding="latin-1").splitlines():
        match = re.match(r"Probe TCP (\S+) q(.)", line)
        if match:
            delimiter = match.group(2)
            probes.append((match.group(1), unescaped(line[match.end():].split(delimiter)[0])))
    return probes


def converse(port, data):
    """Sends it, and reads what comes until the daemon closes; when it has answered and waits for
    more, until our half-close ends it. Gives the lines, and how long the first one took."""
    started = time.monotonic()
    with Line(port) as line:
        line.socket.settimeout(2.5 * FIRST_REQUEST_S)
        line.send(data)
        lines = [line.read_line()]
        took = time.monotonic() - started
        try:
            line.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has closed
        while lines[-1] is not None:
            lines.append(line.read_line())
        return lines[:-1], took


def check_refusal(what, lines):
    check(lines, f"{what}: closed without a word")
    for line in lines:
        check(line.startswith("status error ") and line.isascii() and line.isprintable()
              and len(line) < 1000, f"{what}: {line!r}")


def nmap(directory):
    probes = nmap_probes()
    check(len(probes) >= 90, f"only {len(probes)} probes in {PROBES}")
    outcomes = {}
    with Daemon(directory) as daemon:
        with concurrent.futures.ThreadPoolExecutor(len(probes)) as pool:
            started = [(name, pool.submit(converse, daemon.port, data)) for name, data in probes]
            for name, running in started:
                lines, took = running.result()
                check_refusal(name, lines)
                check(took < 2 * FIRST_REQUEST_S, f"{name}: the answer took {took:.1f} s")
                codes = {line.split()[2] for line in lines}
                ported = len(lines) == 1 and "port" in lines[0] and "speaks plain text" in lines[0]
                outcome = "shown the right port" if ported else f"answered {'/'.join(codes)}"
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
        equal(daemon.request("command ping").data, "pong", "and then")
    print(f"      {len(probes)} probes sent: "
          + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))


def check_not_served(daemon):
    equal(daemon.request(f"command domains apikey {KEY}").code, 401, "nothing was registered")


def tool(*argv, status=None):
    """What a command-line client makes of it, within its patience."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    check(done.returncode != 0 if status is None else done.returncode == status,
          f"{argv}: {done.returncode}\n{text}")
    return text


def http(directory):
    with Daemon(directory) as daemon:
        url = f"http://127.0.0.1:{daemon.port}"
        posted = ("--data-binary", f"\n{ADD}\n")
        for arguments in ((), posted, ("-X", "PUT", *posted), ("-X", "DELETE"),
                          ("-X", "OPTIONS"), ("-X", "PATCH", *posted)):
            text = tool("curl", "-sS", "--http0.9", "-m", 20, "-o", "-", *arguments,
                        f"{url}/api", status=0)
            equal(text.count("status error 400 "), 1, f"{arguments}: {text}")
            check("10080" in text, f"no port is named: {text}")
        tool("curl", "-sS", "-m", 20, "-I", url)
        check("HTTP/0.9" in tool("curl", "-sS", "-m", 20, url), "curl as it comes")
        tool("curl", "-sS", "--http2-prior-knowledge", "-m", 20, url)
        check_not_served(daemon)
        check(daemon.find("wrong_protocol .*looks_like=http"), daemon.log())


def tls(directory):
    with Daemon(directory) as daemon:
        where = f"127.0.0.1:{daemon.port}"
        tool("curl", "-sSk", "-m", 20, f"https://{where}/")
        for version in ("-tls1_2", "-tls1_3"):
            text = tool("openssl", "s_client", "-connect", where, version)
            check("wrong version number" in text or "packet length" in text, text)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:  # a name that a handshake carries in the clear doesn't become a request
            with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as client:
                context.set_alpn_protocols([f"\n{ADD}\n"])
                context.wrap_socket(client, server_hostname="x.example.org")
            raise Failure("the handshake succeeded")
        except ssl.SSLError:
            pass
        lines, _ = converse(daemon.port, b"\x16\x03\x01\x02\x00\x01" + f"\n{ADD}\n".encode())
        check_refusal("ClientHello", lines)
        check(len(lines) == 1 and "10024" in lines[0], f"{lines}")
        check_not_served(daemon)
        check(daemon.find("wrong_protocol .*looks_like=tls"), daemon.log())


def smtp(directory):
    with Daemon(directory) as daemon:
        mail = f"MAIL FROM:<a@example.org>\r\nDATA\r\n{ADD}\r\n.\r\n"
        for greeting in ("EHLO mail.example.org", "HELO mail.example.org", "ehlo [127.0.0.1]",
                         "EHLO"):
            lines, _ = converse(daemon.port, f"{greeting}\r\n{mail}".encode())
            check_refusal(greeting, lines)
            equal(len(lines), 1, f"{greeting}: {lines}")
        # A client that waits for the greeting first hears why there is none.
        text = tool("openssl", "s_client", "-starttls", "smtp", "-connect",
                    f"127.0.0.1:{daemon.port}")
        check("CONNECTED" in text, text)
        check_not_served(daemon)
        check(daemon.find("wrong_protocol .*looks_like=smtp"), daemon.log())


def strange_bytes(directory):
    """Every byte there is, alone and inside a request; ESC, CR and NUL come back neither in a reply
    nor in the log."""
    evil = b"\x1b[31m\x1b]0;owned\x07\r\x00\x7f\x9b2J\xe2\x80\xae\xff\xfe"
    with Daemon(directory, '[log]\nlevel = "debug"\n') as daemon, daemon.line() as line:
        sent = 0
        for byte in range(256):
            raw = bytes([byte])
            for before, behind in ((b"", b""), (b"command pi", b"ng"), (b"command ", b"ping"),
                                   (b"command expiration domain a.example.org apikey " + b"k" * 16,
                                    b"")):
                text = before + raw + behind
                if byte == 10 or not text.strip(b" \t\r"):
                    continue  # several lines, or none
                line.send(text + b"\n")
                reply = line.read_reply()
                check(reply.code in (400, 401, 413, 422) or text.split() == [b"command", b"ping"],
                      f"{text!r}: {reply}")
                check_refusal(text, reply.lines) if not reply.ok else None
                line.request("command ping")  # or a hundred malformed lines end it
                sent += 1
        for text in (evil, b"command help on " + evil, b"command " + evil, evil + b" " + evil,
                     b"command ping domain " + evil, b"command claim email " + evil + b"@a.example "
                     + b"apikey " + KEY.encode(),
                     b"command add domain " + evil + b" apikey " + evil):
            line.send(text + b"\n")
            check_refusal(text, line.read_reply().lines)
            sent += 1
        daemon.stop()
        check(all(character.isprintable() for entry in daemon.lines for character in entry),
              "the log has control characters")
    print(f"      {sent} lines of strange bytes")


def log_volume(directory):
    """However many of them come, the log stays small, and says how much it left out."""
    kinds = {"wrong_protocol": (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05", b"EHLO x\r\n")}
    visits = 0
    with Daemon(directory, "[line]\nconnections_per_source = 20\n") as daemon:
        for _ in range(200):
            for data in kinds["wrong_protocol"]:
                converse(daemon.port, data)
                visits += 1
        crowd = [Line(daemon.port) for _ in range(220)]
        for line in crowd:
            line.close()
        visits += len(crowd)
        daemon.stop()
        for event in ("wrong_protocol", "connection_refused"):
            lines = [entry for entry in daemon.lines if entry.split(" ")[2] == event]
            # Two minutes may have been begun meanwhile.
            check(PER_MINUTE <= len(lines) <= 2 * PER_MINUTE, f"{len(lines)} lines of {event}")
        size = sum(len(entry) + 1 for entry in daemon.lines)
        print(f"      {visits} visits, {len(daemon.lines)} log lines, {size} bytes")
        check(size < 64 * 1024, f"{size} bytes of log")


main(nmap, http, tls, smtp, strange_bytes, log_volume)
