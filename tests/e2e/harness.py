"""What the end-to-end tests share: the daemon under test, a certificate authority, and real servers
started from their own configuration in a temporary directory. line_client.py speaks to the daemon.

Everything listens on loopback at a free port. Waiting is always for a condition with a deadline.
"""

import contextlib
import datetime
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import endings
from expect import PATIENCE, Failure, check, equal, wait_for
from line_client import Line, Reply  # noqa: F401 for those who import from here

ROOT = pathlib.Path(__file__).resolve().parents[2]
CERTLINED = pathlib.Path(os.environ.get("CERTLINED", ROOT / "build/dev/bin/certlined")).resolve()


def free_port(address="127.0.0.1"):
    """One that the kernel gives to no client: it would be gone before a server listens there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    clients = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    while True:
        with socket.socket(family) as probe, contextlib.suppress(OSError):
            probe.bind((address, random.randrange(10_200, int(clients[0]))))
            return probe.getsockname()[1]


def accepts(port, address="127.0.0.1"):
    try:
        socket.create_connection((address, port), timeout=1).close()
        return True
    except OSError:
        return False


def need_root():
    """Some servers drop rights themselves and refuse to start without any to drop."""
    if os.geteuid() != 0:
        os.execvp("sudo", ["sudo", "-n", "-E", sys.executable, *sys.argv])


def run(*argv, **options):
    """A command that has to succeed; gives its standard output."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120,
                          **options)
    check(done.returncode == 0, f"{argv[0]} failed ({done.returncode}): {argv}\n{done.stdout}"
                                f"{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def temporary_directory():
    """Other users may pass through: servers drop their rights before they read what is in it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="certline-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Process:
    """A program in a process group of its own; what it says is gathered line by line."""

    def __init__(self, argv, **options):
        self.argv = [str(a) for a in argv]
        self.lines = []
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True, **options)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def log(self, last=60):
        return "\n".join(self.lines[-last:])

    def running(self):
        return self.process.poll() is None

    def find(self, pattern):
        return next((m for m in (re.search(pattern, line) for line in list(self.lines)) if m), None)

    def wait_line(self, pattern, patience=PATIENCE):
        def look():
            match = self.find(pattern)
            if not match and not self.running():
                self.reader.join(5)
                match = self.find(pattern)
                check(match, f"{self.argv[0]} ended ({self.process.returncode}) before it said "
                             f"/{pattern}/:\n{self.log()}")
            return match
        try:
            return wait_for(look, f"/{pattern}/", patience)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.log()}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, patience=PATIENCE):
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.argv[0]} doesn't end\n{self.log()}") from None
        self.reader.join(5)
        return status

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Server(Process):
    """A server of someone else's: up when its port accepts, down by SIGTERM, then SIGKILL."""

    def __init__(self, argv, port, address="127.0.0.1", **options):
        super().__init__(argv, **options)
        self.port = port
        try:
            wait_for(lambda: accepts(port, address) or not self.running(), f"{argv[0]} on {port}")
            check(self.running(), f"{argv[0]} ended at once")
        except Failure as failure:
            self.kill()
            raise Failure(f"{failure}\n{self.log()}") from None

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.kill()


class Daemon(Process):
    """certlined on a free port; {store} in the configuration is a fresh directory."""

    def __init__(self, directory, config="", binary=CERTLINED, arguments=(), **options):
        self.directory = pathlib.Path(directory)
        self.config_file = self.directory / "certlined.toml"
        self.store = self.directory / "store"
        self.write_config(config)
        super().__init__([binary, "serve", "--config", self.config_file, *arguments], **options)
        try:
            self.port = self.port_of("line")
        except Failure:
            self.kill()
            raise

    def port_of(self, protocol):
        """Where it listens: "line", "line-tls", "http" or "https"."""
        match = self.wait_line(rf"\blistening protocol={protocol} address=\"?[\w.:\[\]]+:(\d+)")
        return int(match.group(1))

    def write_config(self, config):
        self.config_file.write_text(complete_config(config, self.store))

    def line(self, **where):
        return Line(self.port, **where)

    def request(self, text):
        with self.line() as line:
            return line.request(text)

    def stop(self):
        """SIGTERM ends it within five seconds (sanitizers take their time), and with status 0."""
        if self.running():
            self.signal(signal.SIGTERM)
        status = self.wait_exit(20)
        equal(status, 0, f"the daemon's exit status; its log:\n{self.log()}\n")

    def __exit__(self, kind, value, trace):
        if kind is None:
            try:
                self.stop()
            finally:
                self.kill()
        else:
            self.kill()
            print(f"--- the daemon's log ---\n{self.log()}\n---", file=sys.stderr)


def complete_config(config, store):
    """Adds what a test must not take from the defaults: store, ports, resolver. There is neither
    HTTP nor a Unix socket unless the test asks for it; TLS comes with tls.certificate."""
    sections, rows = {"": []}, []
    here = sections[""]
    for line in config.strip().splitlines():
        match = re.fullmatch(r"\s*\[([\w.]+)\]\s*", line)
        if match:
            here = sections.setdefault(match.group(1), [])
        elif re.fullmatch(r"\s*\[\[\w+\]\]\s*", line):
            here = rows
            here.append(line)
        else:
            here.append(line)

    def default(section, key, value):
        lines = sections.setdefault(section, [])
        if not any(re.match(rf"\s*{key}\s*=", line) for line in lines):
            lines.append(f"{key} = {value}")

    default("store", "path", f'"{store}"')
    default("line", "listen", '["127.0.0.1:0"]')
    default("line", "listen_tls", '["127.0.0.1:0"]')
    default("line", "socket", '""')
    default("http", "listen", "[]")
    default("http", "listen_tls", '["127.0.0.1:0"]')
    default("scanner", "resolvers", '["127.0.0.1:9"]')  # nobody: no test asks the real DNS
    text = "".join(f"[{name}]\n" * bool(name) + "\n".join(lines) + "\n"
                   for name, lines in sections.items()) + "".join(f"{row}\n" for row in rows)
    return text.replace("{store}", str(store))


class Certificate:
    def __init__(self, chain, key):
        self.chain, self.key = pathlib.Path(chain), pathlib.Path(key)

    @property
    def sha256(self):
        text = run("openssl", "x509", "-in", self.chain, "-noout", "-fingerprint", "-sha256")
        return text.strip().split("=")[1].replace(":", "").lower()

    @property
    def not_after(self):
        text = run("openssl", "x509", "-in", self.chain, "-noout", "-enddate", "-dateopt",
                   "iso_8601")
        when = datetime.datetime.strptime(text.strip().split("=")[1], "%Y-%m-%d %H:%M:%SZ")
        return int(when.replace(tzinfo=datetime.timezone.utc).timestamp())


AUTHORITY_CONFIG = """
[ca]
default_ca = here
[here]
database = {directory}/index.txt
rand_serial = yes
new_certs_dir = {directory}
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = optional
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""


class Authority:
    """A certificate authority by openssl's command line."""

    def __init__(self, directory, name="certline test root"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.directory.chmod(0o755)
        self.certificate, self.key = self.directory / "root.pem", self.directory / "root.key"
        self.count = 0
        (self.directory / "index.txt").touch()
        config = self._config([])
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", self.key, "-out", self.certificate, "-subj", f"/CN={name}",
            "-days", "3650", "-config", config, "-extensions", "root")

    def _config(self, names):
        kind = lambda n: "IP" if re.fullmatch(r"[0-9.]+|.*:.*", n) else "DNS"
        san = ", ".join(f"{kind(n)}:{n}" for n in names) or "DNS:unused.test"
        path = self.directory / f"{self.count}.cnf"
        path.write_text("[req]\ndistinguished_name = dn\n[dn]\n" +
                        AUTHORITY_CONFIG.format(directory=self.directory, names=san))
        return path

    def issue(self, names, days=90, age_days=1, rsa=False):
        """A leaf that was issued age_days ago and expires in `days` (negative: it has expired)."""
        self.count += 1
        stem = self.directory / f"leaf{self.count}"
        config = self._config(names)
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        run("openssl", "req", "-new", "-newkey", *kind, "-nodes", "-keyout", f"{stem}.key",
            "-out", f"{stem}.csr", "-subj", f"/CN={names[0]}", "-config", config)
        now = datetime.datetime.now(datetime.timezone.utc)
        when = lambda offset: (now + datetime.timedelta(days=offset)).strftime("%Y%m%d%H%M%SZ")
        run("openssl", "ca", "-batch", "-notext", "-config", config, "-extensions", "leaf",
            "-cert", self.certificate, "-keyfile", self.key, "-in", f"{stem}.csr", "-out",
            f"{stem}.pem", "-startdate", when(-age_days), "-enddate", when(days))
        os.chmod(f"{stem}.key", 0o644)  # test keys: servers read them after dropping rights
        return Certificate(f"{stem}.pem", f"{stem}.key")


def s_server(certificate, port=None, address="127.0.0.1", arguments=()):
    """openssl s_server, which serves one connection after another."""
    port = port or free_port(address)
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return Server(["openssl", "s_server", "-accept", where, "-cert", certificate.chain, "-key",
                   certificate.key, "-quiet", "-www", *arguments], port, address)


class Listener:
    """A server of the test's own at a free port: serve(guest) runs in a thread for each guest, who
    is sent off when that returns."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                guest = self.socket.accept()[0]
                threading.Thread(target=self._guest, args=(guest,), daemon=True).start()

    def _guest(self, guest):
        guest.settimeout(PATIENCE)
        with contextlib.suppress(OSError), guest:
            self.serve(guest)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


LOOPBACK_CONFIG = """
[scanner]
allow = ["127.0.0.0/8", "::1/128"]
special_names = true
trust_file = "{trust}"
"""


def loopback_config(authority, more=""):
    return LOOPBACK_CONFIG.replace("{trust}", str(authority.certificate)) + more


def main(*tests):
    """Runs each test with a temporary directory; the exit status says whether all went well."""
    sys.stdout.reconfigure(line_buffering=True)
    endings.prepare()
    wanted = sys.argv[1:]
    failed = []
    for test in tests:
        name = test.__name__
        if wanted and name not in wanted:
            continue
        started = time.monotonic()
        try:
            with temporary_directory() as directory:
                test(directory)
            print(f"ok    {name} ({time.monotonic() - started:.1f} s)")
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            failed.append(name)
            print(f"FAILED {name}: {failure}")
    sys.exit(1 if failed else 0)
