"""Scans of nginx endpoints against a bare OpenSSL loop."""

import subprocess
import sys

from measure import BINARIES, ROUNDS, figures, median

from harness import Authority, Server, free_port

SCANS = 3000


def nginx_farm(directory, certificate):
    port = free_port("127.0.1.1")
    listen = "".join(f"listen 127.0.1.{i}:{port} ssl;\n" for i in range(1, 17))
    conf = directory / "nginx.conf"
    conf.write_text(f"""
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr crit; user root;
events {{ worker_connections 8192; }}
http {{ access_log off; ssl_session_cache off; ssl_session_tickets off;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{ {listen} ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};
  return 204; }} }}
""")
    return Server(["nginx", "-p", directory, "-c", conf, "-e", "stderr"], port, "127.0.1.1")


def bench_scans(directory, _seconds):
    authority = Authority(directory / "ca")
    certificate = authority.issue([f"127.0.1.{i}" for i in range(1, 17)])
    with nginx_farm(directory, certificate) as server:
        def scans(kind, in_flight):
            done = subprocess.run([BINARIES / "scan_load", kind, authority.certificate,
                                   str(server.port), str(SCANS), str(in_flight)],
                                  capture_output=True, text=True, check=True)
            result = figures(done.stdout)
            if result["ok"] != SCANS:
                sys.exit(f"not every scan was ok: {done.stdout}{done.stderr}")
            return result

        for in_flight in (64, 1000):
            rounds = [(scans("scanner", in_flight), scans("bare_loop", 1)) for _ in range(ROUNDS)]
            name = f"{SCANS} scans, {in_flight} in flight"
            yield (f"{name}: rate", "bare OpenSSL loop",
                   (median([a["rate"] for a, _ in rounds]), median([b["rate"] for _, b in rounds]),
                    median([a["rate"] / b["rate"] for a, b in rounds]), 0))
            yield (f"{name}: CPU seconds", "bare OpenSSL loop",
                   (median([a["cpu_s"] for a, _ in rounds]),
                    median([b["cpu_s"] for _, b in rounds]),
                    median([a["cpu_s"] / b["cpu_s"] for a, b in rounds]), 0))
            print(f"  ({name}: peak memory {median([a['peak_kib'] for a, _ in rounds]):.0f} KiB)")
