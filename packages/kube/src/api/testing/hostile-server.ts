// Owns: one collection of an API server that tests can break: lists in pages, watches from a
// version, and a fault in place of any answer.
import { type Json, record } from "../../reading.ts";
import { type Exchange, type RawServer, type RawTls, rawServer } from "./raw-http.ts";

export const COLLECTION = "/api/v1/namespaces/x/configmaps";

export interface Item extends Json {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
  };
  readonly data: Readonly<Record<string, string>>;
}

interface Happened {
  readonly version: number;
  readonly line: string;
}

/** What comes instead of the usual answer. False: the usual answer after all. */
export type Fault = (exchange: Exchange) => boolean;

export class HostileServer {
  readonly items = new Map<string, Item>();
  /** Every request: "LIST", "WATCH 12", or its method. */
  readonly asked: string[] = [];
  /** Watches that are open. */
  readonly watches: Exchange[] = [];
  version = 10;
  /** Watches from before this are Gone. */
  oldest = 0;
  fault: Fault = () => false;
  #happened: Happened[] = [];
  #uid = 0;
  #server: RawServer;
  readonly #tls: RawTls | undefined;

  constructor(tls?: RawTls) {
    this.#tls = tls;
    this.#server = rawServer((exchange) => this.#take(exchange), tls === undefined ? {} : { tls });
  }

  get port(): number {
    return this.#server.port;
  }

  get connections(): number {
    return this.#server.connections;
  }

  /** Away: nothing listens, and every connection is cut. */
  goAway(): void {
    this.#server.stop();
    this.watches.length = 0;
  }

  comeBack(): void {
    const options = this.#tls === undefined ? {} : { tls: this.#tls };
    this.#server = rawServer((exchange) => this.#take(exchange), {
      ...options,
      port: this.port,
    });
  }

  /** Another history: these objects alone, at a version of its own. */
  restore(version: number, names: readonly string[]): void {
    this.#happened = [];
    this.items.clear();
    this.version = version - names.length;
    for (const name of names) this.set(name, "restored");
  }

  set(name: string, value: string): Item {
    return this.put(name, { data: { value } });
  }

  /** An object with these fields beside its metadata. */
  put(name: string, fields: Json): Item {
    const held = this.items.get(name);
    this.version += 1;
    if (held === undefined) this.#uid += 1;
    const item: Item = {
      data: {},
      ...fields,
      metadata: {
        ...record(fields.metadata),
        ...{ name, namespace: "x", resourceVersion: String(this.version) },
        uid: held?.metadata.uid ?? `uid-${this.#uid}`,
      },
    };
    this.items.set(name, item);
    this.#happen(held === undefined ? "ADDED" : "MODIFIED", item);
    return item;
  }

  delete(name: string): void {
    const held = this.items.get(name);
    if (held === undefined) return;
    this.version += 1;
    this.items.delete(name);
    this.#happen("DELETED", {
      ...held,
      metadata: { ...held.metadata, resourceVersion: String(this.version) },
    });
  }

  /** Says a line to every watch. */
  say(type: string, object: Json): void {
    for (const watch of this.watches) watch.chunk(lineOf(type, object));
  }

  bookmark(version = this.version): void {
    this.say("BOOKMARK", {
      ...{ kind: "ConfigMap", apiVersion: "v1" },
      metadata: { resourceVersion: String(version) },
    });
  }

  /** Ends every watch, as the server does after timeoutSeconds. */
  endWatches(): void {
    for (const watch of this.watches.splice(0)) watch.end();
  }

  stop(): void {
    this.#server.stop();
  }

  #happen(type: string, item: Item): void {
    const line = lineOf(type, { kind: "ConfigMap", apiVersion: "v1", ...item });
    this.#happened.push({ version: this.version, line });
    for (const watch of this.watches) watch.chunk(line);
  }

  #take(exchange: Exchange): void {
    const version = exchange.query.get("resourceVersion") ?? "";
    const isWatch = exchange.query.get("watch") === "true";
    this.asked.push(
      isWatch ? `WATCH ${version}` : exchange.method === "GET" ? "LIST" : exchange.method,
    );
    if (this.fault(exchange)) return;
    if (isWatch) this.#watch(exchange, Number(version));
    else this.#list(exchange);
  }

  #watch(exchange: Exchange, version: number): void {
    if (version < this.oldest) {
      exchange.begin();
      exchange.chunk(lineOf("ERROR", GONE));
      exchange.end();
      return;
    }
    exchange.begin();
    for (const { version: at, line } of this.#happened) if (at > version) exchange.chunk(line);
    this.watches.push(exchange);
  }

  #list(exchange: Exchange): void {
    const from = Number(exchange.query.get("continue") ?? 0);
    const limit = Number(exchange.query.get("limit") ?? this.items.size);
    const items = [...this.items.values()];
    const rest = from + limit < items.length ? String(from + limit) : undefined;
    exchange.answer(200, {
      ...{ kind: "ConfigMapList", apiVersion: "v1" },
      metadata: { resourceVersion: String(this.version), continue: rest },
      items: items.slice(from, from + limit),
    });
  }
}

export const GONE = { kind: "Status", code: 410, reason: "Expired", message: "too old" };

export const lineOf = (type: string, object: Json): string =>
  `${JSON.stringify({ type, object })}\n`;
