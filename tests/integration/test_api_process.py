"""realtime-api as a process: its health, how it starts, ends, and makes keys."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import pytest
from api_command import run_api
from conftest import Stack, wait_until

ROOMS = "/realtime/webrtc/rooms"


# ---- health ----


@pytest.mark.parametrize("own_stack", ["fastcgi", "scgi"], indirect=True)
def test_health_tells_which_process_is_gone(own_stack: Stack) -> None:
    stack = own_stack
    stack.start_api()
    stack.start_realtimed()
    stack.start_sfu()
    stack.start_nginx()
    stack.wait_until_up()

    def is_health(path: str, status: int, word: str) -> bool:
        answer = stack.request("GET", path)
        return answer.status == status and answer.json["status"] == word

    hub, media = "/realtime/health", "/realtime/webrtc/health"
    wait_until(lambda: is_health("/health", 200, "ok"))
    assert is_health(hub, 200, "ok") and is_health(media, 200, "ok")
    assert stack.request("GET", "/health").json["checks"] == {
        "api": "ok", "store": "ok", "realtimed": "ok", "sfu": "ok"}

    stack.realtimed.close()
    wait_until(lambda: is_health(hub, 503, "down"), 2)
    assert is_health(media, 200, "ok") and is_health("/health", 200, "degraded")
    assert stack.request("POST", ROOMS, {"room_id": "r"}).status == 201
    assert stack.request("GET", f"{ROOMS}/r").json["participants"] is None
    refused = stack.request("POST", "/realtime/send", {"data": 1})
    assert refused.status == 503 and refused.headers["Retry-After"]

    stack.start_realtimed()
    wait_until(lambda: is_health(hub, 200, "ok"), 3)
    stack.sfu.is_mute = True  # hung rather than dead
    wait_until(lambda: is_health(media, 503, "down"), 2)
    assert is_health(hub, 200, "ok")
    stack.sfu.close()

    stack.stop("api", signal.SIGKILL)
    wait_until(lambda: is_health("/health", 503, "down"), 2)
    away = stack.request("GET", ROOMS)
    assert away.status == 503 and away.json["code"] == "api_unavailable"
    stack.start_api()  # over the socket file that the killed one left
    wait_until(lambda: is_health("/health", 200, "degraded"))
    assert stack.request("GET", f"{ROOMS}/r").status == 200


# ---- starting and stopping ----


@pytest.mark.parametrize("own_stack", ["fastcgi", "scgi"], indirect=True)
def test_it_stops_within_3_s_with_connections_kept(own_stack: Stack) -> None:
    stack = own_stack
    stack.env["REALTIME_API_THREADS"] = "4"
    stack.start_api()
    stack.start_nginx()
    stack.wait_until_up()
    for _ in range(20):
        assert stack.request("GET", ROOMS).status == 200
    # One that was opened and never used.
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(str(stack.folder / "run" / "api.sock"))
    started = time.monotonic()
    assert stack.stop("api") == 0
    assert time.monotonic() - started < 3
    assert not (stack.folder / "run" / "api.sock").exists()
    silent.close()


@pytest.mark.parametrize("env,words", [
    ({"REALTIME_API_LISTEN": "http:1"}, "REALTIME_API_LISTEN"),
    ({"REALTIME_API_LISTEN": "scgi:0.0.0.0:9000"}, "127.x.y.z"),
    ({"REALTIME_API_LISTEN": " , "}, "empty"),
    ({"REALTIME_API_THREADS": "many"}, "REALTIME_API_THREADS"),
    ({"REALTIME_DATABASE": "/nonexistent/x.db"}, "/nonexistent/x.db"),
    ({"REALTIME_DATA_DIR": "/nonexistent"}, "/nonexistent/files"),
])
def test_a_bad_setting_is_one_sentence(env: dict[str, str], words: str, tmp_path: Path) -> None:
    result = run_api({"REALTIME_DATABASE": str(tmp_path / "r.db"), **env})
    assert result.returncode == 1
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_a_socket_in_use_is_left_alone(stack: Stack, tmp_path: Path) -> None:
    result = run_api({"REALTIME_DATABASE": str(tmp_path / "r.db"),
                      "REALTIME_API_LISTEN": f"scgi:unix:{stack.folder / 'run' / 'api.sock'}"})
    assert result.returncode == 1 and "already listens" in result.stderr
    assert stack.request("GET", ROOMS).status == 200


def test_a_file_in_the_sockets_place_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("text")
    result = run_api({"REALTIME_DATABASE": str(tmp_path / "r.db"),
                      "REALTIME_API_LISTEN": f"fastcgi:unix:{precious}"})
    assert result.returncode == 1 and str(precious) in result.stderr
    assert precious.read_text() == "text"


def test_a_key_made_by_command_opens_a_closed_server(own_stack: Stack) -> None:
    stack = own_stack
    stack.env["REALTIME_ANONYMOUS_PUBLISH"] = "false"
    stack.start_api()
    stack.start_nginx()
    stack.wait_until_up()
    made = run_api({"REALTIME_DATABASE": str(stack.database)}, "create-api-key", "tests")
    key = made.stdout.strip()
    assert re.fullmatch(r"rtk_\w{40}", key)
    refused = stack.request("POST", ROOMS, {})
    assert refused.status == 401 and refused.headers["WWW-Authenticate"]
    for headers in ({"X-API-Key": key}, {"Authorization": f"ApiKey {key}"},
                    {"Authorization": f"Bearer {key}"}):
        assert stack.request("POST", ROOMS, {}, headers).status == 201
    assert stack.request("POST", f"{ROOMS}?api_key={key}", {}).status == 201
    assert stack.request("GET", ROOMS, headers={"X-API-Key": key + "x"}).status == 401
    log = (stack.folder / "log" / "access.log").read_text() + \
        (stack.folder / "api.log").read_text()
    assert key not in log
    assert key.encode() not in stack.database.read_bytes()


def test_settings_and_version_are_told() -> None:
    assert "REALTIME_API_LISTEN" in run_api({}, "--help").stdout
    assert run_api({}, "--version").stdout.startswith("realtime-api ")
    assert "| `REALTIME_API_LISTEN` |" in run_api({}, "--print-settings-markdown").stdout
    assert run_api({}, "--nonsense").returncode == 2
