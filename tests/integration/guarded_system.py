"""realtimed and the API together, behind nginx, where whoever asks must show who it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from pathlib import Path

from answer import Answer
from bearer import SECRET, bearer, token_of
from conftest import API, Stack, wait_until
from realtimed import Realtimed

WS, SIGNALING, ROOMS = "/realtime/ws", "/realtime/webrtc/signaling", "/realtime/webrtc/rooms"


class System:
    """realtimed, realtime-api and nginx on one folder. Connections go through nginx."""

    def __init__(self, folder: Path, gateway: str = "fastcgi", *, body_max: str = "64m",
                 **more: str) -> None:
        settings = {"REALTIME_CONFIG": "/dev/null", "REALTIME_ANONYMOUS_PUBLISH": "false",
                    "REALTIME_JWT_SECRET": SECRET, "REALTIME_JWT_LEEWAY": "0",
                    "REALTIME_LOG_LEVEL": "debug", **more}
        self.stack = Stack(folder, gateway, env=settings, body_max=body_max)
        bus_path = folder / "run" / "bus.sock"
        bus_path.parent.mkdir()
        (folder / "daemon").mkdir()
        self.daemon = Realtimed(folder / "daemon", REALTIME_DATABASE=str(self.stack.database),
                                REALTIME_BUS=str(bus_path), **settings)
        self.daemon.bus = str(bus_path)
        self.secrets = [SECRET]
        self.daemon.start()
        self.stack.start_api()
        self.stack.start_nginx(f"127.0.0.1:{self.daemon.port}")
        self.stack.wait_until_up()
        # The API answers before it has found realtimed, and what needs that is refused until then.
        wait_until(lambda: self.stack.try_get("/realtime/health") == 200, 30)

    def stop(self) -> None:
        self.stack.stop_all()
        if self.daemon.process:
            self.daemon.stop()

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.stack.port}{path}"

    def token(self, sub: str, **more: object) -> str:
        return self.remember(token_of(sub, **more))

    def moderator(self, user: str = "host") -> str:
        """The token of somebody who may moderate every room."""
        return self.token(user, rooms={"*": ["subscribe", "publish", "moderate"]})

    def remember(self, secret: str) -> str:
        self.secrets.append(secret)
        return secret

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(API), *arguments], capture_output=True, text=True, timeout=10, check=False,
            env={**os.environ, **self.stack.env, "REALTIME_DATABASE": str(self.stack.database)})

    def key(self, name: str, *options: str) -> str:
        made = self.run("create-api-key", name, *options)
        assert made.returncode == 0, made.stderr
        return self.remember(made.stdout.strip())

    def key_id(self, name: str) -> str:
        with sqlite3.connect(self.stack.database) as db:
            return str(db.execute("SELECT key_id FROM api_keys WHERE name = ?", (name,)).fetchone()[0])

    def sql(self, statement: str, *values: object) -> None:
        with sqlite3.connect(self.stack.database) as db:
            db.execute(statement, values)

    def ask(self, method: str, path: str, body: object = None, credential: str | None = None) -> Answer:
        return self.stack.request(method, path, body, bearer(credential) if credential else None)

    def ticket(self, credential: str) -> str:
        answer = self.ask("POST", "/realtime/tickets", credential=credential)
        assert answer.status == 201, answer.body
        left_ms = answer.json["expires_at"] - time.time() * 1000
        assert 20000 < left_ms <= 31000
        return self.remember(answer.json["ticket"])

    def logs(self) -> dict[str, str]:
        folder = self.stack.folder
        files = {"nginx access": folder / "log" / "access.log", "nginx errors": folder / "log" / "nginx.log",
                 "realtimed": folder / "daemon" / "log", "api": folder / "api.log"}
        return {name: file.read_text(errors="replace") for name, file in files.items()}
