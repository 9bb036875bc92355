// Owns: clients of an application that know nothing of Holdfast: a plain WebSocket each, which says
// a number, waits for its echo, and says the next one. They account for every frame.

/** What the application answers: the number, and which of its pods answered. */
interface Echo {
  readonly n: number;
  readonly pod: string;
}

/** What clients felt since the account was opened. */
export interface Account {
  readonly said: number;
  readonly answered: number;
  /** Frames that were never answered, and so were said once more. */
  readonly unanswered: number;
  /** Answers that came twice, or to what was not asked. */
  readonly doubled: number;
  /** Answers by another pod than the one before. */
  readonly moved: number;
  readonly closes: readonly { readonly code: number; readonly atMs: number }[];
  /** The longest wait for one answer. */
  readonly waitMsMax: number;
}

const NOTHING: Account = {
  ...{ said: 0, answered: 0, unanswered: 0, doubled: 0, moved: 0, closes: [], waitMsMax: 0 },
};

export interface PlainClientsOptions {
  readonly url: string;
  readonly count: number;
  /** Between an answer and the next number, with as much chance. */
  readonly thinkMs: number;
  /** Without an answer for so long, the number is said once more. */
  readonly patienceMs: number;
}

export class PlainClients {
  readonly #options: PlainClientsOptions;
  readonly #clients: PlainClient[] = [];
  #account: Account = NOTHING;

  constructor(options: PlainClientsOptions) {
    this.#options = options;
  }

  /** Resolves when everybody has had an answer. */
  async start(): Promise<void> {
    const report = (change: (account: Account) => Account): void => {
      this.#account = change(this.#account);
    };
    for (let index = 0; index < this.#options.count; index++)
      this.#clients.push(new PlainClient(this.#options, report));
    await this.everybodyAnswered();
  }

  /** Resolves when each client has had an answer to what it said after this call. */
  async everybodyAnswered(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.nextAnswer()));
  }

  /** What they felt since the last call. */
  take(): Account {
    const account = this.#account;
    this.#account = NOTHING;
    return account;
  }

  /** Clients by the pod that answered last. */
  byPod(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { pod } of this.#clients) counts.set(pod, (counts.get(pod) ?? 0) + 1);
    return counts;
  }

  end(): void {
    for (const client of this.#clients) client.end();
  }
}

type Report = (change: (account: Account) => Account) => void;

class PlainClient {
  readonly #options: PlainClientsOptions;
  readonly #report: Report;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #n = 0;
  #saidMs = 0;
  #isWaiting = false;
  #isOver = false;
  #whenAnswered: (() => void)[] = [];
  /** Those of before the next number. */
  #whenNext: (() => void)[] = [];
  pod = "";

  constructor(options: PlainClientsOptions, report: Report) {
    this.#options = options;
    this.#report = report;
    this.#connect();
  }

  nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#whenNext.push(resolve));
  }

  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect(): void {
    if (this.#isOver) return;
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      this.#say();
    };
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(String(data)) as Echo);
    socket.onclose = ({ code }) => {
      if (this.#isOver) return;
      clearTimeout(this.#timer);
      // A handshake that was refused is tried again, and closes nobody.
      if (isOpen)
        this.#report((account) => ({
          ...account,
          closes: [...account.closes, { code, atMs: performance.now() }],
        }));
      // As an application's own client does it.
      this.#timer = setTimeout(() => this.#connect(), 100 + Math.random() * 200);
    };
  }

  /** Says the number: the next one, or the one that was not answered. */
  #say(): void {
    if (this.#isWaiting)
      this.#report((account) => ({ ...account, unanswered: account.unanswered + 1 }));
    else {
      this.#n += 1;
      this.#whenAnswered = this.#whenNext.splice(0);
      this.#saidMs = performance.now();
    }
    this.#isWaiting = true;
    this.#report((account) => ({ ...account, said: account.said + 1 }));
    this.#socket?.send(JSON.stringify({ n: this.#n }));
    this.#timer = setTimeout(() => this.#say(), this.#options.patienceMs);
  }

  #heard({ n, pod }: Echo): void {
    if (!this.#isWaiting || n !== this.#n) {
      this.#report((account) => ({ ...account, doubled: account.doubled + 1 }));
      return;
    }
    const waitMs = performance.now() - this.#saidMs;
    const hasMoved = this.pod !== "" && this.pod !== pod;
    this.pod = pod;
    this.#isWaiting = false;
    this.#report((account) => ({
      ...account,
      answered: account.answered + 1,
      moved: account.moved + (hasMoved ? 1 : 0),
      waitMsMax: Math.max(account.waitMsMax, waitMs),
    }));
    for (const answered of this.#whenAnswered.splice(0)) answered();
    clearTimeout(this.#timer);
    const { thinkMs } = this.#options;
    this.#timer = setTimeout(() => this.#say(), thinkMs * (0.5 + Math.random()));
  }
}
