"""A game of one number: each message adds 1, and the answer says how much it is now.

    python counter.py 8080
"""

import asyncio
import functools
import signal
import sys

from websockets.asyncio.server import serve

import handoff


async def message(session, data):
    count = int(session.state or b"0") + 1
    session.state = str(count).encode()
    await session.send(f"{count} {data}")


async def main(port):
    client = functools.partial(handoff.serve_client, message=message)
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with serve(client, "127.0.0.1", port, select_subprotocol=handoff.select()) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await stop


asyncio.run(main(int(sys.argv[1])))
