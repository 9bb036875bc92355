// Owns: a session that is connected to an old node and told to move. For tests only.
import { createManualClock } from "@holdfast/testkit";
import { pub, scripted, type Wire } from "./scripted-node.ts";

export const migrate = (deadlineMs = 30_000): Wire => ({
  t: "migrate",
  reason: "drain",
  deadlineMs,
});
export const gap = (from: number, to: number): Wire => ({
  t: "gap",
  ch: "a",
  from,
  to,
  reason: "dropped",
  pos: { epoch: "e", offset: to },
});

/** Connected to an old node, subscribed to a, at offset 2. */
export function settled(members: Readonly<Record<string, unknown>> = {}) {
  const all = scripted(createManualClock());
  const old = all.connect({ resume: "r-old" });
  const { log } = all.subscribe("a");
  old.subscribed("a", members);
  old.send(pub("a", 1), pub("a", 2));
  log.take();
  old.take();
  const second = () => {
    const socket = all.sockets.at(-1);
    if (!socket || socket === old) throw new Error("No second connection");
    return socket;
  };
  return { ...all, old, second, log };
}
