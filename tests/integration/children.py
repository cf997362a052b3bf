"""Processes that do not outlive the tests."""

from __future__ import annotations

import atexit
import subprocess

RUNNING: list[subprocess.Popen] = []


@atexit.register
def end_what_was_left() -> None:
    """A test that failed while it set things up may have ended none of them."""
    for process in RUNNING:
        if process.poll() is None:
            process.terminate()


def spawn(*arguments: object, **more: object) -> subprocess.Popen:
    """As subprocess.Popen()."""
    RUNNING.append(subprocess.Popen(*arguments, **more))
    return RUNNING[-1]
