#!/usr/bin/python3
"""Persistent messages: how many are acknowledged a second, each on disk before (synchronous=FULL), by
64 publishers that wait for one acknowledgement before they send the next; beside bare SQLite that
commits 64 rows at a time on the same disk. Bare SQLite deletes nothing, so retention is set to keep
100,000 messages.

    tests/bench/persist.py [PATH/realtime-sfu] [--quick] [--turns N]

The two are measured in turn; what is printed is the median of the turns, and the ratio is of the
same turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from servers import ROOT, Load, realtimed

PUBLISHERS, BYTES, SECONDS = 64, 128, 2
AIM = 0.6
MESSAGE = json.dumps({"type": "message", "channel": "c", "persistent": True, "data": "x" * BYTES})


def bare(build: Path, schema: bytes, folder: str) -> float:
    command = [build / "tests/persist_floor", f"{folder}/bare.db", str(PUBLISHERS), str(BYTES), str(SECONDS)]
    out = subprocess.run(command, input=schema, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["per_second"]


def ours(build: Path, folder: str) -> dict[str, float]:
    with realtimed(build, folder, REALTIME_HISTORY_SIZE="100000") as server:
        with Load(build / "tests/answer_load", server.port, server.pids, PUBLISHERS, PUBLISHERS,
                  MESSAGE, '"ack"') as load:
            return load.measure(SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sfu", nargs="?", help="a program of the build to measure")
    parser.add_argument("--quick", action="store_true", help="three turns")
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    build = Path(options.sfu).resolve().parents[1] if options.sfu else ROOT / "build/release"
    schema = b"".join(path.read_bytes() for path in sorted((ROOT / "db/migrations").glob("*.sql")))
    results: list[dict[str, float]] = []
    floors: list[float] = []
    for _ in range(3 if options.quick else options.turns):
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            floors.append(bare(build, schema, folder))
            results.append(ours(build, folder))
    ratios = sorted(one["per_second"] / floor for one, floor in zip(results, floors))
    ratio = statistics.median(ratios)
    print("| publishers | bytes | acknowledged/s | CPU us each | bare SQLite rows/s | ratio | of the turns | aim |\n"
          "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
          f"| {PUBLISHERS} | {BYTES} | {statistics.median(one['per_second'] for one in results):.0f} "
          f"| {statistics.median(one['us'] for one in results):.1f} | {statistics.median(floors):.0f} "
          f"| {ratio:.2f} | {ratios[0]:.2f}–{ratios[-1]:.2f} "
          f"| at least {AIM}: {'met' if ratio >= AIM else 'MISSED'} |")


if __name__ == "__main__":
    main()
