// Owns: the words of docs/benchmarks.md on how the figures were made and what they cannot say.
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
      : `The server, or all nodes of a cluster, is pinned to ${pinned.servers}; the load generator, and Redis where there is one, to ${pinned.load}.`;
  return [
    `- Each measurement starts a new server. ${pins} The servers take turns within a round, so that a slow minute of the machine hits all of them${rounds > 1 ? `; ${rounds} rounds` : ""}.`,
    `- The load is \`holdfast bench\`'s generator: one process for the clients, light speakers of each protocol over raw sockets, the same work for each. Publishes follow a schedule that a slow server does not delay, at random moments around a steady rate; delays count from the intended moment (no coordinated omission) and are kept in HDR histograms. Every publication is numbered, and every subscriber's are checked.`,
    `- Messages are JSON objects of ${payloadBytes} bytes. What is published arrives at every subscriber of the channel, the publisher included where it is one.`,
    `- CPU is the server processes' user and system time from \`/proc\`, children included, read ten times a second and taken over the ${windowMs / 1000} s behind a warm-up: ${warmUpMs / 1000} s of 2,000 publishes a second in a room of ten, so that every runtime has compiled what is hot, as in a server that has run for a while, and ${warmUpMs / 2000} s of the load itself. The kernel tells user from system time by sampling, which has an error of some 10 to 20 % in a single round; their sum is exact. System time is mostly one socket write for each delivery and the same for everyone.`,
    `- Memory is VmRSS after ${memory.connections.toLocaleString("en")} connections came and twelve quiet seconds, the least of ${memory.readings} seconds' readings, above that of the server after 200 connections came and went; two rounds are enough for it. Nobody is told to collect garbage but the servers on Node, which get a \`SIGUSR2\` that makes them do so before the readings: Bun does it by itself when it is idle, V8 does not, and its garbage is not what a connection needs.`,
    "- Recovery: CPU counts from the moment at which the first client may come back until three seconds behind the last one, time until the last one has caught up. Clients come back as their own libraries do: Holdfast's within the window that the node gave them (half a second for this many), Socket.IO's after 0.5 to 1.5 s, Centrifugo's after 0.5 to 1 s; that is in the time. Every message that comes is counted.",
    "- What is published to a socket within one turn of the event loop leaves in one write on Bun, bare and under Holdfast; on Node every message is a write. At the paces here turns hold one publication, unless server or generator falls behind.",
    "- Delays in a large room are mostly the generator's: it reads a thousand sockets one after another, on one core. They compare servers only where one of them is later than that.",
    `- Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, loopback; load average before: ${loadBefore.toFixed(2)}. ${Object.entries(
      versions,
    )
      .filter(([name]) => ["bun-runtime", "node", "redis"].includes(name))
      .map(([, version]) => version)
      .join(", ")}.`,
  ].join("\n");
}

export const LIMITS = [
  "- Loopback, no TLS, no network between nodes: socket writes cost what they cost in this kernel, and nothing is ever lost on the way.",
  "- Two cores. Server and generator do not disturb each other's core, but they share caches, memory and a hypervisor. With two cores three nodes cannot show three times the throughput: only what each delivery costs.",
  "- Small JSON messages without schemas, hooks or permissions of an application. Yours cost more, on every server.",
  "- The servers do not do the same for the money: Holdfast numbers and keeps every publication, checks permissions and limits, and answers every publish; Socket.IO answers and does the rest only where an application adds it; the bare servers do nothing of it.",
  "- soketi, Ably, Pusher and others are not in the table; Centrifugo is where its program was given (`--centrifugo PATH`, or `--url` for one that runs elsewhere, then without its CPU and memory).",
].join("\n");
