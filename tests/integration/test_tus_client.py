"""A tus client that is not ours (python3-tuspy) uploads a file through each web server; the client is killed on the way, then
the API, and each time it goes on where it stopped. RT_TUS_MB=300 makes it a large one."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import wait_until
from front_site import Site, site_fixture

SIZE = int(os.environ.get("RT_TUS_MB", "48")) << 20
CHUNK = 8 << 20
CLIENT = """
import sys, time
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

url, path, urls, chunk, pause = sys.argv[1:]
uploader = TusClient(url).uploader(path, chunk_size=int(chunk), store_url=True, url_storage=FileStorage(urls),
                                   metadata={"filename": "noise.ogg", "filetype": "audio/ogg"}, retries=0)
print(uploader.offset, flush=True)
while uploader.offset < uploader.get_file_size():
    uploader.upload_chunk()
    print(uploader.offset, flush=True)
    time.sleep(float(pause))
print(uploader.url, flush=True)
"""


site = site_fixture(REALTIME_FILES_USER_QUOTA="0")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "noise.ogg"
    with path.open("wb") as out:
        out.write(b"OggS\0\2")
        for _ in range(SIZE >> 20):
            out.write(os.urandom(1 << 20))
    return path


class Client:
    """tuspy in a process of its own, which can be killed."""

    def __init__(self, site: Site, file: Path, folder: Path, pause_s: float) -> None:
        arguments = [site_url(site), str(file), str(folder / "urls.json"), str(CHUNK), str(pause_s)]
        self.process = subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        assert line, self.process.communicate(timeout=10)[1][-2000:]
        return line

    def rest(self) -> list[str]:
        out, errors = self.process.communicate(timeout=200)
        assert self.process.returncode == 0, errors[-2000:]
        return out.split()


def site_url(site: Site) -> str:
    return f"http://127.0.0.1:{site.port}/realtime/uploads"


def test_a_file_arrives_whole_however_often_it_broke_off(site: Site, file: Path, tmp_path: Path) -> None:
    first = Client(site, file, tmp_path, 0.2)
    assert first.line() == "0"
    assert int(first.line()) == CHUNK
    time.sleep(0.25)  # into the next chunk, or between two
    first.process.kill()
    first.process.wait()

    second = Client(site, file, tmp_path, 0.2)
    assert int(second.line()) >= CHUNK  # not from the beginning
    second.line()
    api = site.stack.children["api"]
    api.send_signal(signal.SIGKILL)
    api.wait()
    second.process.wait(60)
    assert second.process.returncode != 0  # it was told, and gave up
    site.stack.start_api()
    wait_until(lambda: site.stack.try_get("/health/live") == 200)

    third = Client(site, file, tmp_path, 0)
    begun = int(third.line())
    assert CHUNK * 2 <= begun < file.stat().st_size
    place = third.rest()[-1].removeprefix(f"http://127.0.0.1:{site.port}")
    told = site.stack.request("HEAD", place, headers={"Tus-Resumable": "1.0.0"})
    assert told.headers["Upload-Offset"] == told.headers["Upload-Length"] == str(file.stat().st_size)
    kept = site.stack.request("HEAD", told.headers["Content-Location"])
    with file.open("rb") as whole:
        assert kept.headers["ETag"] == f'"{hashlib.file_digest(whole, "sha256").hexdigest()}"'
    assert kept.headers["Content-Type"] == "audio/ogg"
