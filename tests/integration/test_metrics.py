"""/metrics as Prometheus reads it: of the API, of realtimed and of a media server that is played."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import exposition
import fake_bus
import pytest
from conftest import wait_until
from guarded_system import System

ROOT = Path(__file__).resolve().parents[2]
# What may tell series apart. Rooms, participants and addresses are without end: they are none.
LABELS = {"worker", "direction", "kind", "reason", "state", "transport", "code", "outcome", "process", "le"}
COUNTS = [0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
WORKER = {
    "port": 10000, "alive": True, "rooms": 1, "peers": 3, "bytes_in": 1 << 40, "cpu_us": 5, "load_percent": 7,
    "transports": {"new": 1, "checked": 0, "connected": 2, "ended": 0},
    "media": {"lost_in": 2, "lost_out": 3, "nacks_sent": 4, "nacks_received": 5, "plis_sent": 6, "plis_received": 7,
              "firs_received": 8, "retransmitted": 9, "retransmitted_bytes": 10, "retransmissions_refused": 11,
              "probe_repeats": 12, "padding": 13},
    "refuses_publishers": 1, "refused_offers": {"bad_sdp": 2, "media_overloaded": 1},
    "failed_handshakes": {"dtls_timeout": 1}, "keyframes_withheld": 14,
    "round_trips": {"sum_us": 20000, "counts": COUNTS}, "forwarding": {"sum_us": 30000, "counts": COUNTS},
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("metrics"), REALTIME_ANONYMOUS_PUBLISH="true")
    try:
        yield made
    finally:
        made.stop()


def page(system: System) -> str:
    answer = system.ask("GET", "/metrics", credential=system.key("scraper", "--user", "root"))
    assert answer.status == 200, answer.body
    return answer.body.decode()


def play_media_server(system: System, *workers: dict) -> None:
    if not system.stack.sfu:
        system.stack.sfu = fake_bus.FakeBus(system.stack.folder / "run" / "sfu.sock", "sfu", {})
    system.stack.sfu.answers[fake_bus.SFU_STATUS] = lambda _: {"workers": list(workers), "rooms": 1, "peers": 3}
    wait_until(lambda: len(told_workers(system)) == len(workers))


def told_workers(system: System) -> list[dict]:
    return system.ask("GET", "/realtime/webrtc/health").json.get("workers", [])


def test_the_page_can_be_read_with_and_without_a_media_server(system: System) -> None:
    without = exposition.families_of(page(system))
    assert without["realtime_sfu_connected"].samples == {"realtime_sfu_connected": 0}
    assert "realtime_sfu_worker_up" not in without
    play_media_server(system, WORKER)
    families = exposition.families_of(page(system))
    assert set(without) < set(families)
    assert set().union(*(family.labels for family in families.values())) <= LABELS
    assert all(family.samples for name, family in families.items() if family.kind != "counter"), families


def test_each_worker_has_its_own_numbers(system: System) -> None:
    other = WORKER | {"rooms": 0, "refused_offers": {}, "refuses_publishers": 0}
    play_media_server(system, WORKER, other)
    values = exposition.values_of(page(system))
    assert values['realtime_sfu_rooms{worker="0"}'] == 1 and values['realtime_sfu_rooms{worker="1"}'] == 0
    assert values['realtime_sfu_bytes_in_total{worker="0"}'] == 1 << 40
    assert values['realtime_sfu_transports{worker="1",state="connected"}'] == 2
    assert values['realtime_sfu_lost_packets_total{worker="0",direction="in"}'] == 2
    assert values['realtime_sfu_lost_packets_total{worker="0",direction="out"}'] == 3
    assert values['realtime_sfu_nacks_total{worker="0",direction="in"}'] == 5
    assert values['realtime_sfu_nacks_total{worker="0",direction="out"}'] == 4
    assert values['realtime_sfu_keyframe_requests_total{worker="0",direction="in",kind="fir"}'] == 8
    assert values['realtime_sfu_keyframe_requests_total{worker="0",direction="out",kind="pli"}'] == 6
    assert values['realtime_sfu_keyframe_requests_withheld_total{worker="0"}'] == 14
    assert values['realtime_sfu_retransmissions_refused_total{worker="0"}'] == 11
    assert values['realtime_sfu_probe_packets_total{worker="0",kind="padding"}'] == 13
    assert values['realtime_sfu_offers_refused_total{worker="0",reason="bad_sdp"}'] == 2
    assert 'realtime_sfu_offers_refused_total{worker="1",reason="bad_sdp"}' not in values
    assert values['realtime_sfu_dtls_failed_total{worker="1",reason="dtls_timeout"}'] == 1
    assert values['realtime_sfu_round_trip_seconds_bucket{worker="1",le="0.0025"}'] == 5
    assert values['realtime_sfu_round_trip_seconds_bucket{worker="1",le="+Inf"}'] == 7
    assert values['realtime_sfu_forwarding_seconds_sum{worker="0"}'] == 0.03
    assert values["realtime_sfu_overloaded_workers"] == 1


def test_a_worker_that_does_not_answer_has_no_numbers_rather_than_lower_ones(system: System) -> None:
    play_media_server(system, WORKER, {"port": 10001, "alive": False})
    values = exposition.values_of(page(system))
    assert values['realtime_sfu_worker_up{worker="0"}'] == 1 and values['realtime_sfu_worker_up{worker="1"}'] == 0
    assert [name for name in values if 'worker="1"' in name] == ['realtime_sfu_worker_up{worker="1"}']


def test_the_public_health_has_plain_numbers_alone(system: System) -> None:
    play_media_server(system, WORKER)
    (worker,) = told_workers(system)
    assert worker["peers"] == 3 and worker["load_percent"] == 7
    assert not [name for name, value in worker.items() if isinstance(value, (dict, list))]


def test_every_metric_is_explained(system: System) -> None:
    play_media_server(system, WORKER)
    explained = set(re.findall(r"`((?:realtime|process)_[a-z_]+)", (ROOT / "docs" / "metrics.md").read_text()))
    assert explained == set(exposition.families_of(page(system)))


@pytest.mark.parametrize("text", [
    "# HELP a b\n# TYPE a gauge\na 1\n# HELP a b\n# TYPE a gauge\na 2\n",
    "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
    "# HELP a b\n# TYPE a counter\na 1\n",
    "# HELP a b\n# TYPE a gauge\nb 1\n",
    "a 1\n",
    "# HELP a b\n# TYPE a gauge\na{b=c} 1\n",
    '# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
])
def test_what_prometheus_would_not_take_is_found(text: str) -> None:
    with pytest.raises(AssertionError):
        exposition.families_of(text)
