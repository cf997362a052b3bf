"""The web servers that may stand in front: fill in systemd/{nginx,lighttpd,apache,caddy}/*.in for one
user and one folder. Used by ./dev up and by the tests."""

from __future__ import annotations

import getpass
import grp
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "systemd"
NAMES = ("nginx", "lighttpd", "apache", "caddy")
PACKAGES = {"nginx": ["nginx-light"], "lighttpd": ["lighttpd"], "apache": ["apache2"], "caddy": ["caddy"]}


@dataclass
class Site:
    """What is served, and where. `api` is unix:PATH or HOST:PORT, like `realtimed` HOST:PORT."""

    data: Path
    gateway: str  # fastcgi or scgi
    api: str
    realtimed: str
    addresses: list[str]  # empty: localhost alone
    port: int
    www: Path = ROOT / "www"
    body_max: str = "64m"  # nginx alone

    def listening(self) -> list[str]:
        if self.addresses:
            return self.addresses
        return ["127.0.0.1"] + (["[::1]"] if has_ipv6_loopback() else [])


class Unfit(Exception):
    """This server cannot do what was asked of it; the text is one sentence for the user."""


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def check(front: str, gateway: str) -> None:
    if front == "caddy" and gateway == "scgi":
        raise Unfit("Caddy speaks no SCGI; use --gateway fastcgi")


def needs_tcp(front: str) -> bool:
    """Apache does not run as root, and nobody else can reach a socket in a folder of root's."""
    return front == "apache" and os.geteuid() == 0


def render(template: Path, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], template.read_text())


def write(front: str, site: Site) -> list[str]:
    """Write the configuration into the folder; returns the command that serves it."""
    for folder in (front, "run", "log"):
        (site.data / folder).mkdir(parents=True, exist_ok=True)
    return {"nginx": nginx, "lighttpd": lighttpd, "apache": apache, "caddy": caddy}[front](site)


def fill_in(site: Site, front: str, values: dict[str, str], names: dict[str, Path]) -> None:
    values |= {"WWW": str(site.www), "DATA": str(site.data), "GATEWAY": site.gateway,
               "REALTIMED": site.realtimed}
    for template, path in names.items():
        path.write_text(render(TEMPLATES / front / template, values))


# ---- nginx ----


def nginx_user() -> str:
    """Only a master that is root may change its workers' user, and by default would."""
    if os.geteuid() != 0:
        return ""
    return f"user {getpass.getuser()} {grp.getgrgid(os.getegid()).gr_name};"


def nginx(site: Site) -> list[str]:
    configuration = site.data / "nginx.conf"
    fill_in(site, "nginx", {
        "API": site.api,
        "BODY_MAX": site.body_max,
        # Two workers: at most 16 threads of the API are held by idle connections.
        "KEEPALIVE": "keepalive 8; keepalive_timeout 60s;" if site.gateway == "fastcgi" else "",
        "SNIPPETS": str(TEMPLATES / "nginx"),
        "USER": nginx_user(),
        "LISTEN": " ".join(f"listen {address}:{site.port};" for address in site.listening()),
    }, {
        "realtime-http.conf.in": site.data / "nginx" / "realtime-http.conf",
        "realtime-server.conf.in": site.data / "nginx" / "realtime-server.conf",
        "dev.conf.in": configuration,
    })
    # -e: before the configuration is read, errors would go to a folder of the system.
    return ["/usr/sbin/nginx", "-p", str(site.data), "-c", str(configuration),
            "-e", str(site.data / "log" / "nginx.log")]


# ---- lighttpd ----


def lighttpd(site: Site) -> list[str]:
    configuration = site.data / "lighttpd" / "lighttpd.conf"
    host, port = site.realtimed.rsplit(":", 1)
    first, *others = site.listening()
    if site.api.startswith("unix:"):
        api = f'"socket" => "{site.api.removeprefix("unix:")}"'
    else:
        api = '"host" => "{}", "port" => {}'.format(*site.api.rsplit(":", 1))
    fill_in(site, "lighttpd", {
        "API": api,
        "REALTIMED_HOST": host,
        "REALTIMED_PORT": port,
        "LISTEN": "\n".join([
            f'server.bind = "{first.strip("[]")}"', f"server.port = {site.port}",
            *(f'$SERVER["socket"] == "{address}:{site.port}" {{ }}' for address in others)]),
    }, {"realtime.conf.in": site.data / "lighttpd" / "realtime.conf", "dev.conf.in": configuration})
    return ["/usr/sbin/lighttpd", "-D", "-f", str(configuration)]


# ---- Apache ----


def apache(site: Site) -> list[str]:
    configuration = site.data / "apache" / "apache2.conf"
    module = {"fastcgi": "fcgi", "scgi": "scgi"}[site.gateway]
    if site.api.startswith("unix:"):
        api = f"{site.api}|{module}://realtime-api/"
    else:
        api = f"{module}://{site.api}/"
    fill_in(site, "apache", {
        "API": api,
        "MODULE": module,
        "USER": "User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        "LISTEN": "\n".join(f"Listen {address}:{site.port}" for address in site.listening()),
    }, {"realtime.conf.in": site.data / "apache" / "realtime.conf", "dev.conf.in": configuration})
    return ["/usr/sbin/apache2", "-f", str(configuration), "-DFOREGROUND"]


# ---- Caddy ----


def caddy(site: Site) -> list[str]:
    configuration = site.data / "caddy" / "Caddyfile"
    api = f"unix/{site.api.removeprefix('unix:')}" if site.api.startswith("unix:") else site.api
    fill_in(site, "caddy", {
        "API": api,
        "LISTEN": f"http://:{site.port}",
        "BIND": " ".join(address.strip("[]") for address in site.listening()),
    }, {"realtime.caddy.in": site.data / "caddy" / "realtime.caddy", "dev.caddy.in": configuration})
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", str(configuration)]
