"""Fill in systemd/nginx/*.in for one user and one folder. Used by ./dev up and by the tests."""

from __future__ import annotations

import getpass
import grp
import os
import re
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "systemd" / "nginx"


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def listen_lines(addresses: list[str], port: int) -> str:
    if not addresses:
        addresses = ["127.0.0.1"] + (["[::1]"] if has_ipv6_loopback() else [])
    return " ".join(f"listen {address}:{port};" for address in addresses)


def user_line() -> str:
    """Only a master that is root may change its workers' user, and by default would."""
    if os.geteuid() != 0:
        return ""
    return f"user {getpass.getuser()} {grp.getgrgid(os.getegid()).gr_name};"


def render(template: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / template).read_text()
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)


def write(data: Path, *, gateway: str, api: str, realtimed: str, addresses: list[str], port: int,
          www: Path = ROOT / "www", body_max: str = "64m") -> Path:
    """Write DATA/nginx/ and the folders it needs; returns the configuration's path.

    `api` and `realtimed` are nginx server addresses: unix:PATH or HOST:PORT.
    """
    for folder in ("nginx", "run", "log"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    values = {
        "API": api,
        "REALTIMED": realtimed,
        # Two workers: at most 16 threads of the API are held by idle connections.
        "KEEPALIVE": "keepalive 8; keepalive_timeout 60s;" if gateway == "fastcgi" else "",
        "GATEWAY": gateway,
        "BODYMAX": body_max,
        "SNIPPETS": str(TEMPLATES),
        "WWW": str(www),
        "DATA": str(data),
        "USER": user_line(),
        "LISTEN": listen_lines(addresses, port),
    }
    for name in ("realtime-http.conf", "realtime-server.conf"):
        (data / "nginx" / name).write_text(render(name + ".in", values))
    path = data / "nginx.conf"
    path.write_text(render("dev.conf.in", values))
    return path


def command(configuration: Path) -> list[str]:
    # -e: before the configuration is read, errors would go to a folder of the system.
    return ["/usr/sbin/nginx", "-p", str(configuration.parent), "-c", str(configuration),
            "-e", str(configuration.parent / "log" / "nginx.log")]
