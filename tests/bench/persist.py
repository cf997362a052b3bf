#!/usr/bin/python3
"""Persistent messages: how many are acknowledged a second, each on disk before (synchronous=FULL), by
64 publishers that wait for one acknowledgement before they send the next; beside bare SQLite that
commits 64 rows at a time on the same disk. Bare SQLite deletes nothing, so retention is set to keep
100,000 messages.

    tests/bench/persist.py [PATH/realtime-sfu] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from fanout import ROOT, start_realtimed

PUBLISHERS, BYTES, TURNS = 64, 128, 3


def run(*command: object, text: bytes = b"") -> dict:
    return json.loads(subprocess.run([str(part) for part in command], input=text, stdout=subprocess.PIPE,
                                     check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sfu", nargs="?", help="a program of the build to measure")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    build = Path(options.sfu).resolve().parents[1] if options.sfu else ROOT / "build/release"
    schema = b"".join(path.read_bytes() for path in sorted((ROOT / "db/migrations").glob("*.sql")))
    ours, floors = [], []
    for _ in range(TURNS):
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            floors.append(run(build / "tests/persist_floor", f"{folder}/bare.db", PUBLISHERS, BYTES,
                              options.seconds, text=schema)["per_second"])
            server = start_realtimed(build, folder, REALTIME_HISTORY_SIZE="100000")
            try:
                ours.append(run(build / "tests/fanout_load", "persist", server.port, server.pids,
                                PUBLISHERS, BYTES, options.seconds))
            finally:
                server.stop()
    rates = [result["per_second"] for result in ours]
    print(f"{PUBLISHERS} publishers, {BYTES} B, synchronous=FULL: {statistics.median(rates):.0f} acknowledged a "
          f"second, {statistics.median(r['us'] for r in ours):.1f} us of CPU each; bare SQLite, same tables, groups of "
          f"{PUBLISHERS}: {statistics.median(floors):.0f} rows a second; ratio "
          f"{statistics.median(a / b for a, b in zip(rates, floors)):.2f}")


if __name__ == "__main__":
    main()
