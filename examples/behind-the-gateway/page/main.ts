// Owns: the page put together: who is where, the buttons, what is shown when.
import { Arena } from "./arena.ts";
import { byId, type Card } from "./card.ts";
import { Editor } from "./editor.ts";
import { areWell, Replacement, verdictLine } from "./replacement.ts";
import { SocketWatch } from "./socket-watch.ts";
import { drawStrip } from "./strip.ts";

/** As the example says it. */
interface Status {
  readonly count: number;
  readonly isBusy: boolean;
  readonly step: string;
  readonly failure?: string;
  readonly servers: readonly {
    readonly app: string;
    readonly name: string;
    readonly clients: number;
  }[];
  readonly plainPorts: { readonly editor: number; readonly game: number };
}

interface Place {
  readonly watches: readonly SocketWatch[];
  readonly cards: readonly Card[];
}

const SHOW_MS = 250;
/** Cards tell of so long. */
const GAP_MS = 10_000;
const CALM_MS = 1000;
const LISTEN_AGAIN_MS = 1000;
/** Until then gaps are those of a page that begins. */
const START_MS = 2000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let isRobotOn = !calm.matches;
let held: Place | undefined;
let plain: Place | undefined;
let replacement: Replacement | undefined;
let status: Status | undefined;
/** When the last replacement was over, or the sockets were all there for a moment. */
let overMs = performance.now() + START_MS;
/** When all sockets were well last. */
let calmMs = performance.now();
let shownMs = 0;

function listen(): void {
  const events = new WebSocket(socketUrl(location.host, "/events"));
  events.onmessage = ({ data }: MessageEvent<string>) => hear(JSON.parse(data) as Status);
  events.onclose = () => {
    complain();
    setTimeout(listen, LISTEN_AGAIN_MS);
  };
}

function complain(): void {
  byId("step").textContent = "The example does not answer. Was it stopped? Start it again.";
}

function hear(next: Status): void {
  if (held === undefined) enter(next);
  // It was started anew.
  if (status !== undefined && status.plainPorts.game !== next.plainPorts.game)
    return location.reload();
  if (status !== undefined && next.count > status.count)
    replacement = new Replacement(calmMs, overMs);
  if (!next.isBusy) replacement?.ended(performance.now());
  status = next;
  showStatus(next);
}

function enter({ plainPorts }: Status): void {
  held = place("held", {
    ...{ people: ["Ada", "Grace"], skipper: "Ada" },
    ...{ editor: socketUrl(location.host, "/editor"), game: socketUrl(location.host, "/game") },
  });
  plain = place("plain", {
    ...{ people: ["Alan"], skipper: "Alan" },
    editor: socketUrl(`${location.hostname}:${plainPorts.editor}`, "/editor"),
    game: socketUrl(`${location.hostname}:${plainPorts.game}`, "/game"),
  });
}

const socketUrl = (host: string, path: string): string =>
  `${location.protocol.replace("http", "ws")}//${host}${path}`;

interface Crew {
  readonly people: readonly string[];
  readonly skipper: string;
  readonly editor: string;
  readonly game: string;
}

function place(id: string, { people, skipper, editor, game }: Crew): Place {
  const place = byId(id);
  const watches: SocketWatch[] = [];
  const watch = (name: string): SocketWatch => {
    const one = new SocketWatch(name);
    watches.push(one);
    return one;
  };
  const cards = [
    ...people.map((person) => {
      const counts = () => isRobotOn && person === "Ada";
      return new Editor({ person, url: editor, watch: watch(`${person}’s editor`), place, counts });
    }),
    new Arena({
      ...{ person: skipper, url: game, watch: watch(`${skipper}’s boat`), place },
      isRobotOn: () => isRobotOn,
    }),
  ];
  return { watches, cards };
}

function showStatus({ isBusy, step, failure, servers }: Status): void {
  for (const id of ["deploy", "kill"]) byId(id).setAttribute("aria-disabled", String(isBusy));
  const words = failure === undefined ? step : `${step}. ${failure}`;
  if (byId("step").textContent !== words) byId("step").textContent = words;
  byId("step").dataset.bad = String(failure !== undefined);
  const texts = servers.map(({ app, name, clients }) => {
    return `${app} ${name} has ${clients} ${clients === 1 ? "client" : "clients"} of the gateway`;
  });
  byId("servers").textContent = texts.join("; ");
}

function show(nowMs: number): void {
  if (held === undefined || plain === undefined) return;
  const watches = [...held.watches, ...plain.watches];
  for (const { cards, watches: own } of [held, plain])
    for (const [index, card] of cards.entries())
      card.show(own[index]?.longestGapMs(nowMs - GAP_MS, nowMs) ?? 0);
  if (replacement === undefined && areWell(watches, nowMs)) calmMs = nowMs;
  if (replacement === undefined || !replacement.isOver(watches, nowMs)) return;
  byId("verdict").replaceChildren(
    verdictLine("Behind the gateway,", replacement.figuresOf(held.watches, nowMs)),
    verdictLine("Without it,", replacement.figuresOf(plain.watches, nowMs)),
  );
  replacement = undefined;
  overMs = nowMs;
}

function frame(nowMs: number): void {
  requestAnimationFrame(frame);
  if (calm.matches && nowMs - shownMs < CALM_MS) return;
  shownMs = nowMs;
  const watches = [...(held?.watches ?? []), ...(plain?.watches ?? [])];
  drawStrip(byId("strip") as HTMLCanvasElement, watches, performance.now());
}

/** The header keeps pages of others from doing this. */
function order(path: string): void {
  if (status === undefined || status.isBusy) return;
  byId("verdict").replaceChildren();
  const asked = fetch(path, { method: "POST", headers: { "x-example": "1" } });
  asked.then((answer) => answer.text()).catch(() => complain());
}

function toggle(id: string, isOn: () => boolean, set: (on: boolean) => void): void {
  const button = byId(id);
  button.setAttribute("aria-pressed", String(isOn()));
  button.addEventListener("click", () => {
    set(!isOn());
    button.setAttribute("aria-pressed", String(isOn()));
  });
}

byId("deploy").addEventListener("click", () => order("/deploy"));
byId("kill").addEventListener("click", () => order("/kill"));
toggle(
  "robots",
  () => isRobotOn,
  (on) => {
    isRobotOn = on;
  },
);
toggle(
  "theme",
  () => document.documentElement.dataset.theme === "dark",
  (on) => {
    localStorage.setItem("holdfast.theme", on ? "dark" : "light");
    document.documentElement.dataset.theme = on ? "dark" : "light";
  },
);
listen();
setInterval(() => show(performance.now()), SHOW_MS);
requestAnimationFrame(frame);
