// Owns: the derived members of the frame vectors, made without the codecs that the vectors test.
// Run: bun packages/protocol/scripts/fill-vectors.ts
//
// In client-frames.json and server-frames.json every vector gets `msgpack` and `frame` from its
// `json`. In invalid-client-frames.json a vector with `fill: true` gets `msgpack` from its `json`.
import { readFileSync, writeFileSync } from "node:fs";
import { VECTOR_WIRES } from "../src/vector-wire.ts";

interface Vector {
  name: string;
  json?: string;
  msgpack?: string;
  frame?: unknown;
  fill?: boolean;
  fault?: unknown;
}

type Members = Record<string, unknown>;
const LISTS = ["pubs", "list", "join", "update"];

/** The map with `change` made to itself and to the entries of its lists. */
function changed(map: Members, change: (map: Members) => Members): Members {
  const next = change(map);
  for (const name of LISTS)
    if (Array.isArray(next[name])) next[name] = (next[name] as Members[]).map(change);
  return next;
}

/** `d` and `b` become `data`, as README.md of the vectors has it. */
function decoded({ d, b, ...members }: Members): Members {
  if (d !== undefined) members.data = { value: d };
  else if (b !== undefined) members.data = { base64: b };
  return members;
}

/** Members that a frame has, for the vector whose frame has more. */
function known(frame: Members): Members {
  const { future: _unknown, ...members } = frame;
  if (members.t === "ping") delete members.data;
  return members;
}

function fill(file: string, isValid: boolean): void {
  const path = new URL(`../../../spec/vectors/${file}`, import.meta.url);
  const document = JSON.parse(readFileSync(path, "utf8")) as { vectors: Vector[] };
  document.vectors = document.vectors.map(({ fill: wanted, ...vector }) => {
    if (!isValid && !wanted) return vector;
    const map = JSON.parse(vector.json ?? "null") as Members;
    const { name, json, fault, ...rest } = vector;
    const msgpack = Buffer.from(VECTOR_WIRES.msgpack.encode([map])).toString("hex");
    return isValid
      ? { name, json, msgpack, frame: known(changed(map, decoded)) }
      : { name, json, ...rest, msgpack, fault };
  }) as Vector[];
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
}

fill("client-frames.json", true);
fill("server-frames.json", true);
fill("invalid-client-frames.json", false);
