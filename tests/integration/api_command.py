"""realtime-api as a command."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

from conftest import API, Stack


def run_api(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(API), *arguments], env={
        **os.environ, "REALTIME_CONFIG": "/dev/null", "REALTIME_DATABASE": "/tmp/unused.db",
        "REALTIME_DATA_DIR": str(Path(env.get("REALTIME_DATABASE", "/tmp/unused.db")).parent),
        **env}, capture_output=True, text=True, timeout=10, check=False)


def key_of(stack: Stack, user: str) -> dict[str, str]:
    """A key that stands for that user; the command makes keys that stand for themselves."""
    made = run_api({"REALTIME_DATABASE": str(stack.database)}, "create-api-key", user)
    with sqlite3.connect(stack.database) as admin:
        admin.execute("UPDATE api_keys SET user_id = name WHERE name = ?", (user,))
    return {"X-API-Key": made.stdout.strip()}
