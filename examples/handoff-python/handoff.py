"""The pod's side of holdfast.handoff.v1 (spec/handoff.md) for the package `websockets`."""

import asyncio
import struct

NAME = "holdfast.handoff.v1"
TEXT, BINARY, CLOSE, COMMITS, EARLY = 0x01, 0x02, 0x03, 0x10, 0x20
HELLO, ATTACH, LEAVE, SAVED = 0x40, 0x41, 0x42, 0x43
READY, COMMIT, STATE = 0x80, 0x81, 0x82


def select(*spoken):
    """For `select_subprotocol` of `websockets`: the application speaks these, the best first."""

    def choose(_connection, offered):
        held = NAME in offered
        for name in spoken:
            if (f"{NAME}+{name}" if held else name) in offered:
                return f"{NAME}+{name}" if held else name
        return NAME if held else None

    return choose


class Session:
    """One client. `state` (bytes) is what the next pod gets; set it in the handler."""

    def __init__(self, socket):
        self.socket = socket
        self.id = socket.request.headers.get("Holdfast-Session", "")
        self.held = (socket.subprotocol or "").startswith(NAME)
        self.state, self.index, self.is_new = b"", 0, True
        self.up = self.down = self.ahead = 0
        self.state_max, self.unsaved = 0, b""

    async def send(self, data, early=False):
        """To the client: with the next commit, or at once if `early`."""
        if not self.held:
            return await self.socket.send(data)
        self.down += 1
        kind = TEXT if isinstance(data, str) else BINARY
        payload = data.encode() if isinstance(data, str) else data
        head = struct.pack(">BQ", kind | (EARLY if early else 0), self.down)
        await self.socket.send(head + payload)

    async def commit(self):
        """What was handled and sent so far belongs together with the state."""
        if not self.held:
            return
        if self.state == self.unsaved:
            return await self.socket.send(struct.pack(">BQ", COMMIT, self.up))
        if len(self.state) > self.state_max:
            raise ValueError(f"a state of {len(self.state)} bytes; at most {self.state_max}")
        self.unsaved = self.state
        await self.socket.send(struct.pack(">BQ", STATE, self.up) + self.state)

    async def close(self, code=1000, reason=""):
        """Ends the client. It is the last message."""
        if not self.held:
            return await self.socket.close(code, reason)
        self.down += 1
        await self.socket.send(struct.pack(">BQH", CLOSE, self.down, code) + reason.encode())
        await self.commit()


async def serve_client(socket, message, attached=None, closed=None):
    """A handler for `websockets.serve`. `message(session, data)` is awaited for each message."""
    session = Session(socket)
    if not session.held:
        if attached:
            await attached(session)
        async for data in socket:
            session.index += 1
            await message(session, data)
        if closed:
            await closed(session, socket.close_code, socket.close_reason)
        return
    leaving = asyncio.Event()
    inbox = asyncio.Queue()
    reader = asyncio.create_task(read(socket, inbox, leaving))
    try:
        while not leaving.is_set():
            frame = await inbox.get()
            if frame is None:
                return
            kind = frame[0]
            if kind == HELLO:
                session.state_max = struct.unpack_from(">I", frame, 1)[0]
                await socket.send(bytes([READY]))
            elif kind == ATTACH:
                session.up, session.down, got = struct.unpack_from(">QQQ", frame, 1)
                session.state = session.unsaved = frame[25:]
                session.is_new = not (session.up or session.down or session.state)
                session.ahead = got - session.down
                if attached:
                    await attached(session)
                    await session.commit()
            elif kind in (TEXT, BINARY, CLOSE):
                session.index = struct.unpack_from(">Q", frame, 1)[0]
                if session.index <= session.up:
                    continue
                if kind != CLOSE:
                    await message(session, frame[9:].decode() if kind == TEXT else frame[9:])
                elif closed:
                    code = struct.unpack_from(">H", frame, 9)[0]
                    await closed(session, code, frame[11:].decode())
                session.up = session.index
                await session.commit()
        # What still waits comes to the next pod again.
        await socket.close(1000, "The client moves")
    finally:
        reader.cancel()


async def read(socket, inbox, leaving):
    """A LEAVE is heard before what waits in front of it."""
    async for frame in socket:
        if frame[0] == LEAVE:
            leaving.set()
        await inbox.put(frame)
    await inbox.put(None)
