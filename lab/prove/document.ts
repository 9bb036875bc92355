// Owns: docs/proof.md, made from the results that lie beside it.
import { filledPage } from "../paragraph.ts";
import { clusterTable, shareRows, targetRows } from "./cluster/cluster-text.ts";
import { missedTargets } from "./cluster/judgement.ts";
import { runsTable, withRuns } from "./cluster/runs.ts";
import { gatewaySection } from "./gateway/gateway-text.ts";
import type { GatewayProofResult } from "./gateway/result.ts";
import { machineText, markdownTable, sizeText } from "./report-table.ts";
import { COLUMNS } from "./report-text.ts";
import type { ProofResult, StepResult } from "./result.ts";
import { targetsOf, verdictOf } from "./targets.ts";
import type { TelemetryResult } from "./telemetry/result.ts";
import { telemetrySection } from "./telemetry/telemetry-text.ts";

/** A result without its charts, for a file that is kept. */
export function withoutCharts(result: ProofResult): ProofResult {
  const steps = result.steps.map(
    (step): StepResult => ({
      ...step,
      chart: { ...step.chart, moments: [], handshakes: [], connections: [] },
      ...(step.operator === undefined
        ? {}
        : { operator: { ...step.operator, samples: thinned(step.operator.samples) } }),
    }),
  );
  return {
    ...result,
    steps,
    ...(result.against === undefined ? {} : { against: withoutCharts(result.against) }),
  };
}

/**
 * A run of some steps beside what was kept: each step is that of the newer run that has it. Figures
 * of all runs of one day are kept beside it.
 * `order`: names of all steps.
 */
export function withKept(
  result: ProofResult,
  kept: ProofResult | undefined,
  order: readonly string[],
): ProofResult {
  const places = new Map(order.map((name, place) => [name, place]));
  const steps = new Map(kept === undefined ? [] : ofRun(kept).map((one) => [one.name, one]));
  const isOfOneDay = kept !== undefined && dayOf(kept) === dayOf(result);
  for (const step of ofRun(result))
    steps.set(step.name, isOfOneDay ? withRuns(step, steps.get(step.name)) : step);
  const sorted = [...steps.values()]
    .filter(({ name }) => places.has(name))
    .sort((a, b) => (places.get(a.name) ?? 0) - (places.get(b.name) ?? 0));
  return { ...result, steps: sorted };
}

/** Steps that say when they were measured. */
const ofRun = ({ steps, measuredAt, loadBefore }: ProofResult): readonly StepResult[] =>
  steps.map((step) => ({ ...step, of: step.of ?? { measuredAt, loadBefore } }));

const dayOf = ({ measuredAt }: ProofResult): string => measuredAt.slice(0, 10);

/** Samples of a document. */
const SAMPLES_MAX = 24;

/** Of many samples some, with the first and the last. */
function thinned<T>(samples: readonly T[]): readonly T[] {
  const every = Math.ceil(samples.length / SAMPLES_MAX);
  return samples.filter((_, place) => place % every === 0 || place === samples.length - 1);
}

/** The whole page; `sideBySide` is a result with `against`, `cluster` one of a real cluster. */
/** Results that the page has sections of, if they are kept. */
export interface KeptResults {
  readonly sideBySide?: ProofResult | undefined;
  readonly cluster?: ProofResult | undefined;
  readonly gateway?: GatewayProofResult | undefined;
  readonly telemetry?: TelemetryResult | undefined;
}

