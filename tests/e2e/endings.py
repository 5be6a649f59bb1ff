"""A script leaves no process behind, whether it ends by itself or by SIGINT, SIGTERM or SIGHUP.
That includes processes in sessions of their own, and the children of a child that died.
"""

import atexit
import contextlib
import ctypes
import os
import pathlib
import signal
import sys
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_CHILD_SUBREAPER = 36
PATIENCE_S = 10


def children():
    """Process → its children."""
    out = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may have anything in it.
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
            out.setdefault(parent, []).append(int(path.parent.name))
    return out


def descendants():
    there, out = children(), []
    todo = [os.getpid()]
    while todo:
        mine = there.get(todo.pop(), [])
        out += mine
        todo += mine
    return out


def end_all():
    """Until nobody is left: somebody may be starting another one just now."""
    deadline = time.monotonic() + PATIENCE_S
    while (there := descendants()) and time.monotonic() < deadline:
        for pid in there:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def told_to_end(number, _):
    def at_once(*_):
        end_all()
        os._exit(128 + number)

    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, at_once)
    signal.alarm(PATIENCE_S)  # if something waits for those that are gone
    end_all()  # first, as threads may be waiting for one of them
    sys.exit(128 + number)


def prepare():
    """To be called once, by the main thread, before anything is started."""
    # Orphans become children of this process instead of init's.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for each in SIGNALS:
        signal.signal(each, told_to_end)
    atexit.register(end_all)
