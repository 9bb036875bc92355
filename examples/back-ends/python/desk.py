# Owns: the help desk's rules in Python.
"""desk.py PORT; the secret is in DESK_SECRET. Port 0 takes a free one and prints it."""

import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from back_end import BackEnd, Reject


def connect(question):
    if question["session"].get("user") == "mallory":
        raise Reject("Your account is closed")


def subscribe(question):
    name = question["params"].get("name", "")
    if name.startswith("desk-") and question["session"].get("user") != "ada":
        raise Reject("Only the desk")


def publish(question):
    data = question.get("data")
    if isinstance(data, dict) and "secret" in str(data.get("text", "")):
        return {"data": {**data, "text": "(removed)"}}


def close(question):
    ticket = (question.get("data") or {}).get("ticket")
    if ticket != "7":
        raise Reject("There is no such ticket")
    return {"data": {"closed": ticket, "by": question["session"].get("user")}}


def fail(_question):
    raise RuntimeError("the desk has a fault")


def echo(question):
    return {"b": question["b"]} if "b" in question else {"data": question.get("data")}


HANDLERS = {
    "connect": connect,
    "subscribe": subscribe,
    "publish": publish,
    "rpc:close": close,
    "rpc:fail": fail,
    "rpc:echo": echo,
}


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    def log_message(self, *_args):
        pass


if __name__ == "__main__":
    back_end = BackEnd(os.environ["DESK_SECRET"], HANDLERS)
    port = int(sys.argv[1])
    with make_server("127.0.0.1", port, back_end, Server, Quiet) as server:
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever()
