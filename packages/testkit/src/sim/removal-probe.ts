// Owns: asking every node for what was removed, as a client would that comes back from before it.
import { jsonClientCodec } from "@holdfast/protocol";
import { makeToken } from "./authentication.ts";
import type { Message } from "./connection.ts";
import { probeLink } from "./probe-link.ts";
import type { SimNode } from "./sim-node.ts";

/** The probe's connection is closed after this. */
const PATIENCE_MS = 2000;

/** Subscribes on the node behind `position`; `sent` gets each message that comes. */
export function probe(
  node: SimNode,
  channel: string,
  position: { readonly epoch: string; readonly offset: number },
  sent: (message: Message) => void,
): void {
  const { engine, process } = node;
  if (engine.state !== "ready") return;
  const client = node.dial(probeLink("probe", sent));
  const token = makeToken({
    sub: "probe",
    expiresAtMs: process.clock.wallMs() + PATIENCE_MS * 2,
    trusted: true,
  });
  const frames = [
    jsonClientCodec.encode({ t: "connect", id: 1, token }),
    jsonClientCodec.encode({ t: "subscribe", id: 2, ch: channel, pos: position }),
  ];
  client.message(jsonClientCodec.join(frames));
  process.at(PATIENCE_MS, () => client.closed());
}
