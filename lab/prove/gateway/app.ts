// Owns: the types of an application behind the gateway: its servers, and its library's clients.

/** What clients of one application saw in one step. */
export interface Account {
  /** Frames of clients, and answers to them. One answer each. */
  readonly sent: number;
  readonly answered: number;
  readonly unanswered: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Frames that servers sent by themselves and that did not come, or came twice or too early. */
  readonly pushed: number;
  readonly pushesWrong: number;
  /** Sockets that closed, by code. Each client then connects anew. */
  readonly closes: Readonly<Record<number, number>>;
  /** Of each client the longest time from a frame to its answer, in ms. */
  readonly longestMs: readonly number[];
}

/** One client: it talks all the time, and connects anew if its socket closes. */
export interface AppClient {
  /** Resolves when it is connected. */
  open(): Promise<void>;
  /** A step begins: counts begin anew. Frames under way belong to the step before. */
  begin(): void;
  /** Stops talking, waits for what is under way, and counts. It goes on with `begin`. */
  account(waitMs: number): Promise<Account>;
  close(): void;
}

export interface ClientOptions {
  readonly url: string;
  readonly id: number;
  /** Between two frames. */
  readonly everyMs: number;
}

export interface App {
  readonly name: string;
  readonly title: string;
  /** As the gateway's file has it. */
  readonly profile: unknown;
  /** Script of a server, run by Bun with a port; it says `ready` on its output. */
  readonly server: string;
  /** Frames that a server had taken and not answered may be missing if it dies. */
  readonly mayMissAnswersOfDead: boolean;
  client(options: ClientOptions): AppClient;
}

export const NOTHING: Account = {
  ...{ sent: 0, answered: 0, unanswered: 0, doubled: 0, outOfOrder: 0 },
  ...{ pushed: 0, pushesWrong: 0, closes: {}, longestMs: [] },
};

export function sumOf(accounts: readonly Account[]): Account {
  const sum = (of: (one: Account) => number): number =>
    accounts.reduce((all, one) => all + of(one), 0);
  const closes: Record<string, number> = {};
  for (const one of accounts)
    for (const [code, count] of Object.entries(one.closes))
      closes[code] = (closes[code] ?? 0) + count;
  return {
    sent: sum(({ sent }) => sent),
    answered: sum(({ answered }) => answered),
    unanswered: sum(({ unanswered }) => unanswered),
    doubled: sum(({ doubled }) => doubled),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    pushed: sum(({ pushed }) => pushed),
    pushesWrong: sum(({ pushesWrong }) => pushesWrong),
    closes,
    longestMs: accounts.flatMap(({ longestMs }) => longestMs),
  };
}
