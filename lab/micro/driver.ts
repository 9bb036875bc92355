// Owns: a load driver process: opens thousands of raw WebSockets, subscribes them, counts what
// arrives. Told what to do on stdin.
import { BenchError } from "./bench-error.ts";
import { answerCommands, type Data } from "./commands.ts";
import { DIALECTS, type Rival } from "./dialects.ts";
import { RawLink } from "./link.ts";
import { paced } from "./pacing.ts";

const FAILURES_KEPT = 5;

/** The links of this process; link `i` here is link `first + i` of the run. */
class Driver {
  #links: RawLink[] = [];
  #counts = new Uint32Array(0);
  #first = 0;
  #total = 0;
  #target = Number.POSITIVE_INFINITY;
  #reached: (() => void) | undefined;
  #lastArrivalMs = 0;
  #acknowledged = 0;
  #failures: string[] = [];
  #failed = 0;
  #rival: Rival = "bun";
  #port = 0;

  async connect(command: Data): Promise<Data> {
    this.#rival = command.rival as Rival;
    this.#port = Number(command.port);
    this.#first = Number(command.first);
    const count = Number(command.count);
    this.#counts = new Uint32Array(count);
    this.#links = Array.from({ length: count }, (_, index) => this.#link(index));
    await atRate(this.#links, Number(command.perSecond), (link) => link.open());
    return this.#health();
  }

  #link(index: number): RawLink {
    return new RawLink(index, {
      dialect: DIALECTS[this.#rival],
      port: this.#port,
      arrived: (at, count) => this.#arrived(at, count),
      acknowledged: (count) => {
        this.#acknowledged += count;
      },
      failed: (at, why) => {
        this.#failed++;
        if (this.#failures.length < FAILURES_KEPT)
          this.#failures.push(`link ${this.#first + at}: ${why}`);
      },
    });
  }

  #arrived(index: number, count: number): void {
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
    this.#total += count;
    if (this.#total < this.#target) return;
    this.#lastArrivalMs = Date.now();
    this.#reached?.();
  }

  /**
   * Subscribes the run's links `from`..`to`: `same` one channel, `own` one each, `mixed` half of
   * them one each and half one for 150.
   */
  async subscribe(command: Data): Promise<Data> {
    const chosen = this.#chosen(command);
    await atRate(chosen, Number(command.perSecond), ({ link, global }) =>
      link.subscribe(channelOf(String(command.plan), String(command.name), global)),
    );
    return { subscribed: chosen.length, ...this.#health() };
  }

  #chosen(command: Data): { link: RawLink; global: number }[] {
    const [from, to] = [Number(command.from), Number(command.to)];
    return this.#links
      .map((link, index) => ({ link, global: this.#first + index }))
      .filter(({ global }) => global >= from && global < to);
  }

  /** Forgets all counts; `wait` then ends when `target` publications arrived at this process. */
  expect(command: Data): Data {
    this.#counts.fill(0);
    this.#total = 0;
    this.#acknowledged = 0;
    this.#target = Number(command.target);
    return { expecting: this.#target };
  }

  /**
   * Counts when the target is reached, or after `timeoutMs`; waits a moment for publications that
   * should not come.
   */
  async wait(command: Data): Promise<Data> {
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve;
    });
    if (this.#total < this.#target)
      await Promise.race([reached, Bun.sleep(Number(command.timeoutMs))]);
    const lastArrivalMs = this.#lastArrivalMs;
    await Bun.sleep(50);
    const chosen = this.#chosen(command).map(
      ({ global }) => this.#counts[global - this.#first] ?? 0,
    );
    const inside = chosen.reduce((sum, count) => sum + count, 0);
    return {
      total: this.#total,
      elsewhere: this.#total - inside,
      least: Math.min(...chosen, Number.MAX_SAFE_INTEGER),
      most: Math.max(...chosen, 0),
      lastArrivalMs,
      acknowledged: this.#acknowledged,
      ...this.#health(),
    };
  }

  /** Publishes through a connection of its own, paced. */
  async publish(command: Data): Promise<Data> {
    const publisher = this.#link(0);
    await publisher.open();
    const dialect = DIALECTS[this.#rival];
    const startedMs = Date.now();
    await paced({ count: Number(command.count), perSecond: Number(command.perSecond) }, (n) =>
      publisher.send(dialect.publish?.(String(command.channel), n + 2, String(command.data)) ?? ""),
    );
    for (let turn = 0; turn < 200 && this.#acknowledged < Number(command.count); turn++)
      await Bun.sleep(10);
    publisher.close();
    return { startedMs, acknowledged: this.#acknowledged };
  }

  close(): Data {
    for (const link of this.#links) link.close();
    this.#links = [];
    return this.#health();
  }

  #health(): Data {
    return { failed: this.#failed, failures: this.#failures };
  }
}

function channelOf(plan: string, name: string, global: number): string {
  if (plan === "same") return name;
  if (plan === "own" || global % 2 === 0) return `${name}-${global}`;
  return `${name}-shared-${Math.floor(global / 300)}`;
}

/** Starts `perSecond` tasks a second and waits for all. */
async function atRate<T>(
  items: readonly T[],
  perSecond: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  if (!(perSecond > 0))
    throw new BenchError(
      "load_failed",
      `Cannot load: found ${perSecond} a second, expected more than 0`,
    );
  const startedMs = performance.now();
  const running: Promise<void>[] = [];
  while (running.length < items.length) {
    const due = Math.ceil(((performance.now() - startedMs + 1) * perSecond) / 1000);
    for (const item of items.slice(running.length, due)) running.push(task(item));
    await Bun.sleep(2);
  }
  await Promise.all(running);
}

const driver = new Driver();
await answerCommands(
  { ready: true },
  {
    connect: (command) => driver.connect(command),
    subscribe: (command) => driver.subscribe(command),
    expect: (command) => driver.expect(command),
    wait: (command) => driver.wait(command),
    publish: (command) => driver.publish(command),
    close: () => driver.close(),
  },
);
