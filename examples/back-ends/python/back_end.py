# Owns: the receiving side of holdfast.back-end.v1 (spec/back-end.md) as a WSGI application.
"""Answers the hooks and RPCs of Holdfast nodes.

    back_end = BackEnd(secret, {"connect": on_connect, "rpc:close": close})

`back_end` is a WSGI application. A handler gets the question, a dict, and returns None, or a dict
with `reject`, `data` or `b`. What it raises is answered with 500.
"""

import base64
import hashlib
import hmac
import json
import time

TOLERANCE_S = 300
BODY_BYTES_MAX = 2 * 1024 * 1024


class Reject(Exception):
    """Refuses what the client wants; the text reaches the client."""


def _key(secret):
    return base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()


def is_signed(secret, headers, body, now=None):
    """Whether a node that has the secret sent the body within five minutes.

    `headers` are by lower-case name, `body` is the bytes as they came.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or len(timestamp) > 12:
        return False
    if abs((time.time() if now is None else now) - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").split(" ")[:5]
    return any(hmac.compare_digest(b"v1," + mac, one.encode()) for one in given)


class BackEnd:
    def __init__(self, secret, handlers):
        self._secret = secret
        self._handlers = handlers

    def __call__(self, environ, start_response):
        status, answer = self._answer(environ)
        body = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(status, headers)
        return [body]

    def _answer(self, environ):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if length > BODY_BYTES_MAX:
            return "413 Content Too Large", {}
        body = environ["wsgi.input"].read(length)
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: environ.get("HTTP_" + name.upper().replace("-", "_"), "") for name in names}
        if not is_signed(self._secret, headers, body):
            return "401 Unauthorized", {}
        question = json.loads(body)
        kind = question.get("type")
        name = f"rpc:{question['method']}" if kind == "rpc" else kind
        handler = self._handlers.get(name)
        if handler is None:
            # A later version may ask more: a hook without a handler allows.
            return ("404 Not Found", {}) if kind == "rpc" else ("200 OK", {})
        try:
            return "200 OK", handler(question) or {}
        except Reject as refusal:
            return "200 OK", {"reject": str(refusal)}
