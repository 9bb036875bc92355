// Owns: one player of the game: a plain WebSocket, the helm, and the drawing of the arena.
import { Card, inkOf } from "./card.ts";
import { type SocketWatch, watched } from "./socket-watch.ts";

const WIDTH = 320;
const HEIGHT = 180;
const INPUT_MS = 100;
/** As most games do. */
const CONNECT_AGAIN_MS = 1000;
/** After the last key, the robot has the helm again. */
const HELM_MS = 5000;
const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] },
};

type Point = readonly [x: number, y: number];

interface Boat {
  readonly id: string;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly heading: Point;
  readonly score: number;
  readonly missed: number;
}

interface Snapshot {
  readonly server: string;
  readonly boats: readonly Boat[];
  readonly buoys: readonly Point[];
}

export interface ArenaPlan {
  readonly person: string;
  readonly url: string;
  readonly watch: SocketWatch;
  readonly place: HTMLElement;
  /** Whether a robot steers while nobody does. */
  readonly isRobotOn: () => boolean;
}

export class Arena extends Card {
  readonly #plan: ArenaPlan;
  readonly #id = crypto.randomUUID();
  readonly #sea: HTMLElement;
  readonly #held = new Set<string>();
  #pointed: Point | undefined;
  #helmMs = Number.NEGATIVE_INFINITY;
  #socket: WebSocket | undefined;
  #seq = 0;
  #seen: Snapshot = { server: "", boats: [], buoys: [] };

  constructor(plan: ArenaPlan) {
    super("arena", plan.place, plan.watch);
    this.#plan = plan;
    const id = plan.person.toLowerCase();
    this.element.dataset.testid = `${id}-arena`;
    this.#sea = this.part(".sea");
    this.#sea.tabIndex = 0;
    this.#sea.setAttribute("aria-label", `Arena with ${plan.person}'s boat`);
    const caption = this.part(".caption");
    caption.id = `${id}-keys`;
    this.#sea.setAttribute("aria-describedby", caption.id);
    this.#takeKeys();
    this.#takePointer();
    this.#connect();
    setInterval(() => this.#steer(), INPUT_MS);
  }

  override show(gapMs: number): void {
    super.show(gapMs);
    this.say(".score", String(this.#own?.score ?? 0));
    this.say(".missed", String(this.#own?.missed ?? 0));
    this.part(".missed").dataset.bad = String((this.#own?.missed ?? 0) > 0);
  }

  get #own(): Boat | undefined {
    return this.#seen.boats.find(({ id }) => id === this.#id);
  }

  #connect(): void {
    const { url, watch, person } = this.#plan;
    const socket = new (watched(watch))(`${url}?boat=${this.#id}&name=${person}`);
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.#seen = JSON.parse(String(data)) as Snapshot;
      watch.server = this.#seen.server;
      this.#draw();
    });
    socket.addEventListener("close", () => setTimeout(() => this.#connect(), CONNECT_AGAIN_MS));
  }

  #steer(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#seq += 1;
    this.#socket.send(JSON.stringify({ seq: this.#seq, heading: this.#heading() }));
  }

  #heading(): Point {
    const own = this.#own;
    if (own === undefined) return [0, 0];
    if (this.#pointed !== undefined) return towards(own, this.#pointed);
    if (performance.now() - this.#helmMs < HELM_MS) return sum([...this.#held].map(directionOf));
    return this.#plan.isRobotOn() ? this.#robotHeading(own) : [0, 0];
  }

  /** To the nearest buoy that nobody else is nearer to. */
  #robotHeading(own: Boat): Point {
    const others = this.#seen.boats.filter(({ id }) => id !== own.id);
    const free = this.#seen.buoys.filter((buoy) =>
      others.every((other) => distance(own, buoy) <= distance(other, buoy)),
    );
    const [goal] = free.toSorted((a, b) => distance(own, a) - distance(own, b));
    return goal === undefined ? [0, 0] : towards(own, goal);
  }

  #takeKeys(): void {
    this.#sea.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      this.#held.add(event.key);
      this.#helmMs = performance.now();
    });
    this.#sea.addEventListener("keyup", ({ key }) => this.#held.delete(key));
    this.#sea.addEventListener("blur", () => this.#held.clear());
  }

  #takePointer(): void {
    const point = (event: PointerEvent): void => {
      const box = this.#sea.getBoundingClientRect();
      this.#pointed = [
        ((event.clientX - box.left) / box.width) * WIDTH,
        ((event.clientY - box.top) / box.height) * HEIGHT,
      ];
      this.#helmMs = performance.now();
    };
    this.#sea.addEventListener("pointerdown", (event) => {
      this.#sea.setPointerCapture(event.pointerId);
      point(event);
    });
    this.#sea.addEventListener("pointermove", (event) => {
      if (this.#pointed !== undefined) point(event);
    });
    for (const end of ["pointerup", "pointercancel"] as const)
      this.#sea.addEventListener(end, () => {
        this.#pointed = undefined;
      });
  }

  #draw(): void {
    const canvas = this.part("canvas") as HTMLCanvasElement;
    const context = canvas.getContext("2d");
    if (context === null || canvas.clientWidth === 0) return;
    const scale = (canvas.clientWidth / WIDTH) * Math.min(devicePixelRatio, 3);
    canvas.width = Math.round(WIDTH * scale);
    canvas.height = Math.round(HEIGHT * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(canvas);
    const ink = (name: string): string => style.getPropertyValue(`--${name}`);
    for (const [x, y] of this.#seen.buoys) drawBuoy(context, x, y, ink);
    for (const boat of this.#seen.boats) {
      const isOwn = boat.id === this.#id;
      drawBoat(context, boat, isOwn ? ink(inkOf(this.#seen.server)) : ink("ink-3"));
      context.font = `${isOwn ? "600 " : ""}9px ${ink("sans")}`;
      context.fillStyle = ink("ink");
      context.textAlign = "center";
      context.fillText(boat.name, boat.x, boat.y < 24 ? boat.y + 18 : boat.y - 10);
    }
  }
}

function drawBuoy(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  ink: (name: string) => string,
): void {
  context.fillStyle = ink("buoy");
  context.beginPath();
  context.arc(x, y, 4, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = ink("surface");
  context.fillRect(x - 3.5, y - 1, 7, 2);
}

function drawBoat(context: CanvasRenderingContext2D, { x, y, heading }: Boat, ink: string): void {
  const [east, south] = heading[0] === 0 && heading[1] === 0 ? [0, -1] : heading;
  context.save();
  context.translate(x, y);
  context.rotate(Math.atan2(east, -south));
  context.fillStyle = ink;
  context.beginPath();
  context.moveTo(0, -8);
  context.quadraticCurveTo(5, -2, 4, 6);
  context.lineTo(-4, 6);
  context.quadraticCurveTo(-5, -2, 0, -8);
  context.fill();
  context.restore();
}

const directionOf = (key: string): Point => KEYS[key] ?? [0, 0];

const sum = (all: readonly Point[]): Point => [
  all.reduce((x, one) => x + one[0], 0),
  all.reduce((y, one) => y + one[1], 0),
];

function towards(from: { readonly x: number; readonly y: number }, [x, y]: Point): Point {
  const [east, south] = [x - from.x, y - from.y];
  const length = Math.hypot(east, south);
  return length < 3 ? [0, 0] : [east / length, south / length];
}

const distance = (from: Boat, [x, y]: Point): number => Math.hypot(x - from.x, y - from.y);
