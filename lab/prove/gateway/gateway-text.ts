// Owns: the gateway's proof as text: lines of progress, and a section of docs/proof.md.
import type { Spread } from "./account.ts";
import type { GatewayProofResult, GatewayResult, GatewayStepResult } from "./result.ts";

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((all, one) => all + one, 0);

const number = (value: number): string => value.toLocaleString("en");

const spreadText = ({ median, least, most }: Spread, unit: number, digits: number): string => {
  const [middle, from, to] = [median, least, most].map((one) => (one / unit).toFixed(digits));
  return `${middle} (${from} to ${to})`;
};

/** One step for the terminal. */
export function stepLine(step: GatewayStepResult): string {
  const { account, longestMs, silentMs, moves, failures, declared, notes } = step;
  const { sent, answered, told, unanswered, doubled, outOfOrder, pushed, pushesWrong } = account;
  const lines = [
    ...notes,
    ...declared.map((text) => `declared: ${text}`),
    ...failures.map((text) => `FAILED: ${text}`),
  ];
  return [
    `${failures.length === 0 ? "ok    " : "FAILED"} ${step.title} (${(step.tookMs / 1000).toFixed(1)} s)`,
    `         ${number(sent)} sent, ${number(answered)} answered, ${told} by the profile's rule, ${unanswered} not, ${doubled} twice, ${outOfOrder} out of order; ${number(pushed)} from servers, ${pushesWrong} wrong (${account.pushesTwice} twice), ${account.anew} anew${takenText(step)}`,
    `         longest answer ${longestMs.p50} / ${longestMs.p99} / ${longestMs.max} ms (p50 / p99 / max of clients), silence p99 ${silentMs.p99} ms; moves ${JSON.stringify(moves)}; closes ${JSON.stringify(account.closes)}; ${step.cpuMicrosPerFrame.toFixed(0)} us a frame; the host took ${(step.stolenPercent ?? 0).toFixed(1)} %`,
    ...lines.map((text) => `         ${text}`),
  ].join("\n");
}

function takenText({ taken, documents }: GatewayStepResult): string {
  const servers =
    taken === undefined ? "" : `; servers took ${number(taken.frames)}, ${taken.again} twice`;
  return documents === undefined
    ? servers
    : `${servers}; ${documents.count} documents, ${documents.different.length} not equal`;
}

/** What it cost, for the terminal. */
export const spreadLine = ({ cpuMicrosPerFrame, bytesPerClient }: GatewayResult): string =>
  `         ${spreadText(cpuMicrosPerFrame, 1, 0)} us a frame, ${spreadText(bytesPerClient, 1000, 1)} kB for each client`;

type Column = readonly [head: string, cell: (step: GatewayStepResult) => string];

/** What a row tells of a front in a step. */
const COLUMNS: readonly Column[] = [
  ["sent", ({ account }) => number(account.sent)],
  ["not answered", ({ account }) => number(account.unanswered)],
  ["of these, no server read", ({ account, taken }) => unread(account.unanswered, taken)],
  ["by rule", ({ account }) => number(account.told)],
  ["twice", ({ account }) => number(account.doubled)],
  ["out of order", ({ account }) => number(account.outOfOrder)],
  ["of servers, wrong", ({ account }) => number(account.pushesWrong)],
  ["closed", ({ account }) => number(sum(account.closes))],
  ["longest answer, p50 / p99, ms", ({ longestMs }) => pair(longestMs)],
  ["silence, p50 / p99, ms", ({ silentMs }) => pair(silentMs)],
  ["host took, %", ({ stolenPercent }) => stolenPercent?.toFixed(1) ?? "–"],
  ["moves", ({ moves }) => number(sum(moves))],
  ["holds", holds],
];

const unread = (unanswered: number, taken: GatewayStepResult["taken"]): string =>
  taken === undefined ? "-" : number(unanswered - taken.ofMissing);

const pair = ({ p50, p99 }: { readonly p50: number; readonly p99: number }): string =>
  `${number(p50)} / ${number(p99)}`;

function holds({ failures, declared }: GatewayStepResult): string {
  if (failures.length > 0) return "**no**";
  return declared.length > 0 ? "declared" : "yes";
}

/** All steps of one kind, or of all kinds, of one front. */
function closingRow(result: GatewayResult): readonly string[] {
  const { steps, front } = result;
  const of = (count: (step: GatewayStepResult) => number): string =>
    number(steps.reduce((all, step) => all + count(step), 0));
  const worst = (kind: GatewayStepResult["kind"]): string => {
    const all = steps.filter((step) => step.kind === kind).map(({ longestMs }) => longestMs);
    if (all.length === 0) return "-";
    return pair({
      p50: Math.max(...all.map(({ p50 }) => p50)),
      p99: Math.max(...all.map(({ p99 }) => p99)),
    });
  };
  return [
    ...[result.app, front, worst("drain"), worst("death")],
    of(({ account, kind }) => (kind === "restart" ? 0 : sum(account.closes))),
    of(({ account, kind }) => (kind === "restart" ? 0 : account.unanswered)),
    of(({ account }) => account.doubled),
    of(({ account }) => account.outOfOrder),
    spreadText(result.cpuMicrosPerFrame, 1, 0),
    spreadText(result.bytesPerClient, 1000, 1),
    `${steps.filter(({ failures }) => failures.length === 0).length} of ${steps.length}`,
  ];
}

const CLOSING_HEADS = [
  ...["application", "before the servers", "drains: longest answer, p50 / p99, ms"],
  ...["deaths: the same", "closed", "not answered", "twice", "out of order"],
  ...["us a frame (spread)", "kB a client (spread)", "steps that hold"],
];

