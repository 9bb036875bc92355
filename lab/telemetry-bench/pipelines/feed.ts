// Owns: the Kafka broker of one measurement, which also makes the events and knows what must come
// out.
import { join } from "node:path";
import { NodeProcess } from "../../prove/node-process.ts";
import { eventually } from "../../prove/prove-error.ts";
import { freePort } from "../../prove/redis-servers.ts";
import { RivalError } from "../../rivals/rival-error.ts";
import { programOf } from "../programs.ts";

export interface FeedPlan {
  readonly topic: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly devices: number;
  readonly windowMs: number;
  readonly disorderMs: number;
  readonly seed: number;
}

/** One window of one device. */
export interface WindowResult {
  readonly device: string;
  readonly fromMs: number;
  readonly n: number;
  readonly sum: number;
  readonly max: number;
}

export interface FeedState {
  readonly sent: number;
  readonly running: boolean;
  readonly failure: string;
}

const START_MS = 20_000;
const END_MS = 2000;

export class Feed {
  readonly port: number;
  readonly #url: string;
  readonly #process: NodeProcess;

  private constructor(port: number, url: string, process: NodeProcess) {
    this.port = port;
    this.#url = url;
    this.#process = process;
  }

  static async start(folder: string): Promise<Feed> {
    const [port, httpPort] = [await freePort(), await freePort()];
    const program = programOf("KAFKA_FEED", "pipelines");
    const process = new NodeProcess({
      id: "kafka-feed",
      revision: "",
      command: [program, String(port), String(httpPort)],
      env: {},
      logFile: join(folder, "kafka-feed.log"),
    });
    const feed = new Feed(port, `http://127.0.0.1:${httpPort}`, process);
    try {
      const answers = () =>
        feed.state().then(
          () => true,
          () => false,
        );
      await eventually("the Kafka broker answers", answers, { timeoutMs: START_MS });
      return feed;
    } catch (error) {
      await feed.stop();
      throw error;
    }
  }

  async make(topic: string): Promise<void> {
    await this.#ask(`/make?topic=${topic}`);
  }

  /** Begins to send; `state` tells when it has ended. */
  async begin(plan: FeedPlan): Promise<void> {
    await this.#ask("/feed", JSON.stringify(plan));
  }

  async state(): Promise<FeedState> {
    return (await this.#ask("/state")) as FeedState;
  }

  async expected(): Promise<readonly WindowResult[]> {
    return (await this.#ask("/expected")) as readonly WindowResult[];
  }

  /** Values of everything that the topic holds. */
  async read(topic: string): Promise<readonly unknown[]> {
    return (await this.#ask(`/read?topic=${topic}`)) as readonly unknown[];
  }

  async stop(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.ended(END_MS);
  }

  async #ask(path: string, body?: string): Promise<unknown> {
    const answer = await fetch(
      this.#url + path,
      body === undefined ? {} : { method: "POST", body },
    );
    if (!answer.ok)
      throw new RivalError("server_silent", `Cannot ask the Kafka broker: ${await answer.text()}`);
    return answer.json();
  }
}
