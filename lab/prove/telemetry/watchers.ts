// Owns: those who read results: an application with the SDK, one with server-sent events, a
// consumer of Kafka; and when each result came.
import { Holdfast } from "@holdfast/client";
import { tokenOf } from "../rivals/holdfast.ts";
import type { DeviceEvent } from "./events.ts";

/** A result of the windows, as every reader gets it. */
export interface WindowRow {
  readonly device: string;
  /** The window's begin. */
  readonly at: number;
  readonly events: number;
  readonly total: number;
  readonly least: number;
  readonly most: number;
  readonly marks: number;
  readonly version: number;
}

export interface Arrival {
  readonly row: WindowRow;
  /** When it came, in ms since the Unix epoch. */
  readonly atMs: number;
}

/** An event that a pipeline told beside its results. */
export type Beside = Pick<DeviceEvent, "device" | "n">;

const PAUSE_MS = 100;
const now = (): number => performance.timeOrigin + performance.now();

/** By WebSocket. */
export class SocketWatcher {
  readonly windows: Arrival[] = [];
  readonly late: Beside[] = [];
  readonly dead: Beside[] = [];
  /** When a gap was told, of results or of what a pipeline reads. */
  readonly gapsAtMs: number[] = [];
  readonly #client: Holdfast;

  constructor(port: number) {
    this.#client = new Holdfast(`ws://127.0.0.1:${port}/connect`, {
      getToken: () => tokenOf("dashboard"),
    });
    this.#client.on("error", () => {});
  }

  async watch(sites: readonly string[]): Promise<void> {
    for (const site of sites)
      await this.#listen(`windows:${site}`, (data) =>
        this.windows.push({ row: data as WindowRow, atMs: now() }),
      );
    await this.#listen("late", (data) => this.late.push(data as Beside));
    await this.#listen("dead", (data) => {
      const { reason, value } = data as { readonly reason: string; readonly value: Beside };
      if (reason === "gap") this.gapsAtMs.push(now());
      else this.dead.push(value);
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async #listen(channel: string, heard: (data: unknown) => void): Promise<void> {
    const subscription = this.#client.channel(channel).subscribe(({ data }) => heard(data));
    subscription.on("gap", () => this.gapsAtMs.push(now()));
    await subscription.ready;
  }
}

/** Lines of a stream that begins again wherever it was cut. */
abstract class Follower {
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor() {
    this.done = this.#run();
  }

  stop(): void {
    this.#stop.abort();
  }

  protected abstract url(): string;
  protected headers(): Readonly<Record<string, string>> {
    return {};
  }
  protected abstract line(line: string): void;

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    await Promise.resolve();
    while (!signal.aborted) {
      try {
        const response = await fetch(this.url(), { headers: { ...this.headers() }, signal });
        if (response.ok && response.body !== null) await this.#read(response.body);
        else await response.body?.cancel();
      } catch {
        // It comes back.
      }
      if (!signal.aborted) await Bun.sleep(PAUSE_MS);
    }
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.line(line);
    }
  }
}

/** By server-sent events, as a browser reads them (HTML Standard, section 9.2). */
export class EventsWatcher extends Follower {
  readonly windows: Arrival[] = [];
  readonly gapsAtMs: number[] = [];
  subscribed = 0;
  readonly #url: string;
  #lastId = "";
  #event = "";
  #id = "";
  #data = "";

  constructor(port: number, sites: readonly string[]) {
    super();
    const channels = sites.map((site) => `channel=windows:${site}`).join("&");
    this.#url = `http://127.0.0.1:${port}/events?${channels}`;
  }

  protected url(): string {
    this.#event = "";
    this.#data = "";
    this.#id = this.#lastId;
    return this.#url;
  }

  protected override headers(): Readonly<Record<string, string>> {
    return {
      accept: "text/event-stream",
      authorization: `Bearer ${tokenOf("dashboard")}`,
      ...(this.#lastId === "" ? {} : { "last-event-id": this.#lastId }),
    };
  }

  protected line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "id") this.#id = value;
    else if (field === "event") this.#event = value;
    else if (field === "data") this.#data += value;
  }

  #dispatch(): void {
    const [event, data] = [this.#event, this.#data];
    this.#event = "";
    this.#data = "";
    this.#lastId = this.#id;
    if (data === "") return;
    if (event === "subscribed") this.subscribed += 1;
    else if (event === "gap") this.gapsAtMs.push(now());
    else if (event === "publication")
      this.windows.push({ row: (JSON.parse(data) as { data: WindowRow }).data, atMs: now() });
  }
}

interface KafkaLine {
  readonly id: string;
  readonly value: unknown;
  readonly partition: number;
  readonly offset: number;
  readonly atMs: number;
}

/** A topic, from its begin, by franz-go's own consumer. */
export class KafkaWatcher extends Follower {
  readonly #url: string;
  readonly #topic: string;
  readonly #heard: (value: unknown, atMs: number) => void;
  /** By partition, of what is to be read next. */
  readonly #next: number[] = [0, 0, 0];

  constructor(readerUrl: string, topic: string, heard: (value: unknown, atMs: number) => void) {
    super();
    this.#url = readerUrl;
    this.#topic = topic;
    this.#heard = heard;
  }

  protected url(): string {
    return `${this.#url}/follow?topic=${this.#topic}&from=${this.#next.join(",")}`;
  }

  protected line(line: string): void {
    if (line === "") return;
    const { value, partition, offset, atMs } = JSON.parse(line) as KafkaLine;
    this.#next[partition] = offset + 1;
    this.#heard(value, atMs);
  }
}
