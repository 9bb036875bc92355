// Owns: the nodes of a proof: it starts, drains, kills and freezes them, and tells the balancer of
// each.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Helper } from "@holdfast/load/processes";
import { bundleForNode } from "../rivals/bundle.ts";
import type { SocketIoServerOptions } from "../rivals/socket-io-server.ts";
import type { BrokerAccess, BrokerPlace } from "./broker-place.ts";
import type { NetworkCommands } from "./network.ts";
import { NodeProcess } from "./node-process.ts";
import { eventually, ProveError } from "./prove-error.ts";
import { TOKEN_SECRET } from "./rivals/holdfast.ts";

const ROOT = join(import.meta.dir, "../..");
export const API_KEY = "the key of a proof's back end, 0123456789abcdef";
const READY_MS = 20_000;
/** Between "not ready" and the first move: the balancer asks ten times a second. */
const PRE_DELAY_MS = 500;
const WINDOW_MS = 20_000;
/** Socket.IO's recovery works for as long as Holdfast's resume tokens do. */
const RECOVERY_MS = 300_000;
const QUICK_COOLDOWN_MS = 2000;
/** After the deadline a node has this long to end. */
const SLACK_MS = 10_000;

export interface FleetOptions {
  readonly network: Helper<NetworkCommands>;
  readonly broker: BrokerPlace;
  /** Handshakes a second that a node takes (A). */
  readonly handshakesPerSecond: number;
  readonly folder: string;
  /** Wait less between two rounds of evening out. */
  readonly quick: boolean;
  /** Name of a rival whose nodes are to be started. */
  readonly rival: string;
}

/** The nodes as the rest of a proof sees them, for every kind of server. */
export interface FleetNode {
  readonly id: string;
  readonly revision: string;
  readonly place: { readonly url: string };
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #nodes = new Map<string, NodeProcess>();
  readonly #bugs: string[] = [];
  #count = 0;
  #bundled: Promise<string> | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  get nodes(): readonly FleetNode[] {
    return [...this.#nodes.values()];
  }
  /** Whether sessions are evened out when a node joins. */
  get rebalances(): boolean {
    return this.#options.rival === "holdfast";
  }
  get bugs(): readonly string[] {
    return [...this.#bugs, ...[...this.#nodes.values()].flatMap(({ bugs }) => bugs)];
  }

  /** Starts a node and resolves with its id when the balancer sends newcomers there. */
  async start(revision: string): Promise<string> {
    const { network, broker, folder } = this.#options;
    const id = `n${++this.#count}`;
    const access = await broker.access(id);
    const command = await this.#command(access);
    const node = new NodeProcess({
      id,
      revision,
      command,
      env: { ...this.#environment(id, revision), ...access.env },
      logFile: join(folder, `${id}.log`),
    });
    this.#nodes.set(id, node);
    await node.started();
    const { host, port, readyUrl } = node.place;
    await network.ask("add", { id, host, port, readyUrl });
    await network.ask("whenReady", { id, timeoutMs: READY_MS }, READY_MS + 5000);
    return id;
  }

  /** Tells a node to end, as Kubernetes does. Resolves with its exit status when it is gone. */
  async drain(id: string): Promise<number> {
    const node = this.#node(id);
    node.signal("SIGTERM");
    const status = await node.ended(PRE_DELAY_MS + WINDOW_MS + SLACK_MS);
    await this.#forget(node);
    return status;
  }

  async kill(id: string): Promise<void> {
    const node = this.#node(id);
    node.signal("SIGKILL");
    await node.ended(SLACK_MS);
    await this.#forget(node);
  }

  freeze(id: string): void {
    this.#node(id).signal("SIGSTOP");
  }

  thaw(id: string): void {
    this.#node(id).signal("SIGCONT");
  }

  /** Resolves when every node says that it is ready. */
  async allReady(timeoutMs: number): Promise<void> {
    const { network } = this.#options;
    await eventually(
      "every node is ready",
      async () => (await network.ask("backends", undefined)).every(({ ready }) => ready),
      {
        timeoutMs,
      },
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => this.kill(node.id)));
  }

  async #command({ link, port }: BrokerAccess): Promise<readonly string[]> {
    const { rival } = this.#options;
    if (rival === "socketio") {
      const options: SocketIoServerOptions = {
        ...(port === undefined ? {} : { redisPort: port }),
        recoveryMs: RECOVERY_MS,
        preDelayMs: PRE_DELAY_MS,
      };
      return ["node", await this.#bundle(), JSON.stringify(options)];
    }
    if (link !== undefined) return [process.execPath, join(import.meta.dir, "link-node.ts"), link];
    return [process.execPath, join(ROOT, "apps/holdfast/src/main.ts"), "serve"];
  }

  #bundle(): Promise<string> {
    this.#bundled ??= bundleForNode("socket-io-server", this.#options.folder);
    return this.#bundled;
  }

  async #forget(node: NodeProcess): Promise<void> {
    this.#bugs.push(...node.bugs);
    this.#nodes.delete(node.id);
    await this.#options.network.ask("remove", node.id);
  }

  #node(id: string): NodeProcess {
    const node = this.#nodes.get(id);
    if (node === undefined)
      throw new ProveError("node_unusable", `Cannot use node ${id}: there is none`);
    return node;
  }

  #environment(id: string, revision: string): Record<string, string> {
    const { handshakesPerSecond, quick } = this.#options;
    const permissions = {
      subscribe: "authenticated",
      publish: "authenticated",
      presence: "authenticated",
      history: "authenticated",
    };
    const kept = { history: { size: 2000, ttlMs: 600_000 }, permissions };
    return {
      HOLDFAST_NODE_ID: id,
      HOLDFAST_REVISION: revision,
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_CHANNELS: JSON.stringify({
        "ordered:{n}": { class: "ordered", presence: true, ...kept },
        "durable:{n}": { class: "durable", ...kept },
        "volatile:{n}": { class: "volatile", permissions },
        "latest:{n}": { class: "latest", ...kept },
      }),
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "proof", key: API_KEY, scopes: ["*"] }]),
      HOLDFAST_AUTH_JWT_HMAC_SECRET: TOKEN_SECRET,
      HOLDFAST_AUTH_RESUME_SECRET: "what signs the resume tokens of a proof",
      HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: String(handshakesPerSecond),
      HOLDFAST_DRAIN_PER_SECOND_MAX: String(handshakesPerSecond),
      ...(quick ? { HOLDFAST_FLEET_REBALANCE_COOLDOWN_MS: String(QUICK_COOLDOWN_MS) } : {}),
      HOLDFAST_DRAIN_PRE_DELAY_MS: String(PRE_DELAY_MS),
      HOLDFAST_DRAIN_WINDOW_MS: String(WINDOW_MS),
    };
  }
}
