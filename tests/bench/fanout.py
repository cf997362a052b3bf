#!/usr/bin/python3
"""Fan-out: what one delivery costs realtimed, beside nchan and beside a floor, a bare epoll loop that
writes bytes made before by one send() for each subscriber and message.

    tests/bench/fanout.py [PATH/realtime-sfu] [--quick] [--subscribers N,N] [--turns N]

CPU is the server's user and system time. All three hold their subscribers at once and are measured
in turn, for a second or so each; ratios are of the same turn and what is printed is the median of
the turns, so that the machine's other work shows in all alike. The floor sends as many bytes as
realtimed does; nchan sends the data alone. A lost message, or one out of order, fails the run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from servers import NCHAN, ROOT, Load, Server, floor, nchan, realtimed

RATE = 20000  # deliveries a second, where the rate is fixed
SATURATING_PUBLISHERS = 4
FIXED_S, SATURATED_S, WARM_S, ECHO_S = 1.2, 0.6, 0.5, 1.0
BUSY, IDLE_TOO = 50, 5000
FIXED_AIMS = {1000: 1.15, 5000: 1.25}
SATURATED_AIM, ECHO_AIM = 0.6, 1.15
KIB_AIMS = {"ws": 4.0, "sse": 2.0}


class Aims:
    """What was aimed at and what came of it; the worst of the rows of one aim."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, float]] = {}
        self.errors: list[str] = []

    def note(self, name: str, value: float, at_most: float) -> None:
        self.found[name] = (max(value, self.found.get(name, (0, 0))[0]), at_most)

    def print(self) -> None:
        print("\n| aim | at most | worst row | |\n| --- | ---: | ---: | --- |")
        for name, (value, at_most) in self.found.items():
            print(f"| {name} | {at_most:.2f} | {value:.2f} | {'met' if value <= at_most else 'MISSED'} |")
        lost = "; ".join(self.errors)
        print(f"| nothing lost, nothing out of order | 0 | {len(self.errors)} "
              f"| {'FAILED: ' + lost if lost else 'met'} |")


def median(results: list[dict[str, float]], name: str) -> float:
    return statistics.median(result[name] for result in results) if results else float("nan")


def ratio(results: list[dict[str, float]], floors: list[dict[str, float]]) -> float:
    if not results:
        return float("nan")
    return statistics.median(one["us"] / bare["us"] for one, bare in zip(results, floors))


class Group:
    """The three servers, each with as many subscribers of the same form and messages of one size."""

    def __init__(self, build: Path, form: str, subscribers: int, size: int, stack: ExitStack) -> None:
        self.build, self.form, self.subscribers, self.size = build, form, subscribers, size
        self.stack = stack
        self.loads: dict[str, Load] = {}
        self.kib: dict[str, float] = {}
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        self.add(realtimed(build, folder))
        length = round(self.warm("realtimed")["bytes"])
        self.add(floor(build, length))
        self.warm("floor")
        if NCHAN.exists():
            self.add(nchan(folder))
            self.warm("nchan")

    def add(self, server: Server) -> None:
        self.stack.enter_context(server)
        load = self.stack.enter_context(
            Load(self.build / "tests/fanout_load", server.kind, server.port, server.pids, self.form,
                 self.subscribers, self.size))
        self.kib[server.kind] = load.read()["kib"]
        self.loads[server.kind] = load

    def warm(self, kind: str) -> dict[str, float]:
        return self.loads[kind].measure(0, WARM_S, SATURATING_PUBLISHERS)

    def take_turns(self, is_saturated: bool, turns: int, aims: Aims) -> None:
        results: dict[str, list[dict[str, float]]] = {kind: [] for kind in ("realtimed", "floor", "nchan")}
        request = ((0, SATURATED_S, SATURATING_PUBLISHERS) if is_saturated
                   else (RATE / self.subscribers, FIXED_S, 1))
        for turn in range(turns):
            kinds = list(self.loads)
            for kind in kinds if turn % 2 else reversed(kinds):
                result = self.loads[kind].measure(*request)
                results[kind].append(result)
                if result["lost"] or result["disorder"]:
                    words = (f"{kind}, {self.form}, {self.subscribers} subscribers, {self.size} B: "
                             f"{result['lost']} lost, {result['disorder']} out of order")
                    print(f"  {words}")
                    if kind == "realtimed":
                        aims.errors.append(words)
        self.print_row(is_saturated, results["realtimed"], results["floor"], results["nchan"], aims)

    def print_row(self, is_saturated: bool, ours: list[dict[str, float]],
                  floors: list[dict[str, float]], peers: list[dict[str, float]], aims: Aims) -> None:
        our_ratio = ratio(ours, floors)
        if is_saturated:
            aims.note("saturated by four publishers, ratio to the floor", our_ratio, SATURATED_AIM)
        elif self.subscribers in FIXED_AIMS:
            aims.note(f"{RATE} deliveries/s to {self.subscribers}, ratio to the floor", our_ratio,
                      FIXED_AIMS[self.subscribers])
        spread = sorted(one["us"] / bare["us"] for one, bare in zip(ours, floors))
        print(f"| {self.form} | {self.subscribers} | {self.size} "
              f"| {f'{SATURATING_PUBLISHERS} publishers' if is_saturated else f'{RATE}/s'} "
              f"| {median(ours, 'us'):.2f} | {median(floors, 'us'):.2f} "
              f"| {our_ratio:.2f} | {spread[0]:.2f}–{spread[-1]:.2f} | {ratio(peers, floors):.2f} "
              f"| {median(ours, 'per_second'):.0f} | {median(peers, 'per_second'):.0f} "
              f"| {median(ours, 'p50_ms'):.2f} / {median(ours, 'p99_ms'):.2f} "
              f"| {median(peers, 'p50_ms'):.2f} / {median(peers, 'p99_ms'):.2f} |", flush=True)