export function proofDocument(
  full: ProofResult,
  { sideBySide, cluster, gateway, telemetry }: KeptResults,
): string {
  return filledPage(
    `${[
      "# The proof",
      `<!-- Generated from the results in proof/ by \`npm run prove -- --docs\`; a test compares them. -->`,
      "`npm run prove` starts a real Redis, three nodes, a balancer and many clients as processes of one machine. Under steady load it deploys, kills, freezes and cuts off nodes. It accounts for every publication. Its exit status is not 0 if a publication was lost, doubled, out of order or missing without a gap. It is not 0 either if an application saw a disconnect in a drain.",
      "```sh\nnpm run prove                          # everything, about five minutes\nnpm run prove -- --quick               # under 90 s, also part of npm test\nnpm run prove -- --only kill,freeze    # some steps\nnpm run prove -- --against socketio    # the same work on Socket.IO, side by side\nnpm run prove -- --html report.html    # charts of every step, one file\nnpm run prove -- --cluster             # the operator on a real Kubernetes\nnpm run prove -- --gateway             # other servers behind the gateway, beside other proxies\nnpm run prove -- --telemetry           # devices, pipelines and sinks, about six minutes\nnpm run prove -- --help\n```",
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
      ...(cluster === undefined ? [] : clusterSection(cluster)),
      ...(gateway === undefined ? [] : gatewaySection(gateway)),
      ...(telemetry === undefined ? [] : telemetrySection(telemetry)),
      "## What it does not prove",
      LIMITS,
    ].join("\n\n")}\n`,
  );
}

function clusterSection(result: ProofResult): readonly string[] {
  const rows = targetRows(result);
  const runs = runsTable(result);
  return [
    "## On a real Kubernetes, with the operator",
    "`npm run prove -- --cluster` installs the operator and the nodes by their charts on the cluster of `tools/cluster`. The clients are outside of the pods. `--steps a,b` runs some of the steps.",
    `${sizeText(result)}. ${machineText(result)}.`,
    clusterTable(result),
    notesOf({ ...result, steps: result.steps.map(withoutTargets) }),
    "### Targets of the operator",
    rows.length === 0
      ? "No step of this run has targets."
      : [
          "| step | target | wanted | found | met |",
          "| --- | --- | --- | --- | --- |",
          ...rows,
        ].join("\n"),
    ...(runs.length === 0 ? [] : ["### The same steps again", RUNS_READING, runs.join("\n")]),
    "### People on the new revision over time",
    ["| step | share |", "| --- | --- |", ...shareRows(result)].join("\n"),
    CLUSTER_READING,
  ];
}

/** Missed targets have a table of their own. */
function withoutTargets(step: StepResult): StepResult {
  const missed = missedTargets(step);
  return { ...step, failures: step.failures.filter((text) => !missed.includes(text)) };
}

const RUNS_READING =
  "The tables above show the last run of each step. These steps ran several times on that day: the least and the most.";

const CLUSTER_READING = [
  "- **of them over HTTP**: a fifth of the publications goes through the HTTP API over the Service, in the same account. Rows with a dash are of a run without that.",
  "- **moves per session**: moves of all clients, divided by the clients. A release needs one each.",
  "- **refused on the way**: sockets that a node closed with `try_later`, of all that were opened.",
  "- **verdict after**: from the first status with the release until the operator turned back. The status is read once a second.",
  "- **everyone back after**: from there until the status had no release any more.",
  "- **most people on the new revision**: the largest share in the status.",
  "- **measured**: when its run began (UTC), and the load average before it. Two cores carry a load of 2. What is more is other work on the machine.",
  "- **pause around a move**: the longest delay of what a client received, behind the broker. It counts from 0.25 s before the client's new socket until 1.75 s after it. Beside each of these clients stands one that **stayed** where it was in the same moments. A machine that is busy, or stands still, delays both alike: what is above is the moving's.",
  "- **processor time taken by the host**: these machines are virtual. While their host runs others, every process stands still, some of them for a tenth of a second.",
  "- The longest pause is also compared with that of the two steps of the same run in which nobody moves: nothing happens, or pods of somebody else start and end. Steps may be of several runs. If the host took more than 2 % of the processors' time, this comparison is shown, and not judged.",
  "- In one step pods of somebody else start and end, and nobody moves. Its pause is what starting processes alone costs on these cores.",
  "- A canary that is good waits some seconds for its verdict: some hundred clients carry too few connection-minutes for one.",
  "- No option of a node loses one message in a hundred. The canary that loses messages uses another database of the broker, so nothing passes between the two revisions. What its fault did is told, and is no reason to fail.",
  "- Pods, clients, API server and etcd share the cores of one machine.",
].join("\n");

function targetTable(result: ProofResult): string {
  const rows = targetsOf(result).map(
    (target) => `| ${target.what} | ${target.wanted} | ${target.found} | ${verdictOf(target)} |`,
  );
  return ["| target | wanted | found | met |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function notesOf({ steps }: ProofResult): string {
  const lines = steps.flatMap(({ title, notes, failures }) =>
    [...failures.map((text) => `**${text}**`), ...notes].map((text) => `- ${title}: ${text}`),
  );
  return lines.length === 0 ? "There are no notes." : lines.join("\n");
}

const READING = [
  "- **acknowledged**: publications whose publisher was told that they are published.",
  "- **delivered**: what subscribers got, summed over all subscriptions. It includes publications whose publisher got no answer.",
  "- **lost**: acknowledged in an ordered or durable channel, and missing at a subscriber. In a latest channel only the newest of its key counts. What a gap declared counts as lost too. The steps that destroy Redis' data are an exception: the gap is right there.",
  "- **duplicated**: arrived twice. **out of order**: arrived after a later one, or at another offset than its publisher was told.",
  "- **undeclared**: offsets or epochs that jump without a gap before it, and publications that nobody made. The oracle looks for them, and the client library counts them itself.",
  "- **gaps declared**: gaps that applications were told. Volatile channels declare what was published while a client was away. A Redis that restarts or fails over cannot say what it had. Nodes then declare a gap to every subscriber.",
  "- **visible disconnects**: an application saw a state other than `connected`. That is right if a node dies, and wrong if it drains.",
  "- **presence flickers**: members that watchers saw leave. No member ever leaves in a proof.",
  "- **delivery gap**: for each client, the longest time that any of its publications took. It counts from the *intended* moment of the publish. The column has the median, the 99th percentile and the maximum over clients. If a publisher's own node dies, its publishes wait until it has reconnected. All its subscribers show that. **Of that behind the broker** leaves the publisher's part out.",
  "- **attempts per client**: sockets opened for each lost connection and each move. 1.00 is perfect.",
  "- **peak handshakes/s of a node**: the most connections that the balancer gave to one node in any second. Compare it with A, the handshakes a second that a node accepts.",
].join("\n");

const METHOD = [
  "- Nodes are `holdfast serve`, each in its own process. SIGTERM tells them to stop, as in Kubernetes.",
  "- Clients are the real SDK in two load processes. A quarter of them uses MessagePack.",
  "- Another process has the balancer and the proxies that cut, stall and delay. The balancer speaks TCP, chooses the node with the fewest connections, and asks `/readyz` ten times a second.",
  "- All processes share the machine's cores, so every figure includes the load's own work.",
  "- Each publication carries its publisher, that publisher's count and its intended time. Publishers keep a schedule that a late turn does not shift. So waiting is not hidden (no coordinated omission).",
  "- A fifth of the publications goes through the HTTP API over the balancer, with idempotency keys and repetitions. The rest goes through clients of the SDK.",
  "- Each step has its own account. Publishing begins, the step runs, all clients are back, and publishing ends. Every publish gets its outcome, and the rest arrives (within 15 s). Then the oracle of every subscription compares what arrived with what was acknowledged. A publish that timed out may arrive once, but not twice.",
  "- A client on a bad network is behind a proxy. The proxy delays each direction by 150 ms. It delays each lost packet, and everything behind it, by another 600 ms. A program above TCP sees loss in this way.",
  "- Redis writes an append-only file (`appendfsync everysec`). Each node reaches it through its own proxy, so that one node can be cut off.",
  "- Delays are kept in HDR histograms (three digits) and merged over processes.",
].join("\n");

const LIMITS = [
  "- There is one machine. It has no real network between nodes, its clocks agree, and loopback is fast.",
  "- There is TCP without TLS. TLS makes handshakes cost more, and A must fit that. Measure yours.",
  "- There are a thousand clients, not a million. The simulation (`npm run simulate`) covers orders of events that no run here meets. The benchmarks cover rates.",
  "- Failures come one at a time, apart from two nodes that drain at once.",
  "- Data that Redis acknowledged and lost in a failover is declared, not saved. Asynchronous replication cannot save it.",
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

const SIDE_METHOD = `This is Socket.IO 4 on Node with \`@socket.io/redis-streams-adapter\` on the same Redis. It is set up as its documentation advises. Connection state recovery lasts five minutes and skips middlewares. The stream is so long that nothing is trimmed. There is only WebSocket, without compression and TLS.

On SIGTERM a node first says that it is not ready and waits as long as Holdfast's node. Then it calls \`io.close()\` and stays for another 1.5 s, so that the adapter can store sessions. Clients reconnect with the library's defaults. If recovery fails, they join their rooms again. Publishes are emits with an acknowledgement and a timeout of 20 s, through clients and through an HTTP route.

What Socket.IO does not have does not count against it. It has no presence, so it shows no flickers. It has no offsets, so holes appear only as losses. It has no idempotency keys, so publishes are not repeated. Its server acknowledges when it has given a message to the adapter. Its recovery is at most once by design, and its documentation says that it may fail. Every disconnect counts as visible, because the library tells applications of each.`;
