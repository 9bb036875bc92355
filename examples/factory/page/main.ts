// Owns: the page put together: windows by two ways and from the table, alarms, and what happens to
// the nodes.
import { Holdfast } from "@holdfast/client";
import type contract from "../holdfast.config.ts";
import { Floor } from "./floor.ts";
import { watchNodes } from "./nodes.ts";
import { Roll } from "./roll.ts";
import { type Counts, Tally, WAYS, type Way, type Window } from "./tally.ts";

interface Result extends Omit<Window, "line" | "machine"> {
  readonly key: { readonly line: string; readonly machine: string };
}

interface Alarm {
  readonly key: { readonly line: string; readonly machine: string };
  readonly state: "raised" | "cleared";
  readonly value: number;
}

const LINES = ["north", "south"] as const;
const WIDTH_MS = 10_000;
const DRAW_MS = 250;
const ASK_TABLE_MS = 1_000;
/** Rows that are read again each time: a window may come into the table after a newer one. */
const OVERLAP_MS = 30_000;
/** Machines with an alarm that are named. */
const NAMED_MAX = 12;
/** Publications that a page begins with, so that it is not empty. */
const LAST = 100;
const THEME = "holdfast.theme";
const NAMES: Readonly<Record<Way, string>> = {
  socket: "the WebSocket",
  events: "the stream of events",
  table: "the table",
};

const byId = <Kind extends HTMLElement>(id: string): Kind => {
  const found = document.getElementById(id);
  if (found === null) throw new TypeError(`The page has no #${id}`);
  return found as Kind;
};

const port = document.querySelector<HTMLMetaElement>('meta[name="nodes-port"]')?.content;
const nodes = `http://${location.hostname}:${port}`;
const tally = new Tally(WIDTH_MS);
const floor = new Floor(byId("floor"), byId("scale"));
const rolls = Object.fromEntries(WAYS.map((way) => [way, panel(way)] as const)) as Record<
  Way,
  Roll
>;
const alarms = new Roll(plate("alarms"), "Newest alarms");
const log = new Roll(plate("log"), "What happened");
const listening = new Set<string>();
let gaps = 0;

function plate(name: string): Element {
  const found = byId(`${name}-title`).closest(".plate");
  if (found === null) throw new TypeError(`The page has no plate ${name}`);
  return found;
}

function panel(way: Way): Roll {
  plate(way).append(byId<HTMLTemplateElement>("way").content.cloneNode(true));
  return new Roll(plate(way), `Newest windows of ${NAMES[way]}`);
}

function saw(way: Way, window: Window): void {
  tally.saw(way, window, Date.now());
  const { line, machine, fromMs, mean, most, n } = window;
  rolls[way].add({
    atMs: fromMs,
    name: `${line} ${machine}`,
    words: `${mean.toFixed(1)} °C, max ${most}, n ${n}`,
  });
}

const windowOf = ({ key, ...rest }: Result): Window => ({ ...key, ...rest });
const tell = (name: string, words: string, mood?: "good" | "bad"): void =>
  log.add({ atMs: Date.now(), name, words, ...(mood === undefined ? {} : { mood }) });

/** Counting begins when both ways listen. */
function listens(name: string): void {
  listening.add(name);
  if (listening.size === 2 * LINES.length) tally.begin(Date.now());
}

function bySocket(): Holdfast<typeof contract> {
  const client = new Holdfast<typeof contract>(`${nodes}/connect`);
  for (const line of LINES) {
    const heat = client.channel(`heat:${line}`).subscribe(
      ({ data }) => {
        const window = windowOf(data as Result);
        saw("socket", window);
        floor.saw(window);
      },
      { last: LAST },
    );
    heat.on("gap", ({ reason }) => gap("WebSocket", reason));
    heat.ready.then(() => listens(`socket ${line}`)).catch(() => {});
    client.channel(`alarms:${line}`).subscribe(
      ({ data, timeMs }) => {
        const { key, state, value } = data as Alarm;
        floor.alarm(key, state === "raised");
        alarms.add({
          atMs: timeMs,
          name: `${key.line} ${key.machine}`,
          words: `${state} at ${value} °C`,
          mood: state === "raised" ? "bad" : "good",
        });
      },
      { last: LAST },
    );
  }
  client.on("state", ({ state }) => tell("WebSocket", state));
  client.on("error", (error) =>
    tell("WebSocket", error instanceof Error ? error.message : String(error), "bad"),
  );
  return client;
}

function byEvents(): void {
  const channels = LINES.map((line) => `channel=heat:${line}`).join("&");
  const source = new EventSource(`${nodes}/events?${channels}&last=${LAST}`);
  let lostMs: number | undefined;
  const on = (name: string, heard: (data: Record<string, unknown>) => void): void =>
    source.addEventListener(name, ({ data }: MessageEvent<string>) => heard(JSON.parse(data)));
  on("subscribed", ({ channel }) => listens(`events ${channel}`));
  on("publication", ({ data }) => saw("events", windowOf(data as Result)));
  on("gap", ({ reason }) => gap("Events", String(reason)));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED)
      return tell("Events", "refused: reload the page", "bad");
    if (lostMs === undefined) tell("Events", "the stream has ended, and the browser comes back");
    lostMs ??= performance.now();
  };
  source.onopen = () => {
    byId("events-spec").textContent = "EventSource, open";
    if (lostMs === undefined) return;
    const pauseMs = Math.round(performance.now() - lostMs);
    tell("Events", `the stream goes on where it was, after ${pauseMs} ms`, "good");
    lostMs = undefined;
  };
}

