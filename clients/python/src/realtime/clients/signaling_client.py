"""The client of /realtime/webrtc/signaling: being in a room, and the signals of a call.

Media is not its business: `aiortc`, GStreamer or a browser makes the offers and answers.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl as tls
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..backoff import Backoff
from ..credentials import Credentials
from ..errors import RealtimeError
from ..models import Message
from .socket import Outgoing, ReconnectingSocket

log = logging.getLogger("realtime.webrtc")


class SignalingClient(ReconnectingSocket):
    """In the room for as long as it is connected. Messages: "joined" (peers, ice_servers),
    "peer-joined", "peer-left", "signal", "error" … (protocol section 5).

    After a loss it comes back as the same peer; where that is not possible any more, another
    "joined" without `resumed` says so, and calls have to be set up anew.

    A room with a password wants `password`; the token of an `invite` opens it as well, and one that is
    locked. RealtimeError "password_required", "wrong_password", "room_locked", "bad_invite" …
    """

    def __init__(
        self,
        url: str,
        room_id: str,
        *,
        name: str | None = None,
        password: str | None = None,
        invite: str | None = None,
        credentials: Credentials | None = None,
        ssl: tls.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        open_timeout: float = 10.0,
        request_timeout: float = 10.0,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(
            url,
            credentials=credentials or Credentials(),
            ssl=ssl,
            headers=headers,
            open_timeout=open_timeout,
            request_timeout=request_timeout,
            backoff=backoff,
            log=log,
        )
        self.room_id, self.name = room_id, name
        self._password, self._invite = password, invite
        self.peer_id: str | None = None
        self.joined: Message | None = None
        self._resume_token: str | None = None

    async def send_signal(
        self,
        signal_type: str,
        target_peer_id: str | None = None,
        *,
        sdp: str | None = None,
        ice_candidate: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Returns when it is on its way; there is no acknowledgement, and a refusal comes as an
        "error" message."""
        await self.send(
            signal_type=signal_type,
            target_peer_id=target_peer_id,
            room_id=self.room_id,
            sdp=sdp,
            ice_candidate=ice_candidate,
            **more,
        )

    async def send(self, **fields: Any) -> None:
        """Any message of section 5, such as type="track"; fields that are None are left out."""
        self._check_open()
        try:
            async with asyncio.timeout(self.request_timeout):
                await self._welcomed.wait()
        except TimeoutError:
            raise self._ended or RealtimeError(
                "disconnected", "there is no connection to the room"
            ) from None
        present = {name: value for name, value in fields.items() if value is not None}
        self._queue(Outgoing(json.dumps(present, ensure_ascii=False)))

    # ---- what is spoken ----

    def _address(self) -> str:
        query = {"room_id": self.room_id}
        if self.name is not None:
            query["name"] = self.name
        if self.peer_id is not None and self._resume_token is not None:
            query |= {"peer_id": self.peer_id, "resume_token": self._resume_token}
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(query)}"

    def _subprotocols(self) -> list[str]:
        offered = super()._subprotocols()
        if self._password is not None:
            encoded = base64.urlsafe_b64encode(self._password.encode()).rstrip(b"=").decode()
            offered.append(f"password.{encoded}")
        if self._invite is not None:
            offered.append(f"invite.{self._invite}")
        return offered

    def _is_greeting(self, message: Message) -> bool:
        return bool(message.get("type") == "joined")

    def _on_welcome(self, message: Message) -> None:
        self.joined = message
        self.peer_id = message.get("peer_id")
        self._resume_token = message.get("resume_token")

    async def close(self) -> None:
        await super().close()
        self.peer_id = self._resume_token = None