def fan_out(build: Path, counts: list[int], sizes: list[int], turns: int, aims: Aims) -> None:
    kib: list[str] = []
    print("| form | subscribers | bytes | load | realtimed us | floor us | ratio | of the turns | nchan ratio "
          "| deliveries/s | nchan | p50 / p99 ms | nchan |")
    print("| --- |" + " ---: |" * 12)
    for subscribers in counts:
        for form in ("ws", "sse"):
            groups: list[Group] = []
            for size in sizes:
                with ExitStack() as stack:
                    group = Group(build, form, subscribers, size, stack)
                    groups.append(group)
                    for is_saturated in (False, True):
                        group.take_turns(is_saturated, turns, aims)
            ours, peers = ([group.kib.get(kind, float("nan")) for group in groups]
                           for kind in ("realtimed", "nchan"))
            kib.append(f"| {form} | {subscribers} | {statistics.mean(ours):.2f} | {statistics.mean(peers):.2f} |")
            aims.note(f"KiB for each idle {form} connection", statistics.mean(ours), KIB_AIMS[form])
    print("\n| resident memory of an idle connection | connections | realtimed KiB | nchan |\n"
          "| --- | ---: | ---: | ---: |")
    print("\n".join(kib), flush=True)


def echo(build: Path, turns: int, aims: Aims) -> None:
    results: dict[int, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        loads: dict[int, Load] = {}
        for connections in (BUSY, IDLE_TOO):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = stack.enter_context(realtimed(build, folder))
            loads[connections] = stack.enter_context(
                Load(build / "tests/answer_load", server.port, server.pids, connections, BUSY,
                     '{"type":"ping"}', "pong"))
            loads[connections].measure(WARM_S)
            results[connections] = []
        for _ in range(turns):
            for connections, load in loads.items():
                results[connections].append(load.measure(ECHO_S))
    many = ratio(results[IDLE_TOO], results[BUSY])
    aims.note(f"echo, {BUSY} busy of {IDLE_TOO} beside {BUSY} of {BUSY}", many, ECHO_AIM)
    print(f"\nPing and pong, {BUSY} busy connections: {median(results[BUSY], 'us'):.2f} us of {BUSY}, "
          f"{median(results[IDLE_TOO], 'us'):.2f} us of {IDLE_TOO} ({many:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sfu", nargs="?", help="a program of the build to measure")
    parser.add_argument("--quick", action="store_true", help="1,000 subscribers, 128 B, three turns")
    parser.add_argument("--subscribers", default="1000,5000")
    parser.add_argument("--sizes", default="128,4096")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    build = Path(options.sfu).resolve().parents[1] if options.sfu else ROOT / "build/release"
    counts = [int(number) for number in options.subscribers.split(",")]
    sizes = [int(number) for number in options.sizes.split(",")]
    turns, aims = options.turns, Aims()
    if options.quick:
        counts, sizes, turns = counts[:1], sizes[:1], 3
    if not NCHAN.exists():
        print("nchan is not here (libnginx-mod-nchan): its columns stay empty")
    print("CPU us of the server for a delivery; medians of the turns; ratios to the floor of the same turn")
    fan_out(build, counts, sizes, turns, aims)
    echo(build, turns, aims)
    aims.print()
    sys.exit(1 if aims.errors else 0)


if __name__ == "__main__":
    main()
