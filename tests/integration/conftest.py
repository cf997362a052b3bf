"""Real processes behind a real nginx, each test session in a folder of its own."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# What helpers assert is shown as what tests assert is: with the values.
pytest.register_assert_rewrite(*(file.stem for file in Path(__file__).parent.glob("*.py")
                                 if file.stem != "conftest" and not file.stem.startswith("test_")))
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python" / "src"))
import fake_bus
from answer import Answer, ask
from children import spawn
from realtimed import Realtimed
from tools import fronts

if TYPE_CHECKING:
    from guarded_system import System

API = Path(os.environ.get("REALTIME_API", "build/asan/api/realtime-api"))


def free_ports(count: int) -> int:
    """The first of so many in a row, below those that the kernel gives to outgoing connections."""
    while True:
        first = random.randrange(10000, 30000)
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(type=kind) as probe:
                        probe.bind(("", port))
            return first
        except OSError:
            continue


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Stack:
    """nginx, realtime-api, and a realtimed and an SFU that the test plays itself."""

    folder: Path
    gateway: str
    port: int = field(default_factory=lambda: free_ports(1))
    env: dict[str, str] = field(default_factory=dict)
    body_max: str = "64m"
    wrapper: tuple[str, ...] = ()  # a command that runs the API
    children: dict[str, subprocess.Popen] = field(default_factory=dict)
    realtimed: fake_bus.FakeBus | None = None
    sfu: fake_bus.FakeBus | None = None

    @property
    def database(self) -> Path:
        return self.folder / "realtime.db"

    def start_api(self) -> None:
        run = self.folder / "run"
        run.mkdir(exist_ok=True)
        env = {
            **os.environ,
            "REALTIME_CONFIG": "/dev/null",
            "REALTIME_DATABASE": str(self.database),
            "REALTIME_DATA_DIR": str(self.folder),
            "REALTIME_BUS": str(run / "bus.sock"),
            "REALTIME_SFU_CONTROL": str(run / "sfu.sock"),
            "REALTIME_API_LISTEN": f"{self.gateway}:unix:{run / 'api.sock'}",
            "REALTIME_ANONYMOUS_PUBLISH": "true",
            **self.env,
        }
        with (self.folder / "api.log").open("ab") as log:
            self.children["api"] = spawn([*self.wrapper, str(API)], env=env, stderr=log)

    def start_nginx(self, realtimed: str = "127.0.0.1:9") -> None:
        site = fronts.Site(self.folder, gateway=self.gateway, api=f"unix:{self.folder / 'run' / 'api.sock'}",
                           realtimed=realtimed, addresses=["127.0.0.1"], port=self.port,
                           body_max=self.body_max)
        self.children["nginx"] = spawn(fronts.write("nginx", site))

    def start_realtimed(self, answers: dict[int, fake_bus.Handler] | None = None) -> None:
        self.realtimed = fake_bus.FakeBus(self.folder / "run" / "bus.sock", "realtimed", {
            fake_bus.HUB_STATUS: lambda _: {"connections": {"total": 3}, "channels": 1},
            fake_bus.ROOM_OCCUPANCY: lambda _: {"rooms": {}},
            **(answers or {}),
        })

    def start_sfu(self) -> None:
        self.sfu = fake_bus.FakeBus(self.folder / "run" / "sfu.sock", "sfu", {
            fake_bus.SFU_STATUS: lambda _: {"workers": [{"port": 1, "alive": True}],
                                            "rooms": 0, "peers": 0},
            fake_bus.SFU_ROOM: lambda asked: {"dot": "digraph {}"} if asked["graph"] else {
                "room_id": asked["room_id"], "speaker": None, "peers": []},
        })

    def wait_until_up(self) -> None:
        """A server that is still starting may take a connection and never answer on it: ask again on another."""
        wait_until(lambda: self.try_get("/health/live") == 200, 30)

    def try_get(self, path: str) -> int:
        try:
            return self.request("GET", path, timeout_s=2).status
        except (OSError, http.client.HTTPException):
            return 0

    def request(self, method: str, path: str, body: object = None,
                headers: dict[str, str] | None = None, timeout_s: float = 20) -> Answer:
        return ask(self.port, method, path, body, headers, timeout_s)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        child = self.children.pop(name)
        child.send_signal(number)
        return child.wait(10)

    def stop_all(self) -> None:
        for bus in (self.realtimed, self.sfu):
            if bus:
                bus.close()
        codes = {name: self.stop(name) for name in list(self.children)}
        log = (self.folder / "api.log").read_text()
        assert "Sanitizer" not in log and "runtime error" not in log, log
        assert codes.get("api", 0) == 0, log


@pytest.fixture(scope="module", params=["fastcgi", "scgi"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
          ) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp(request.param), request.param)
    running.start_api()
    running.start_realtimed()
    running.start_sfu()
    running.start_nginx()
    try:
        running.wait_until_up()
        wait_until(lambda: running.request("GET", "/health").json["status"] == "ok")
        yield running
    finally:
        running.stop_all()


@pytest.fixture
def own_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """One that the test may break; parametrize indirectly with a gateway."""
    running = Stack(tmp_path, getattr(request, "param", "fastcgi"))
    try:
        yield running
    finally:
        running.stop_all()


@pytest.fixture
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Realtimed]:
    """A realtimed of the test's own, with the settings that its module calls DAEMON."""
    running = Realtimed(tmp_path, **getattr(request.module, "DAEMON", {}))
    running.start()
    yield running
    if running.process:
        running.stop()


@pytest.fixture(scope="module")
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A guarded one for a whole module, with the settings that it calls SYSTEM."""
    from guarded_system import System  # it is made of the Stack above

    running = System(tmp_path_factory.mktemp("system"), **getattr(request.module, "SYSTEM", {}))
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def host(system: System) -> str:
    """Who may moderate every room."""
    return system.moderator()
