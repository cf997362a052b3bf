"""./dev up: the supervisor and its contract, with stand-ins for realtimed and the SFU."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import API, free_ports, wait_until

HERE = Path(__file__).resolve().parent
DEV_UP = HERE.parents[1] / "tools" / "dev_up.py"

STAND_IN = f"""#!/usr/bin/python3
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(HERE)!r})
import fake_bus
bus = fake_bus.FakeBus(Path(os.environ[%r]), %r, {{
    fake_bus.HUB_STATUS: lambda _: {{"connections": {{"total": 0}}}},
    fake_bus.ROOM_OCCUPANCY: lambda _: {{"rooms": {{}}}},
    fake_bus.SFU_STATUS: lambda _: {{"workers": [{{"alive": True}}]}},
}})
signal.pause()
"""


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    write_program(folder / "realtime" / "realtimed", STAND_IN % ("REALTIME_BUS", "realtimed"))
    write_program(folder / "sfu" / "realtime-sfu", STAND_IN % ("REALTIME_SFU_CONTROL", "sfu"))
    (folder / "api").mkdir()
    (folder / "api" / "realtime-api").symlink_to(API.resolve())
    return folder


class Running:
    def __init__(self, build: Path, data: Path, *arguments: str) -> None:
        self.data = data
        self.port = free_ports(3)
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(DEV_UP), "--build", str(build), "--data", str(data),
             "--port", str(self.port), "--restart-delay", "1", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.ready = self.process.stdout.readline()
        self.key = self.process.stdout.readline()

    def pid(self, name: str) -> int:
        return int((self.data / "run" / f"{name}.pid").read_text())

    def health(self) -> str:
        try:
            with urllib.request.urlopen(f"http://localhost:{self.port}/health") as answer:
                return json.load(answer)["status"]
        except (urllib.error.HTTPError, OSError):
            return "down"

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)


@pytest.fixture
def running(build: Path, tmp_path: Path) -> Iterator[Running]:
    it = Running(build, tmp_path / "data")
    yield it
    if it.process.poll() is None:
        it.stop()


def test_it_says_ready_and_a_key_and_stops_on_ctrl_c(running: Running) -> None:
    assert running.ready == f"ready http://localhost:{running.port}/\n"
    key = re.fullmatch(r"api key (rtk_\w+)\n", running.key)
    assert key
    kept = running.data / "dev-api-key"
    assert kept.read_text().strip() == key[1]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    pids = [running.pid(name) for name in ("api", "realtimed", "sfu", "nginx")]
    assert running.stop(signal.SIGINT) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    again = Running(running.process.args[3], running.data)
    assert again.key == running.key
    assert again.stop() == 0


def test_two_run_side_by_side_but_not_in_one_folder(running: Running, build: Path,
                                                    tmp_path: Path) -> None:
    second = Running(build, tmp_path / "other", "--gateway", "scgi")
    assert second.ready.startswith("ready ") and running.health() == "ok"
    third = Running(build, running.data)
    assert "in use by another ./dev up" in third.ready
    assert third.process.wait(5) == 1
    assert second.stop() == 0


@pytest.mark.parametrize("name", ["api", "sfu", "nginx"])
def test_a_killed_process_comes_back(running: Running, name: str) -> None:
    pid = running.pid(name)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: running.health() != "ok", 2)
    wait_until(lambda: running.health() == "ok")
    assert running.pid(name) != pid


@pytest.mark.parametrize("arguments,env,code,words", [
    (["--data", "/proc/none"], {}, 1, "choose another --data"),
    (["--port", "1"], {}, 2, "--port"),
    (["--front", "caddy", "--gateway", "scgi"], {}, 2, "speaks no SCGI"),
    (["--front", "iis"], {}, 2, "invalid choice"),
    ([], {"WEBRTC_MAX_ROOMS": "many"}, 1, "WEBRTC_MAX_ROOMS"),
])
def test_what_is_wrong_is_one_sentence(build: Path, tmp_path: Path, arguments: list[str],
                                       env: dict[str, str], code: int, words: str) -> None:
    result = subprocess.run(
        ["/usr/bin/python3", str(DEV_UP), "--build", str(build), "--data", str(tmp_path / "d"),
         "--port", str(free_ports(3)), *arguments],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == code
    assert words in result.stderr and "Traceback" not in result.stderr


def test_a_taken_port_is_named(running: Running, build: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        ["/usr/bin/python3", str(DEV_UP), "--build", str(build), "--data", str(tmp_path / "d"),
         "--port", str(running.port)], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert f"TCP port {running.port}" in result.stderr and result.stderr.count("\n") == 1
