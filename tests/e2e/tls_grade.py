#!/usr/bin/env python3
"""testssl.sh finds nothing wrong with the daemon's TLS."""

import concurrent.futures
import json
import subprocess
import sys

sys.dont_write_bytecode = True
from harness import Authority, Daemon, check, main
from transport import tls_config

PATIENCE = 500
SECTIONS = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults",
            "--vulnerable")
FINE = {"DEBUG", "OK", "INFO", "LOW"}
# What isn't the daemon's doing, by testssl's id.
OF_THE_TEST = {
    "cert_revocation": "a test authority publishes neither CRL nor OCSP",
    "engine_problem": "the openssl that testssl calls has no GOST ciphers to offer",
}


def findings(directory, port, authority):
    report = directory / f"{port}.json"
    done = subprocess.run(["testssl", "--quiet", "--color", "0", "--nodns", "none", "--warnings",
                           "batch", "--add-ca", authority.certificate, "--jsonfile", report,
                           *SECTIONS, f"127.0.0.1:{port}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE)
    check(report.exists(), done.stdout[-2000:] + done.stderr[-2000:])
    return json.loads(report.read_text())


def nothing_above_low(directory):
    authority = Authority(directory / "ca")
    certificate = authority.issue(["localhost", "127.0.0.1"])
    with Daemon(directory, tls_config(certificate)) as daemon, \
            concurrent.futures.ThreadPoolExecutor() as pool:
        wires = ("line-tls", "https")
        reports = pool.map(lambda wire: findings(directory, daemon.port_of(wire), authority), wires)
        for wire, report in zip(wires, reports):
            told = {row["id"]: row["severity"] for row in report}
            for needed in ("TLS1_2", "TLS1_3", "heartbleed", "CCS", "secure_client_renego", "PFS"):
                check(needed in told, f"{wire}: {needed} was not looked at: {sorted(told)}")
            bad = [row for row in report
                   if row["severity"] not in FINE and row["id"] not in OF_THE_TEST]
            check(not bad, f"{wire}: {bad}")
            print(f"      {wire}: {len(report)} findings, none above LOW")


main(nothing_above_low)
