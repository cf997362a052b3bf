"""The whole system for a test, started as ./dev up does."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import fake_bus
from answer import Answer, ask
from children import spawn
from conftest import free_ports

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RT_BUILD", ROOT / "build" / "asan"))
ROOMS = "/realtime/webrtc/rooms"


class System:
    """One ./dev up on a folder that outlives it. Nothing it loses is started again."""

    def __init__(self, data: Path, gateway: str = "fastcgi", **settings: str) -> None:
        self.data = data
        self.settings = settings
        self.gateway = gateway
        self.port = free_ports(3)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = spawn(
            ["/usr/bin/python3", str(ROOT / "tools" / "dev_up.py"), "--build", str(BUILD),
             "--data", str(self.data), "--port", str(self.port), "--gateway", self.gateway,
             "--no-restart"],
            env={**os.environ, "WEBRTC_WORKERS": "1", "REALTIME_CONFIG": "/dev/null", **self.settings},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        ready = self.process.stdout.readline()
        assert ready == f"ready http://localhost:{self.port}/\n", ready
        key = self.process.stdout.readline()
        assert key.startswith("api key "), key
        self.key = key.split()[-1]

    def kill(self, *names: str) -> None:
        pids = [int((self.data / "run" / f"{name}.pid").read_text()) for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            assert self.process.wait(20) == 0
            self.process.stdout.close()
            self.process = None
        for log in (self.data / "log").glob("*.log"):
            text = log.read_text(errors="replace")
            assert "Sanitizer" not in text and "runtime error" not in text, text

    def request(self, method: str, path: str, body: object = None,
                headers: dict[str, str] | None = None) -> Answer:
        return ask(self.port, method, path, body, headers)

    def create_room(self, room_id: str, **settings: object) -> None:
        assert self.request("POST", ROOMS, {"room_id": room_id, **settings}).status == 201

    def participants(self, room_id: str) -> list[dict]:
        return self.request("GET", f"{ROOMS}/{room_id}/participants").json["items"]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def worker(self) -> dict:
        """What the SFU's one worker tells of itself."""
        return fake_bus.ask(self.data / "run" / "sfu.sock", fake_bus.SFU_STATUS, {})["workers"][0]

    def estimate_of(self, room_id: str, kind: str) -> int | None:
        """What the way to the room's peer of this kind carries, in bit/s; None: it does not tell."""
        stats = fake_bus.ask(self.data / "run" / "sfu.sock", fake_bus.SFU_ROOM, {"room_id": room_id})
        return next((peer["estimate_bps"] for peer in stats["peers"] if peer["kind"] == kind), None)
