"""An HTTP request to certlined, compared with nginx, which serves a fixed body of 300 bytes from
its configuration. One worker each, and connections that end after as many requests.
"""

import pathlib
import re
import subprocess
import sys

from measure import CONNECTIONS, KEY, paired

from harness import PATIENCE, Server, free_port
from hits import NAMES, seeded

REQUESTS_PER_CONNECTION = 100  # what http.requests_per_connection is by default
HTTP = '[http]\nlisten = ["127.0.0.1:0"]'
NAME = "n000000007.example.org"


def nginx(directory):
    port = free_port()
    directory = pathlib.Path(directory) / "nginx"
    directory.mkdir()
    paths = "\n".join(f"  {kind}_temp_path {directory}/{kind};"
                      for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(f"""
user root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
{paths}
  keepalive_requests {REQUESTS_PER_CONNECTION};
  default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    return 200 "{"x" * 300}";
  }}
}}
""")
    return Server(["nginx", "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"], port)


def wrk(url, seconds):
    done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s",
                           "--latency", url], capture_output=True, text=True,
                          timeout=seconds + PATIENCE)
    if done.returncode != 0 or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        sys.exit(f"wrk met errors: {url}\n{done.stdout}{done.stderr}")
    tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    scale = {"us": 1, "ms": 1e3, "s": 1e6}[tail[2]]
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1]),
            "p99_us": float(tail[1]) * scale}


def bench_rest(directory, seconds):
    with seeded(directory / "s", NAMES, HTTP) as daemon, nginx(directory) as peer:
        ours = (f"http://127.0.0.1:{daemon.port_of('http')}/api/v1.0/servers/expiration/{NAME}"
                f"?api_key={KEY}")
        theirs = f"http://127.0.0.1:{peer.port}/"
        wrk(ours, 1)
        yield (f"expiration by HTTP, {CONNECTIONS} connections", "nginx, a fixed body of 300 bytes",
               paired(lambda: wrk(ours, seconds), lambda: wrk(theirs, seconds)))
