# Owns: the vectors of holdfast.back-end.v1 in Python.
import json
import pathlib

from back_end import is_signed

FILE = pathlib.Path(__file__).parents[3] / "spec/vectors/back-end.json"

vectors = json.loads(FILE.read_text())["questions"]
assert vectors
for one in vectors:
    headers = {
        "webhook-id": one["id"],
        "webhook-timestamp": str(one["timestamp"]),
        "webhook-signature": "v1,AAAA " + one["signature"],
    }
    body, now = one["body"].encode(), one["timestamp"] + 299
    assert is_signed(one["secret"], headers, body, now), one["name"]
    assert not is_signed(one["secret"], headers, body + b" ", now), one["name"]
    assert not is_signed(one["secret"], headers, body, now + 2), one["name"]
    assert not is_signed("another secret", headers, body, now), one["name"]
print(f"{len(vectors)} vectors")