function gap(name: string, reason: string): void {
  gaps += 1;
  tell(name, `a gap was told: ${reason}`, "bad");
}

/** Rows that this page has shown, by machine and window: they are read again and again. */
async function fromTable(): Promise<void> {
  let newestMs = Date.now() - OVERLAP_MS;
  const shown = new Map<string, number>();
  for (;;) {
    const rows = document.hidden ? undefined : await rowsSince(newestMs - OVERLAP_MS);
    byId("table-spec").textContent = rows === undefined ? "cannot be read" : "SELECT … FROM heat";
    for (const row of rows ?? []) {
      newestMs = Math.max(newestMs, row.fromMs);
      const name = `${row.machine} ${row.fromMs}`;
      if (shown.has(name)) continue;
      shown.set(name, row.fromMs);
      saw("table", row);
    }
    for (const [name, fromMs] of shown) if (fromMs < newestMs - OVERLAP_MS) shown.delete(name);
    await new Promise((resolve) => setTimeout(resolve, ASK_TABLE_MS));
  }
}

async function rowsSince(sinceMs: number): Promise<readonly Window[] | undefined> {
  try {
    const answer = await fetch(`/rows?since=${sinceMs}`);
    return answer.ok ? ((await answer.json()) as readonly Window[]) : undefined;
  } catch {
    return undefined;
  }
}

function drawCounts(): void {
  const now = Date.now();
  const all = WAYS.map((way) => [way, tally.counts(way, now)] as const);
  for (const [way, counts] of all) {
    for (const figure of plate(way).querySelectorAll<HTMLElement>("[data-count]")) {
      const name = figure.dataset.count as keyof Counts;
      figure.textContent = counts[name].toLocaleString("en");
      figure.dataset.bad = String(name !== "windows" && counts[name] > 0);
    }
  }
  const wrong = all.flatMap(([way, { missing, twice, different }]) => [
    ...(missing > 0 ? [`${missing} missing in ${NAMES[way]}`] : []),
    ...(twice > 0 ? [`${twice} twice in ${NAMES[way]}`] : []),
    ...(different > 0 ? [`${different} different in ${NAMES[way]}`] : []),
  ]);
  if (gaps > 0) wrong.push(`${gaps} gaps told`);
  const most = Math.max(...all.map(([, { windows }]) => windows));
  const verdict = byId("verdict");
  const text =
    wrong.length > 0
      ? wrong.join(", ")
      : most === 0
        ? "Waiting for the first windows to close…"
        : `${most.toLocaleString("en")} windows: each came once by both ways, with the same figures, and has its row.`;
  if (verdict.textContent === text) return;
  verdict.textContent = text;
  verdict.dataset.good = String(wrong.length === 0);
}

function draw(client: Holdfast<typeof contract>): void {
  for (const roll of [...Object.values(rolls), alarms, log]) roll.draw();
  byId("socket-spec").textContent = `${client.state}, on ${client.node ?? "no node"}`;
  byId("raised").textContent = namesOf(floor.raised);
  floor.describe();
  drawCounts();
}

function namesOf(raised: readonly string[]): string {
  if (raised.length === 0) return "No machine has an alarm.";
  const more = raised.length - NAMED_MAX;
  const names = raised.slice(0, NAMED_MAX).join(", ");
  return `${raised.length} now: ${names}${more > 0 ? ` and ${more} more` : ""}`;
}

function watchMoves(client: Holdfast<typeof contract>): void {
  let node: string | undefined;
  setInterval(() => {
    if (client.node !== undefined && client.node !== node) {
      if (node !== undefined) tell("WebSocket", `moved from ${node} to ${client.node}`, "good");
      node = client.node;
    }
    draw(client);
  }, DRAW_MS);
}

async function restart(): Promise<void> {
  const status = await fetch("/restart", {
    ...{ method: "POST", headers: { "x-example": "factory" } },
  })
    .then(async (answer) => {
      await answer.text();
      return answer.status;
    })
    .catch(() => undefined);
  byId("step").textContent =
    status === 202
      ? "Asked. Each node is replaced by a new one; see what happens below."
      : "Nothing was restarted: the nodes could not be asked.";
}

function toggleTheme(): void {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem(THEME, next);
  document.documentElement.dataset.theme = next;
}

const button = byId("theme");
const showTheme = (): void =>
  button.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
showTheme();
new MutationObserver(showTheme).observe(document.documentElement, { attributes: true });
button.onclick = toggleTheme;
byId("restart").onclick = () => void restart();
byId<HTMLAnchorElement>("pipelines").href = `${nodes}/pipelines`;
watchNodes(byId("nodes"), (line) => log.add(line));
watchMoves(bySocket());
byEvents();
void fromTable();
