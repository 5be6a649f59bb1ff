"""For tests of notifications: a webhook receiver, and a way to set the daemon's clock, because some
events are reported only after a while.
"""

import http.server
import json
import os
import pathlib
import ssl
import threading

from harness import CERTLINED, run, wait_for


class Receiver:
    """A webhook's receiver: keeps what it took, answers with `status`."""

    def __init__(self, certificate=None):
        self.status = 204
        self.taken = []  # (headers, body) of what it said yes to
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status < 300:
                    receiver.taken.append((self.headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def messages(self, event=None):
        parsed = [json.loads(body) for _, body in list(self.taken)]
        return [m for m in parsed if event in (None, m["event"])]

    def wait(self, event, count=1):
        return wait_for(lambda: len(self.messages(event)) >= count and self.messages(event),
                        f"{count} of {event}; there are {[m['event'] for m in self.messages()]}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Clock:
    """The daemon's wall clock, which the test sets forward."""

    def __init__(self, directory):
        self.file = pathlib.Path(directory) / "clock"
        self.forward(0)

    def forward(self, seconds):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"+{seconds}\n")
        fresh.rename(self.file)

    @property
    def environment(self):
        library = run("sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1").strip()
        sanitizer = run("sh", "-c", 'ldd "$1" | sed -n "s/.*=> \\(.*libasan[^ ]*\\) .*/\\1/p"',
                        "sh", CERTLINED).strip()
        return dict(os.environ, LD_PRELOAD=f"{sanitizer} {library}".strip(), TZ="UTC",
                    FAKETIME_TIMESTAMP_FILE=str(self.file), FAKETIME_NO_CACHE="1",
                    FAKETIME_DONT_FAKE_MONOTONIC="1")


def webhook(name, url, more=""):
    return f'\n[[channel]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n{more}'
