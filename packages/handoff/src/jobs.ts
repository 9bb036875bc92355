// Owns: work for one client, one after the other.

/** Runs in the same turn as long as nothing waits for a promise. */
export class Jobs {
  readonly #queue: (() => void | Promise<void>)[] = [];
  readonly #failed: (error: unknown) => void;
  #isRunning = false;

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  add(job: () => void | Promise<void>): void {
    this.#queue.push(job);
    this.#run();
  }

  /** Before all that waits. */
  addNext(job: () => void | Promise<void>): void {
    this.#queue.unshift(job);
    this.#run();
  }

  /** What waits is forgotten. */
  clear(): void {
    this.#queue.length = 0;
  }

  #run(): void {
    while (!this.#isRunning) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#isRunning = true;
      try {
        const done = job();
        if (done !== undefined) {
          void this.#wait(done);
          return;
        }
      } catch (error) {
        this.#failed(error);
      }
      this.#isRunning = false;
    }
  }

  async #wait(done: Promise<void>): Promise<void> {
    try {
      await done;
    } catch (error) {
      this.#failed(error);
    }
    this.#isRunning = false;
    this.#run();
  }
}
