// Owns: the text of docs/benchmarks.md on how the figures were measured, and on their limits.
import type { CompareResult } from "./result.ts";

/** The method of a result, with its sizes and its machine. */
export function methodOf({
  machine,
  pinned,
  sizes,
  versions,
  loadBefore,
  rounds,
}: CompareResult): string {
  const { windowMs, warmUpMs, memory, payloadBytes } = sizes;
  const pins =
    pinned === undefined
      ? "Processes could not be pinned to cores."
      : `The server, or all nodes of a cluster, is pinned to ${pinned.servers}. The load generator and Redis are pinned to ${pinned.load}.`;
  return [
    `- Each measurement starts a new server. ${pins} The servers take turns within a round, so a slow minute of the machine affects all of them.${rounds > 1 ? ` There are ${rounds} rounds.` : ""}`,
    "- The generator of `holdfast bench` makes the load. One process has all clients. They are small clients of each protocol over raw sockets, and do the same work for each.",
    "- Publishes follow a schedule with random moments around a steady rate. A slow server does not delay it. Delays count from the intended moment (no coordinated omission) and are kept in HDR histograms. Publications are numbered, and the numbers are checked for every subscriber.",
    `- Messages are JSON objects of ${payloadBytes} bytes. A publication arrives at every subscriber of the channel. If the publisher is a subscriber, it gets it too.`,
    `- CPU is the user and system time of the server's processes from \`/proc\`, with their children. It is read ten times a second and counted over ${windowMs / 1000} s after a warm-up. The warm-up has ${warmUpMs / 1000} s of 2,000 publishes a second in a room of ten. Then it has ${warmUpMs / 2000} s of the load itself. After it every runtime has compiled its hot code, as in a server that has run for a while.`,
    "- The kernel separates user from system time by sampling. That has an error of some 10 to 20 % in a single round. Their sum is exact. System time is mostly one socket write for each delivery, which is the same for every server.",
    `- Memory is VmRSS after ${memory.connections.toLocaleString("en")} connections came and twelve quiet seconds. It is the least of ${memory.readings} readings, one in each second. The VmRSS of the server after 200 connections came and went is subtracted. Two rounds are enough.`,
    "- Servers on Node get a `SIGUSR2` before the readings, which makes them collect garbage. Bun collects by itself when it is idle, and V8 does not. A connection does not need that garbage.",
    "- Recovery: CPU counts from the moment at which the first client may come back. It ends three seconds after the last client came back. The time ends when the last client has read what it missed.",
    "- Clients come back like their own libraries. Those of Holdfast come within the window that the node gave them (half a second for this many). Those of Socket.IO come after 0.5 to 1.5 s, those of Centrifugo after 0.5 to 1 s. That is part of the time. Every message that arrives is counted.",
    "- On Bun, messages to a socket within one turn of the event loop leave in one write. On Node every message is a write. At the paces here a turn has one publication, unless the server or the generator is late.",
    "- Delays in a large room are mostly the generator's, which reads a thousand sockets one after another on one core. They compare servers only if one of them is later than that.",
    `- Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, loopback; load average before: ${loadBefore.toFixed(2)}. ${Object.entries(
      versions,
    )
      .filter(([name]) => ["bun-runtime", "node", "redis"].includes(name))
      .map(([, version]) => version)
      .join(", ")}.`,
  ].join("\n");
}

export const LIMITS = [
  "- There is only loopback: no TLS, and no network between nodes. Socket writes cost what they cost in this kernel, and no packet is lost.",
  "- There are two cores. Server and generator have one each, but they share caches, memory and a hypervisor. Three nodes cannot show three times the throughput on them. They show only what each delivery costs.",
  "- Messages are small JSON objects, without schemas, hooks or permissions of an application. Yours cost more, on every server.",
  "- The servers do different work for this cost. Holdfast numbers and keeps every publication, checks permissions and limits, and answers every publish. Socket.IO answers, and does the rest only if an application adds it. The bare servers do none of it.",
  "- soketi, Ably, Pusher and others are not in the table. Centrifugo is in it if its program was given with `--centrifugo PATH`. With `--url` it may run elsewhere, and its CPU and memory are then missing.",
].join("\n");
