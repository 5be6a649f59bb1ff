"""What a test expects: now, or by a deadline."""

import os
import time

PATIENCE = float(os.environ.get("CERTLINE_TEST_PATIENCE_S", "30"))  # for one condition


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(got, wanted, what):
    check(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def wait_for(condition, what, patience=PATIENCE):
    """The first true value of condition(), asked again and again until the deadline."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {patience:g} s in vain for {what}")
        time.sleep(0.02)
