"""The Python client towards realtimed and the API together, behind nginx, as the seed uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import bus_peer as bus
import pytest
from bearer import token_of
from guarded_system import WS, System
from python_client import Heard, run

from core.realtime.clients import create_authenticated_client, create_sse_client
from core.realtime.routes import webrtc_rooms
from realtime import RealtimeError, WebRTCRoom, WSClient


class Site(System):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, REALTIME_ANONYMOUS_PUBLISH="true")
        self.bus = self.daemon.bus
        self.ws = self.url(WS)
        self.sse = f"http://127.0.0.1:{self.stack.port}/realtime/events"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    it = Site(tmp_path)
    try:
        yield it
    finally:
        it.stop()


def test_a_notification_goes_from_rest_to_its_reader(site: Site) -> None:
    async def work() -> None:
        shop = create_authenticated_client(site.ws, token_of("shop"))
        ann = create_authenticated_client(site.ws, token_of("ann"))
        heard = Heard()
        ann.on("notification", heard)
        path = "/realtime/notifications"
        waiting = await shop.post(path + "/send", json={
            "user_id": "ann", "title": "First", "body": "B", "data": {"n": [1, None]}})
        assert waiting["delivered_to"] == 0 and waiting["channel"] == "user_ann"
        async with ann, create_sse_client(site.sse, "news") as stream:
            await heard.until(lambda: heard.messages)
            assert heard.messages[0]["notification_id"] == waiting["notification_id"]
            assert heard.messages[0]["data"] == {"n": [1, None]}
            sent = await shop.post(path + "/send", json={
                "user_id": "ann", "title": "Second", "body": "", "notification_type": "call"})
            assert sent["delivered_to"] == 1
            await ann.subscribe_to_channel("news")
            await shop.post(path + "/channel", json={
                "channel": "news", "title": "Third", "body": "B"})
            await shop.post(path + "/broadcast", json={"title": "Fourth", "body": "B"})
            await heard.until(lambda: len(heard.messages) == 4)
            assert [m["title"] for m in heard.messages] == ["First", "Second", "Third", "Fourth"]
            event = await asyncio.wait_for(anext(stream.events()), 10)
            assert event.event == "notification" and event.data["title"] == "Third"

            listed = await ann.notifications(unread=True)
            assert [item["title"] for item in listed["items"]] == ["Second", "First"]
            assert listed["unread"] == 2 and listed["items"][1]["data"] == {"n": [1, None]}
            assert listed["items"][0]["sender"] == "shop"
            await ann.mark_notification_read(sent["notification_id"])
            assert (await ann.notifications())["unread"] == 1
            with pytest.raises(RealtimeError) as error:
                await shop.mark_notification_read(waiting["notification_id"])
            assert (error.value.status, error.value.code) == (404, "notification_not_found")
            await ann.mark_notification_read()
            read = await ann.notifications()
            assert read["unread"] == 0
            assert all(item["read_at"] and item["delivered_at"] for item in read["items"])
            assert (await ann.notifications(unread=True))["items"] == []
            assert (await ann.notifications(notification_type="other"))["items"] == []
            await shop.post("/realtime/binary/text", json={"text": "x" * 300_000, "filename": "a.txt", "channel": "news"})
            assert [item["filename"] for item in (await shop.files(content_type="text/*", limit=1))["items"]] == ["a.txt"]
            assert (await ann.files(channel="news")) == {"items": [], "next": None}

    run(work())


def test_rooms_connections_and_signals_as_the_seed_has_them(site: Site) -> None:
    async def work() -> None:
        sfu = bus.BusPeer(site.bus, "sfu")
        await sfu.connect()
        async with WSClient(site.ws) as client:
            response = await client.post("/realtime/webrtc/rooms", json={
                "room_id": "meeting_123", "name": "Встреча команды", "max_participants": 10})
            assert response["name"] == "Встреча команды"
            other = WSClient(site.ws)
            async with other:
                peer = await other.join_room("meeting_123", "Ann")
                response = await client.get("/realtime/connections")
                assert response["total"] == 3
                response = await client.get("/realtime/webrtc/connections")
                assert response["total"] == 1

                # Nobody said which room: the server knows where the target is.
                await client.send_webrtc_signal(
                    signal_type="offer",
                    target_peer_id=peer.peer_id,
                    sdp="v=0\r\no=- 123456 ...",
                )
                offer = await sfu.hears(bus.PEER_SIGNAL)
                assert offer["room_id"] == "meeting_123"
                assert (await webrtc_rooms.get(client, "meeting_123"))["participants"] == 2
        await sfu.close()

    run(work())


def test_closed_rooms_are_opened_and_moderated(site: Site) -> None:
    async def work() -> None:
        sfu = bus.BusPeer(site.bus, "sfu")
        await sfu.connect()
        async with WSClient(site.ws) as host, create_authenticated_client(site.ws, token_of("ann")) as ann:
            room = WebRTCRoom(room_id="board", password="Höhle 3")
            assert "Höhle" not in repr(room)
            await webrtc_rooms.create(host, room)
            for password, code in ((None, "password_required"), ("no", "wrong_password")):
                with pytest.raises(RealtimeError) as refused:
                    await ann.join_room("board", password=password)
                assert refused.value.code == code
            peer = await ann.join_room("board", "Ann", password="Höhle 3")
            muted = await webrtc_rooms.mute(host, "board", peer.peer_id, audio=True)
            assert muted["audio_muted"] is True and muted["video_muted"] is False
            await webrtc_rooms.kick(host, "board", peer.peer_id, "be kind")
            with pytest.raises(RealtimeError):
                await peer.wait_closed()
            with pytest.raises(RealtimeError) as refused:
                await ann.send_webrtc_signal("bye", room_id="board")
            assert refused.value.close_code == 4410
            again = await ann.join_room("board", "Ann", password="Höhle 3")
            assert again is not peer and again.is_open
            await ann.leave_room("board")

            await webrtc_rooms.update(host, "board", locked=True)
            invite = await webrtc_rooms.invite(host, "board", max_uses=1)
            peer = await ann.join_room("board", "Ann", invite=invite["token"])
            assert [one["user_id"] for one in (await webrtc_rooms.participants(host, "board"))["items"]] == ["ann"]
            ban = await webrtc_rooms.ban(host, "board", peer_id=peer.peer_id, ttl=60)
            with pytest.raises(RealtimeError):
                await peer.wait_closed()
            await ann.leave_room("board")
            await webrtc_rooms.unban(host, "board", ban["ban_id"])
            await webrtc_rooms.revoke_invite(host, "board", invite["invite_id"])
            with pytest.raises(RealtimeError) as refused:
                await ann.join_room("board", invite=invite["token"])
            assert refused.value.code == "bad_invite"
        await sfu.close()

    run(work())
