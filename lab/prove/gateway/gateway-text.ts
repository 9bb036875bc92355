// Owns: what people read of the gateway's proof: lines in the terminal, a section of docs/proof.md.
import type { GatewayProofResult } from "./gateway-proof.ts";
import type { GatewayResult, GatewayStepResult } from "./gateway-run.ts";

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

const number = (value: number): string => value.toLocaleString("en");

/** One step for the terminal. */
export function stepLine(step: GatewayStepResult): string {
  const { account, longestMs, moves, failures, notes } = step;
  const { sent, answered, unanswered, doubled, outOfOrder, pushed, pushesWrong, closes } = account;
  const told = [...notes, ...failures.map((text) => `FAILED: ${text}`)];
  return [
    `${failures.length === 0 ? "ok    " : "FAILED"} ${step.title} (${(step.tookMs / 1000).toFixed(1)} s)`,
    `         ${number(sent)} sent, ${number(answered)} answered, ${unanswered} not, ${doubled} twice, ${outOfOrder} out of order; ${number(pushed)} from servers, ${pushesWrong} wrong`,
    `         longest answer ${longestMs.p50} / ${longestMs.p99} / ${longestMs.max} ms (p50 / p99 / max of clients); moves ${JSON.stringify(moves)}; closes ${JSON.stringify(closes)}; ${step.cpuMicrosPerFrame.toFixed(0)} us a frame`,
    ...told.map((text) => `         ${text}`),
  ].join("\n");
}

/** One thing that a row tells of a front in a step. */
const COLUMNS: readonly (readonly [head: string, cell: (step: GatewayStepResult) => string])[] = [
  ["sent", ({ account }) => number(account.sent)],
  ["not answered", ({ account }) => number(account.unanswered)],
  ["twice, out of order", ({ account }) => number(account.doubled + account.outOfOrder)],
  ["of servers, wrong", ({ account }) => number(account.pushesWrong)],
  ["clients closed", ({ account }) => number(sum(account.closes))],
  ["longest answer, p99 of clients, ms", ({ longestMs }) => number(longestMs.p99)],
  ["moves", ({ moves }) => number(sum(moves))],
  ["us a frame", ({ cpuMicrosPerFrame }) => cpuMicrosPerFrame.toFixed(0)],
];

/** Paragraphs of docs/proof.md. */
export function gatewaySection(result: GatewayProofResult): readonly string[] {
  const { machine, measuredAt, loadBefore, versions } = result;
  const apps = [...new Set(result.apps.map(({ app }) => app))];
  return [
    "## Other servers behind the gateway",
    "`npm run prove -- --gateway` starts servers that know nothing of Holdfast, a gateway before them, and clients of their own libraries. Each client talks all the time, and each frame is accounted for. nginx stands before the same servers in the same run.",
    `${measuredAt.slice(0, 10)}; ${machine.processor}, ${machine.cores} cores for everything together; Bun ${versions.bun}; load average before: ${loadBefore.toFixed(1)}.`,
    ...apps.flatMap((app) => appParts(result.apps.filter((one) => one.app === app))),
    READING,
  ];
}

function appParts(results: readonly GatewayResult[]): readonly string[] {
  const [first] = results;
  if (first === undefined) return [];
  const heads = ["step", "before the servers", ...COLUMNS.map(([head]) => head), "holds"];
  const rows = first.steps.flatMap(({ name, title }) =>
    results.flatMap(({ front, steps }) => {
      const step = steps.find((one) => one.name === name);
      if (step === undefined) return [];
      const holds = step.failures.length === 0 ? "yes" : "**no**";
      return [[title, front, ...COLUMNS.map(([, cell]) => cell(step)), holds]];
    }),
  );
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const missed = results
    .filter(({ front }) => front === "gateway")
    .flatMap(({ steps }) =>
      steps.flatMap(({ title, failures }) => failures.map((text) => `- ${title}: ${text}.`)),
    );
  const memory = results.map(
    ({ front, bytesPerClient }) => `${front} ${(bytesPerClient / 1000).toFixed(1)} kB`,
  );
  return [
    `### ${first.title}`,
    `${number(first.clients)} clients, a frame of each every ${first.everyMs} ms. Memory for each client: ${memory.join(", ")}.`,
    [
      line(heads),
      line(heads.map((_, place) => (place < 2 ? "---" : "---:"))),
      ...rows.map(line),
    ].join("\n"),
    ...(missed.length === 0 ? [] : [missed.join("\n")]),
  ];
}

const READING = [
  "- **not answered**: frames of clients without an answer when the step was over. If a socket closed, those under way count as well.",
  "- **of servers, wrong**: frames that servers sent by themselves, and that were missing between two others, or came twice.",
  "- **holds**: in a drain nothing is missing, and nobody is closed. The longest answer is at most 50 ms above a step in which nothing happens. If servers die, what they had taken may be missing.",
  "- **us a frame**: processor time of what stands before the servers, for each frame that passed.",
].join("\n");
