// Owns: spec/vectors/sessions.json is well-formed: every frame is one that the protocol knows and every placeholder has a value when it is used.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CODES, type CodeName, jsonClientCodec } from "./index.ts";
import { jsonNodeCodec } from "./node.ts";

type Frame = Readonly<Record<string, unknown>>;
interface Step {
  readonly open?: string;
  readonly send?: string;
  readonly expect?: string;
  readonly closed?: string;
  readonly cut?: string;
  readonly node?: number;
  readonly do?: string;
  readonly frames?: readonly Frame[];
  readonly code?: number;
}

const { sessions } = JSON.parse(readFileSync(new URL("../../../spec/vectors/sessions.json", import.meta.url), "utf8")) as {
  sessions: readonly { readonly name: string; readonly nodes?: number; readonly steps: readonly Step[] }[];
};

/** Frames of these sessions are faulty on purpose. */
const FAULTY = new Set(["subscribe 2", "publish 9", "teleport 3"]);
const CLOSE_CODES = new Set([1000, ...Object.values(CODES).map((row) => ("close" in row ? row.close : 0))]);

/** Replaces placeholders by values, telling `met` each name. */
function filled(value: unknown, met: (name: string) => void): unknown {
  if (Array.isArray(value)) return value.map((item) => filled(item, met));
  if (typeof value === "object" && value !== null) {
    const kept = Object.entries(value).filter(([, item]) => item !== "<absent>");
    return Object.fromEntries(kept.map(([key, item]) => [key, filled(item, met)]));
  }
  const [, type, name] = (typeof value === "string" && /^<(str|int)(?::([a-z0-9-]+))?>$/.exec(value)) || [];
  if (type === undefined) return value;
  if (name !== undefined) met(name);
  return type === "str" ? "x" : 1;
}

for (const session of sessions) {
  test(`session "${session.name}" can be replayed`, () => {
    const known = new Set<string>();
    const open = new Set<string>();
    for (const step of session.steps) {
      const connection = step.send ?? step.expect ?? step.closed ?? step.cut;
      if (step.open !== undefined) open.add(step.open);
      else if (connection !== undefined) expect(open.has(connection)).toBe(true);
      else expect(["drain", "remove_history"]).toContain(step.do ?? "");
      if (step.closed !== undefined || step.cut !== undefined) open.delete(connection ?? "");
      if (step.closed !== undefined) expect(CLOSE_CODES.has(step.code ?? 0)).toBe(true);
      expect(step.node ?? 1).toBeLessThanOrEqual(session.nodes ?? 1);
      for (const frame of step.frames ?? []) {
        if (step.send === undefined) checkServerFrame(filled(frame, (name) => known.add(name)) as Frame);
        else checkClientFrame(filled(frame, (name) => expect(known).toContain(name)) as Frame);
      }
    }
  });
}

function checkClientFrame(frame: Frame): void {
  const [item] = jsonNodeCodec.decode(JSON.stringify(frame), { dataBytesMax: 65_536 });
  const isFaulty = item?.t === "fault";
  if (isFaulty) expect(FAULTY).toContain(`${frame.t} ${frame.id}`);
}

function checkServerFrame(frame: Frame): void {
  expect(jsonClientCodec.decode(JSON.stringify(frame)).length).toBe(1);
  if (typeof frame.code === "number") expect(CODES[frame.name as CodeName].number).toBe(frame.code);
}

test("session names are unique", () => {
  expect(new Set(sessions.map((session) => session.name)).size).toBe(sessions.length);
});
