"""How the benchmarks measure: peers in turn on the same machine, and medians over rounds."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.dont_write_bytecode = True

from harness import PATIENCE, Server, free_port  # noqa: E402

BUILT = os.environ.get("CERTLINE_BENCH_BINARIES")  # measure these instead of building
BINARIES = pathlib.Path(BUILT or ROOT / "build/bench/bin")
CONNECTIONS = 50
ROUNDS = 3
KEY = "benchbenchbench0001"


def install():
    if not BUILT:
        subprocess.run([ROOT / "packaging/install-packages", ROOT / "packaging/packages.txt",
                        ROOT / "packaging/test-packages.txt"], check=True)


def build():
    if BUILT:
        return
    subprocess.run(["cmake", "--preset", "bench"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", "--preset", "bench", "--target", "certlined", "line_load",
                    "scan_load", "seed_store", "make_chains", "slow_relay"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def figures(text):
    return {name: float(value) for name, value in re.findall(r"(\w+) ([\d.]+)", text)}


def load(port, pipeline, last, seconds, request, names=0):
    """`last`: the byte that the last line of a reply begins with."""
    done = subprocess.run([BINARIES / "line_load", str(port), str(CONNECTIONS), str(pipeline),
                           last, str(seconds), request, str(names)],
                          capture_output=True, text=True, timeout=seconds + PATIENCE)
    if done.returncode != 0:
        sys.exit(f"line_load failed: {done.stderr}")
    result = figures(done.stdout)
    if result["errors"]:
        sys.exit(f"the load met errors: {request}")
    return result


def median(values):
    return sorted(values)[len(values) // 2]


def paired(ours, peers):
    """Rounds in turn, so that a noisy minute hurts both; the medians and the median ratio."""
    rounds = [(ours(), peers()) for _ in range(ROUNDS)]
    return (median([a["rate"] for a, _ in rounds]), median([b["rate"] for _, b in rounds]),
            median([a["rate"] / b["rate"] for a, b in rounds]),
            median([a.get("p99_us", 0) for a, _ in rounds]))


def redis(directory, *arguments):
    port = free_port()
    return Server(["redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", directory,
                   "--save", "", *arguments], port)


def bulk(*words):
    """A Redis command; line_load puts nine digits in the place of %d or %r."""
    return f"*{len(words)}\\r\\n" + "".join(
        f"${len(re.sub('%[dr]', 'nnnnnnnnn', w))}\\r\\n{w}\\r\\n" for w in words)


def private_mib(pid):
    """What is the process's own. Pages of the mapped store are the kernel's cache of a file."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.M)[1]) / 1024
