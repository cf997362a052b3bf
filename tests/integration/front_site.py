"""A web server that we have a configuration for, with the real API and realtimed behind it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from children import spawn
from conftest import Stack, free_ports
from realtimed import Realtimed
from tools import fronts

PAIRS = [(front, gateway) for front in fronts.NAMES for gateway in ("fastcgi", "scgi")
         if (front, gateway) != ("caddy", "scgi")]


class Site:
    """realtimed, realtime-api and a web server on one folder."""

    def __init__(self, folder: Path, front: str, gateway: str, **settings: str) -> None:
        self.front = front
        self.stack = Stack(folder, gateway, env=dict(settings))
        run = folder / "run"
        run.mkdir()
        (folder / "daemon").mkdir()
        self.daemon = Realtimed(folder / "daemon", REALTIME_DATABASE=str(self.stack.database), **settings)
        self.daemon.settings["REALTIME_BUS"] = self.daemon.bus = str(run / "bus.sock")
        api = f"127.0.0.1:{free_ports(1)}" if fronts.needs_tcp(front) else f"unix:{run / 'api.sock'}"
        self.stack.env["REALTIME_API_LISTEN"] = f"{gateway}:{api}"
        self.daemon.start()
        self.stack.start_api()
        command = fronts.write(front, fronts.Site(
            folder, gateway=gateway, api=api, realtimed=f"127.0.0.1:{self.daemon.port}",
            addresses=["127.0.0.1"], port=self.stack.port))
        with (folder / "front.out").open("ab") as out:
            self.server = spawn(command, stdout=out, stderr=out, start_new_session=True)
        self.stack.wait_until_up()

    @property
    def port(self) -> int:
        return self.stack.port

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        # Apache waits ten seconds for a stream whose reader has gone, and it is not what we test.
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()
        self.stack.stop_all()
        self.daemon.stop()


def site_fixture(**settings: str) -> Callable[..., Iterator[Site]]:
    """A module's `site`: each web server in turn, with these settings."""

    @pytest.fixture(scope="module", params=PAIRS, ids="-".join)
    def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
        front, gateway = request.param
        running = Site(tmp_path_factory.mktemp(front), front, gateway, **settings)
        try:
            yield running
        finally:
            running.stop()

    return site
