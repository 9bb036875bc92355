// Owns: docs/proof.md, made from the results that lie beside it.
import { machineText, markdownTable, sizeText } from "./report-table.ts";
import { COLUMNS } from "./report-text.ts";
import type { ProofResult, StepResult } from "./result.ts";
import { targetsOf } from "./targets.ts";

/** A result without its charts, for a file that is kept. */
export function withoutCharts(result: ProofResult): ProofResult {
  const steps = result.steps.map(
    (step): StepResult => ({
      ...step,
      chart: { ...step.chart, moments: [], handshakes: [], connections: [] },
    }),
  );
  return {
    ...result,
    steps,
    ...(result.against === undefined ? {} : { against: withoutCharts(result.against) }),
  };
}

/** The whole page; `sideBySide` is a result with `against`. */
export function proofDocument(full: ProofResult, sideBySide: ProofResult | undefined): string {
  return `${[
    "# The proof",
    `<!-- Generated from proof/full.json and proof/side-by-side.json by \`npm run prove -- --docs\`; a test compares them. -->`,
    "`npm run prove` starts a real Redis, three nodes, a balancer and a crowd of clients as processes of one machine, and deploys, kills, freezes and cuts off under steady load. Every publication is accounted for. It ends with a status other than 0 when anything was lost, doubled, out of order or missing without a word, or when a drain made a disconnect that an application could see.",
    "```sh\nnpm run prove                          # everything, about five minutes\nnpm run prove -- --quick               # under 90 s, also part of npm test\nnpm run prove -- --only kill,freeze    # some steps\nnpm run prove -- --against socketio    # the same work on Socket.IO, side by side\nnpm run prove -- --html report.html    # charts of every step, one file\nnpm run prove -- --help\n```",
    "## Results",
    `${sizeText(full)}. ${machineText(full)}.`,
    markdownTable(full),
    notesOf(full),
    "### Targets",
    targetTable(full),
    "## How to read it",
    READING,
    "## How it is measured",
    METHOD,
    ...(sideBySide?.against === undefined
      ? []
      : ["## Side by side", side(sideBySide, sideBySide.against)]),
    "## What it does not prove",
    LIMITS,
  ].join("\n\n")}\n`;
}

function targetTable(result: ProofResult): string {
  const rows = targetsOf(result).map(
    ({ what, wanted, found, isMet }) =>
      `| ${what} | ${wanted} | ${found} | ${isMet ? "yes" : "**no**"} |`,
  );
  return ["| target | wanted | found | met |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function notesOf({ steps }: ProofResult): string {
  const lines = steps.flatMap(({ title, notes, failures }) =>
    [...failures.map((text) => `**${text}**`), ...notes].map((text) => `- ${title}: ${text}`),
  );
  return lines.length === 0 ? "Nothing worth a note happened." : lines.join("\n");
}

const READING = [
  "- **acknowledged, delivered**: publications that a publisher was told are published, and what subscribers got of them and of those without an outcome, summed over all subscriptions.",
  "- **lost**: acknowledged in an ordered or durable channel (or the newest of its key in a latest one), and missing at a subscriber. What a gap declared counts as lost too, except in the steps that destroy Redis' data: there the gap is the truth.",
  "- **duplicated, out of order**: came twice; came behind a later one, or at another offset than its publisher was told.",
  "- **undeclared**: offsets or epochs that jump without a gap before it, as the oracle sees it or as the client library itself counts it; and publications that nobody made.",
  "- **gaps declared**: told to applications. Volatile channels declare what passed while a client was away; a Redis that comes back from a restart or a failover declares to every subscriber that it cannot vouch for what was there.",
  "- **visible disconnects**: an application saw a state other than `connected`. Right when a node dies, wrong when one drains.",
  "- **presence flickers**: members that watchers saw leave. No member ever leaves in a proof.",
  "- **delivery gap**: for each client the longest time that any of its publications took, from the moment for which its publish was *intended*; median, 99th percentile and maximum over clients. When a publisher's own node dies, its publishes wait for its way back, and that shows in everyone who listens to it. **Of that behind the broker** leaves the publisher's part out.",
  "- **attempts per client**: sockets opened for each lost connection and each move; 1.00 is perfect.",
  "- **peak handshakes/s of a node**: most connections that the balancer handed to one node in any second, to be compared with A.",
].join("\n");

const METHOD = [
  "- Nodes are `holdfast serve` in processes of their own, told to go by SIGTERM as Kubernetes does; clients are the real SDK, a quarter of them speaking MessagePack, in two load processes; the balancer (TCP, least connections, asks `/readyz` ten times a second) and the proxies that cut, stall and delay are another process. All of it shares the machine's cores, so every figure includes the load's own work.",
  "- Each publication carries its publisher, that publisher's count and its intended time. Publishers keep to a schedule that a late turn does not shift, so waiting is not hidden (no coordinated omission). A fifth goes through the HTTP API over the balancer, with idempotency keys and repeats; the rest through clients of the SDK.",
  "- Each step has its own account: publishing begins, the step is done, everyone is back, publishing ends, every publish has its outcome, what is on its way arrives (at most 15 s), and then the oracle of every subscription compares what came with what was acknowledged. A publish that timed out may have been taken: it may come once, not twice.",
  "- A client on a bad network sits behind a proxy that delays each direction by 150 ms and each lost packet, with everything behind it, by another 600 ms: that is what loss is to a program above TCP.",
  "- Redis writes an append-only file (`appendfsync everysec`). Each node reaches it through a proxy of its own, so that one can be cut off.",
  "- Delays are kept in HDR histograms (three digits) and merged over processes.",
].join("\n");

const LIMITS = [
  "- One machine: no real network between nodes, clocks that agree, loopback's speed.",
  "- TCP without TLS; TLS makes handshakes dearer, which is what A is for: measure yours.",
  "- A crowd of a thousand, not of a million. The simulation (`npm run simulate`) covers orders of events that no run here hits, the benchmarks cover rates.",
  "- Failures one at a time, apart from two nodes draining at once.",
  "- Data that Redis acknowledged and lost in a failover is declared, not saved: that is asynchronous replication's nature.",
].join("\n");

function side(own: ProofResult, other: ProofResult): string {
  const heads = ["", ...own.steps.flatMap(({ title }) => [`${title}: Holdfast`, "Socket.IO"])];
  const cellsOf = (cell: (step: StepResult) => string) =>
    own.steps.flatMap((step) => {
      const theirs = other.steps.find(({ name }) => name === step.name);
      return [cell(step), theirs === undefined ? "" : cell(theirs)];
    });
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rows = COLUMNS.map(({ head, cell }) => line([head, ...cellsOf(cell)]));
  return [
    `${sizeText(own)}. ${machineText(own)}.`,
    [line(heads), line(heads.map((_, place) => (place === 0 ? "---" : "---:"))), ...rows].join(
      "\n",
    ),
    SIDE_METHOD,
  ].join("\n\n");
}

const SIDE_METHOD = `Socket.IO 4 on Node with \`@socket.io/redis-streams-adapter\` on the same Redis, set up as its documentation advises: connection state recovery for five minutes with middlewares skipped, a stream long enough that nothing is trimmed, WebSocket only, no compression, plain text. On SIGTERM a node first says that it is not ready, waits as long as Holdfast's, calls \`io.close()\` and stays for another 1.5 s so that the adapter can store sessions. Clients have the library's defaults for coming back; where recovery fails they join their rooms again. Publishes are emits with an acknowledgement and a timeout of 20 s, through clients and through an HTTP route.

What it does not have is not held against it: it has no presence (no flickers), no offsets (holes show as losses only), no idempotency keys (publishes are not repeated), and its server acknowledges when it has handed a message to the adapter. Its recovery is at most once by design, and its documentation says that it may fail. Every disconnect counts as visible, because the library tells applications of each.`;
