#!/usr/bin/env python3
"""A script that starts processes leaves none behind when it is told to end. Each is started as a
person starts it. While the script works, it alone gets a signal. All its processes inherit an entry
in the environment, so the test can find them.

Programs that would take minutes, or change the system, are replaced by ones that only wait.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import sys
import uuid

sys.dont_write_bytecode = True
from harness import CERTLINED, ROOT, Process, check, equal, free_port, main, wait_for

MARK = "CERTLINE_TEST_MARK"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WAITS = "#!/bin/sh\ntail -f /dev/null &\nexec tail -f /dev/null\n"  # a program with a child


def marked(mark):
    """Process → name, of all that have the mark and haven't ended."""
    out = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (path / "environ").read_bytes():
                out[int(path.name)] = (path / "comm").read_text().strip()
    return out


def leaves_nothing(argv, awaited, number, environment=None):
    """Ended by the signal as soon as a program called `awaited` runs."""
    mark = f"{MARK}={uuid.uuid4()}"
    name, value = mark.split("=")
    environment = {**os.environ, **(environment or {}), name: value}
    with Process(argv, cwd=ROOT, env=environment) as script:
        def at_work():
            check(script.running(), f"{argv} ended ({script.process.returncode}):\n{script.log()}")
            return awaited in marked(mark.encode()).values()
        wait_for(at_work, f"{awaited} below {argv}")
        script.signal(number)
        status = script.wait_exit()
        left = marked(mark.encode())
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        equal(left, {}, f"{argv} left behind after {number.name}")
        equal(status, 128 + number, f"the status of {argv}; it said\n{script.log()}\n")


def programs(directory, text, *names):
    """A PATH on which programs of these names come first."""
    place = directory / "bin"
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    return f"{place}:{os.environ['PATH']}"


def tests_of_a_script(directory):
    """One that has the harness, and one that plays transcripts."""
    silent = directory / "silent.wire"
    silent.write_text("-> command ping\n<- data pong\n<- status ok 200 alive\nsilence 3600000\n")
    for number in SIGNALS:
        leaves_nothing([ROOT / "tests/e2e/process.py", "sigterm_amid_writes_and_scans"],
                       "certlined", number)
        leaves_nothing([ROOT / "tests/wire/run.py", CERTLINED, silent], "certlined", number)


def fuzzing(directory):
    programs(directory, WAITS, "fuzz_domain", "fuzz_rest", "fuzz_http")
    for number in SIGNALS:
        leaves_nothing([ROOT / "tests/fuzz/run", "3600", "domain", "rest", "http"], "tail", number,
                       {"CERTLINE_FUZZ_BINARIES": str(directory / "bin")})


def bench(directory):
    for number in SIGNALS:
        leaves_nothing([ROOT / "tests/bench/run", "--seconds", "3600", "hits"], "line_load", number,
                       {"CERTLINE_BENCH_BINARIES": str(CERTLINED.parent)})


def soak(directory):
    for number in SIGNALS:
        leaves_nothing([ROOT / "tests/soak", "3600"], "bash", number,
                       {"CERTLINED_RELEASE": str(CERTLINED)})


def quickstart(directory):
    """While it serves, and while it builds."""
    ports = [str(free_port()) for _ in range(4)]
    environment = {"CERTLINED": str(CERTLINED), "CERTLINE_VAR": str(directory / "var"),
                   "CERTLINE_PORT": ports[0], "CERTLINE_HTTP_PORT": ports[1],
                   "CERTLINE_DEMO_PORTS": " ".join(ports[2:])}
    building = {**environment, "CERTLINED": "", "PATH": cmake_that_builds(directory)}
    for number in SIGNALS:
        leaves_nothing([ROOT / "packaging/quickstart"], "certlined", number, environment)
        leaves_nothing([ROOT / "packaging/quickstart"], "tail", number, building)


def cmake_that_builds(directory):
    waits = WAITS.removeprefix("#!/bin/sh\n")
    return programs(directory, f'#!/bin/sh\n[ "$1" = --build ] || exit 0\n{waits}', "cmake")


def copied(directory, *names):
    """A tree with these scripts only, and nothing to install."""
    tree = directory / "tree"
    for name in (*names, "packaging/process_groups.bash"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    (tree / "packaging/install-packages").symlink_to("/bin/true")
    return tree


def tests_run(directory):
    """While it builds and while it tests."""
    script = copied(directory, "tests/run") / "tests/run"
    building, testing = directory / "building", directory / "testing"
    programs(testing, "#!/bin/sh\n", "cmake")
    for number in SIGNALS:
        leaves_nothing([script], "tail", number, {"PATH": cmake_that_builds(building)})
        leaves_nothing([script], "tail", number, {"PATH": programs(testing, WAITS, "ctest")})


def fresh(directory):
    """While it makes its root, and while it works in there."""
    script = copied(directory, "tests/fresh/run") / "tests/fresh/run"
    making, made = directory / "making", directory / "made"
    for place in (making, made):
        programs(place, "#!/bin/sh\n", "mount", "umount", "git")
        programs(place, "#!/bin/sh\necho 0\n", "id")
        programs(place, "#!/bin/sh\necho http://mirror.test/ bookworm main\n", "apt-get")
    programs(made, '#!/bin/sh\nmkdir -p "$3/etc/apt/apt.conf.d" "$3/etc/apt/auth.conf.d"\n',
             "debootstrap")
    bare = '#!/bin/sh\ncase $* in *"command -v g++"*) exit 1 ;; esac\n'
    working = programs(made, bare + WAITS.removeprefix("#!/bin/sh\n"), "chroot")
    for number in SIGNALS:
        for path in (programs(making, WAITS, "debootstrap"), working):
            leaves_nothing([script], "tail", number, {"PATH": path, "TMPDIR": str(directory)})
    equal(list(directory.glob("certline-fresh-*")), [], "roots that are left")


main(tests_of_a_script, fuzzing, bench, soak, quickstart, tests_run, fresh)