/** Paragraphs of docs/proof.md. */
export function gatewaySection(result: GatewayProofResult): readonly string[] {
  const { machine, measuredAt, loadBefore, versions, tookMs } = result;
  const apps = [...new Set(result.apps.map(({ app }) => app))];
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    "## Other servers behind the gateway",
    "`npm run prove -- --gateway` starts servers that know nothing of Holdfast, a gateway before them, and clients of their own libraries. Each client talks all the time, and each frame is accounted for on both sides. Other proxies stand before the same servers in the same run.",
    `${measuredAt.slice(0, 10)}; ${machine.processor}, ${machine.cores} cores for everything together; ${software.join(", ")}; load average before: ${loadBefore.toFixed(1)}; it took ${(tookMs / 60_000).toFixed(0)} minutes.`,
    ...(result.note === undefined ? [] : [result.note]),
    "### Closing rows",
    table(CLOSING_HEADS, 2, result.apps.map(closingRow)),
    ...missed(result),
    ...apps.flatMap((app) => appParts(result.apps.filter((one) => one.app === app))),
    "### How to read these rows",
    READING,
    "### What was not tried",
    NOT_TRIED,
  ];
}

function missed({ apps, broken }: GatewayProofResult): readonly string[] {
  const ends = broken.map(({ app, front, why }) => `- ${app}, ${front}: it broke off. ${why}.`);
  const failed = apps
    .filter(({ front }) => front === "gateway")
    .flatMap(({ app, steps }) =>
      steps.flatMap(({ title, failures }) =>
        failures.map((text) => `- ${app}, ${lowered(title)}: ${text}.`),
      ),
    );
  const lines = [...failed, ...ends];
  return lines.length === 0
    ? ["Every step holds with the gateway."]
    : ["Missed with the gateway:", lines.join("\n")];
}

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

function appParts(results: readonly GatewayResult[]): readonly string[] {
  const [first] = results;
  if (first === undefined) return [];
  const heads = ["step", "before the servers", ...COLUMNS.map(([head]) => head)];
  const rows = first.steps.flatMap(({ name, title }) =>
    results.flatMap(({ front, steps }) => {
      const step = steps.find((one) => one.name === name);
      return step === undefined ? [] : [[title, front, ...COLUMNS.map(([, cell]) => cell(step))]];
    }),
  );
  const notes = results
    .filter(({ front }) => front === "gateway")
    .flatMap(({ steps }) =>
      steps.flatMap(({ title, declared, notes }) => [
        ...notes.map((text) => `- ${title}: ${text}.`),
        ...declared.map((text) => `- ${title}, declared: ${text}.`),
      ]),
    );
  return [
    `### ${first.title}`,
    `${number(first.clients)} clients, a frame of each every ${first.everyMs} ms; load average before: ${results.map(({ front, loadBefore }) => `${front} ${loadBefore.toFixed(1)}`).join(", ")}.${documentsText(results)}`,
    table(heads, 2, rows),
    ...(first.declares.length === 0
      ? ["Its profile declares no hole."]
      : [`Its profile declares: ${first.declares.join("; ")}.`]),
    ...(notes.length === 0 ? [] : ["With the gateway:", notes.join("\n")]),
  ];
}

function documentsText(results: readonly GatewayResult[]): string {
  const gateway = results.find(({ front }) => front === "gateway");
  const last = gateway?.steps.findLast(({ documents }) => documents !== undefined)?.documents;
  if (last === undefined) return "";
  return ` At the end of each step every document is compared byte for byte. Its clients and its server must have the same: ${last.count} documents, ${last.different.length} not equal at the end.`;
}

function table(
  heads: readonly string[],
  left: number,
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const under = heads.map((_, place) => (place < left ? "---" : "---:"));
  return [line(heads), line(under), ...rows.map(line)].join("\n");
}

const READING = [
  "- **not answered**: frames of clients without an answer when the step was over. If a socket closed, those under way count as well.",
  "- **by rule**: the profile answered with an error, because nobody knows whether it was done.",
  "- **of servers, wrong**: frames that servers sent by themselves, and that were missing between two others, or came twice.",
  "- **longest answer**: of each client the longest time from a frame to its answer. **silence**: its longest time without any answer, also while it had no socket.",
  "- **host took**: the part of the processors' time that this virtual machine's host gave to others meanwhile. Everything stands still then.",
  "- **holds**: in a drain nothing is missing, and nobody is closed. The longest answer is at most 50 ms above the steps in which nobody moves: nothing happens, or as many servers start and end beside. If a server is killed, 1 s. **declared**: something is missing or came twice, and the profile's page says so.",
  "- **us a frame**: processor time of what stands before the servers, for each frame that passed while nothing happened; the middle of windows of a second, and their least and most. **kB a client**: memory above that without clients, in the same windows.",
  "- Closing rows count closes and frames without an answer of all steps but the restart. There, closes are the rule.",
  "- The other side of the account: servers write each frame that they took to a file, which outlives a SIGKILL. So a frame that reached two servers is seen.",
  "- Two cores carry a load of 2. If the load is higher, other work ran on the machine, and pauses are the machine's as well.",
  "- fastify's http-proxy stands before one address for all servers, as a Service is. Its connections are counted with the servers, not with the proxy.",
].join("\n");

const NOT_TRIED = [
  "- TLS, real networks, and more than one gateway.",
  "- Brokers and servers of applications that share a store, apart from socket.io with Redis.",
  "- Clients other than the libraries named here, and browsers.",
].join("\n");
