// Owns: what a gateway says to a client of holdfast.socket.v1 beside the application's messages,
// and in which order it gives that client away (spec/socket.md).
import { controlText, readControl, type ToSocket } from "@holdfast/protocol/socket";
import type { HeldClient, HeldClock, Released } from "@holdfast/rehoming";

export interface SocketLinkPorts {
  readonly clock: HeldClock;
  readonly held: Pick<HeldClient, "isOver" | "isQuiet" | "release" | "end">;
  /** How long to wait for a moment in which nothing is under way. */
  readonly settleMsMax: number;
  tell(text: string): void;
  /** What the next gateway is to hear. Undefined: it is too much, or cannot be said. */
  pack(released: Released): string | undefined;
  /** Closes the client's socket, behind what was told. */
  close(code: number, reason: string): void;
  /** The client took what it is to bring to the next gateway. */
  left(): void;
}

const POLL_MS = 5;
const NORMAL = 1000;
const VIOLATED = 1002;
const SERVICE_RESTART = 1012;
/** Below this part of what a client was told, or above its inverse, it is told anew. */
const WINDOW_SLACK = 0.7;

export class SocketLink {
  readonly #name: string;
  readonly #ports: SocketLinkPorts;
  #phase: "resting" | "asked" | "settling" | "turned" | "leaving" = "resting";
  #windowMs: number;
  #cancel: () => void = () => {};

  /** `windowMs`: as the hello said. */
  constructor(name: string, windowMs: number, ports: SocketLinkPorts) {
    this.#name = name;
    this.#windowMs = windowMs;
    this.#ports = ports;
  }

  /** Whether it was asked to move. */
  get isAsked(): boolean {
    return this.#phase !== "resting";
  }

  /** True: it was for the gateway. */
  takes(frame: unknown): boolean {
    const control = readControl(this.#name, frame);
    if (control === undefined) return false;
    if (!this.#ports.held.isOver) this.#heard(control["type"]);
    return true;
  }

  /** Asks the client to open another socket, and to move to it. `ticket`: what it shows there. */
  move(withinMs: number, ticket?: string): void {
    if (this.#phase !== "resting") return;
    this.#phase = "asked";
    const shown = ticket === undefined ? {} : { ticket };
    this.#tell({ type: "move", withinMs: Math.round(withinMs), ...shown });
  }

  /** Within which time it should come back, if this gateway is lost. */
  window(windowMs: number): void {
    const told = Math.max(1, this.#windowMs);
    if (windowMs > WINDOW_SLACK * told && windowMs < told / WINDOW_SLACK) return;
    this.#windowMs = windowMs;
    this.#tell({ type: "window", windowMs });
  }

  /** The last word before a close after which it is welcome again. */
  retry(windowMs: number): void {
    if (this.#phase !== "leaving") this.#tell({ type: "retry", afterMs: 0, windowMs });
  }

  /** The client is gone. */
  ended(): void {
    this.#cancel();
  }

  #heard(type: unknown): void {
    if (type === "opened" && this.#phase === "asked") {
      this.#phase = "settling";
      this.#settle(this.#ports.clock.nowMs() + this.#ports.settleMsMax);
    } else if (type === "wait" && (this.#phase === "settling" || this.#phase === "turned")) {
      this.#cancel();
      this.#phase = "asked";
    } else if (type === "leave") this.#leave();
  }

  #settle(untilMs: number): void {
    const { clock, held } = this.#ports;
    if (!held.isQuiet && clock.nowMs() < untilMs) {
      this.#cancel = clock.after(POLL_MS, () => this.#settle(untilMs));
      return;
    }
    this.#phase = "turned";
    this.#tell({ type: "turn" });
  }

  #leave(): void {
    if (this.#phase !== "turned")
      return this.#ports.held.end(VIOLATED, "Nobody asked this client to leave");
    this.#phase = "leaving";
    this.#ports.held.release((released) => {
      const state = this.#ports.pack(released);
      if (state === undefined)
        return this.#ports.close(SERVICE_RESTART, "The next gateway cannot be told of this client");
      this.#tell({ type: "state", state });
      this.#ports.left();
      this.#ports.close(NORMAL, "The client moves");
    });
  }

  #tell(message: ToSocket): void {
    this.#ports.tell(controlText(this.#name, message));
  }
}
