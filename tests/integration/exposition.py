"""Prometheus's text format (version 0.0.4), read as strictly as Prometheus does, and more so: each family once, its samples
together, no sample twice, counters called so, histograms that add up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:{{({LABEL}(?:,{LABEL})*)}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@dataclass
class Family:
    kind: str = ""
    help: str = ""
    samples: dict[str, float] = field(default_factory=dict)  # by name and labels, as they stand there

    @property
    def labels(self) -> set[str]:
        return {name for sample in self.samples for name in re.findall(rf"({NAME})=\"", sample)}


def families_of(text: str) -> dict[str, Family]:
    """The page's families by name. AssertionError names the line that is wrong."""
    families: dict[str, Family] = {}
    name = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, told = line.removeprefix("# HELP ").split(" ", 1)
            assert name not in families, f"twice: {line}"
            assert re.fullmatch(NAME, name) and told, line
            families[name] = Family(help=told)
        elif line.startswith("# TYPE "):
            typed, kind = line.removeprefix("# TYPE ").split(" ")
            assert typed == name and not families[name].kind and not families[name].samples, f"not after its help: {line}"
            assert kind in SUFFIXES, line
            families[name].kind = kind
        else:
            _take_sample(line, name, families)
    for name, family in families.items():
        assert family.kind, f"{name} has no type"
        assert family.kind != "counter" or name.endswith("_total"), f"a counter is called …_total: {name}"
        if family.kind == "histogram":
            _check_histogram(name, family)
    return families


def _take_sample(line: str, name: str, families: dict[str, Family]) -> None:
    match = SAMPLE.fullmatch(line)
    assert match and name, f"not a sample: {line}"
    family = families[name]
    assert match[1] in [name + suffix for suffix in SUFFIXES[family.kind]], f"not beside its family: {line}"
    key = line.rsplit(" ", 1)[0]
    assert key not in family.samples, f"twice: {line}"
    family.samples[key] = float(match[3])


def _check_histogram(name: str, family: Family) -> None:
    buckets: dict[str, list[tuple[float, float]]] = {}
    for sample, value in family.samples.items():
        if sample.startswith(f"{name}_bucket"):
            bound = re.search(r'le="([^"]+)"', sample)
            assert bound, sample
            rest = re.sub(r',?le="[^"]+"', "", sample.removeprefix(f"{name}_bucket")).replace("{}", "")
            buckets.setdefault(rest, []).append((float(bound[1]), value))
    for rest, counts in buckets.items():
        assert counts == sorted(counts) and counts[-1][0] == float("inf"), f"{name}{rest}: {counts}"
        assert [count for _, count in counts] == sorted(count for _, count in counts), f"{name}{rest}: {counts}"
        assert family.samples[f"{name}_count{rest}"] == counts[-1][1], f"{name}{rest}"
        assert f"{name}_sum{rest}" in family.samples, f"{name}{rest}"


def values_of(text: str) -> dict[str, float]:
    """All samples, by name and labels."""
    return {sample: value for family in families_of(text).values() for sample, value in family.samples.items()}
