"""The same in Python, on websockets: it answers each frame, and numbers its own within a socket.

    python echo_server.py PORT
"""

import asyncio
import json
import os
import signal
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

PUSH_SECONDS = 0.5
FLOOD = {"frames": 400, "every": 0.01, "pad": "x" * 16 * 1024}

folder = os.environ["LEDGER"]
os.makedirs(folder, exist_ok=True)
ledger = os.open(f"{folder}/{os.getpid()}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
sockets = 0


async def push(socket, home):
    pushes = 0
    try:
        while True:
            await asyncio.sleep(PUSH_SECONDS)
            pushes += 1
            await socket.send(json.dumps({"push": pushes, "home": home}))
    except ConnectionClosed:
        pass


async def flood(socket):
    try:
        for count in range(FLOOD["frames"]):
            await socket.send(json.dumps({"flood": count + 1, "pad": FLOOD["pad"]}))
            await asyncio.sleep(FLOOD["every"])
    except ConnectionClosed:
        pass


async def client(socket):
    global sockets
    sockets += 1
    tasks = [asyncio.create_task(push(socket, f"{os.getpid()}.{sockets}"))]
    try:
        async for frame in socket:
            if frame == "flood":
                tasks.append(asyncio.create_task(flood(socket)))
                continue
            os.write(ledger, f"{frame}\n".encode())
            await socket.send(json.dumps({"answer": int(frame.split(" ")[1])}))
    except ConnectionClosed:
        pass
    finally:
        for task in tasks:
            task.cancel()


async def main(port):
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    async with serve(client, "127.0.0.1", port, compression=None):
        await stop


asyncio.run(main(int(sys.argv[1])))
