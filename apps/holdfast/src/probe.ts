// Owns: the steps of `holdfast probe`, which acts as a client: connect, publish, receive, lose the
// connection, come back and get what was missed.
import { Holdfast, type Message, type WebSocketConstructor } from "@holdfast/client";

export interface ProbePlan {
  readonly url: string;
  /** If it is absent, the probe only connects and comes back. */
  readonly channel: string | undefined;
  readonly data: unknown;
  readonly getToken: (() => string) | undefined;
  /** Of all steps together. */
  readonly timeoutMs: number;
  /** Told after each step. */
  readonly step: (done: string, tookMs: number) => void;
}

/** A step that failed. `answered`: a node answered, even if it refused. */
export class ProbeFailure extends Error {
  readonly code = "probe_failed";
  readonly answered: boolean;

  constructor(message: string, answered: boolean, cause?: unknown) {
    super(message, { cause });
    this.answered = answered;
  }
}

/**
 * Resolves when every step was done; rejects with a ProbeFailure for the first that was not. Leaves
 * nothing connected.
 */
export async function probe(plan: ProbePlan): Promise<void> {
  const deadline = AbortSignal.timeout(plan.timeoutMs);
  const options = {
    name: "holdfast probe",
    ...(plan.getToken === undefined ? {} : { getToken: plan.getToken }),
  };
  const sockets = cuttable();
  const reader = new Holdfast(plan.url, { ...options, WebSocket: sockets.WebSocket });
  const writer = new Holdfast(plan.url, { ...options, WebSocket: cuttable().WebSocket });
  let connected = false;
  let lastError = "";
  for (const client of [reader, writer])
    client.on("error", (error) => {
      lastError = `; last error: ${messageOf(error)}`;
    });
  const run = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
    const startedMs = performance.now();
    try {
      const result = await beforeAbort(act(), deadline);
      plan.step(name, performance.now() - startedMs);
      return result;
    } catch (error) {
      const why = deadline.aborted
        ? `not within ${plan.timeoutMs / 1000} s${lastError}`
        : messageOf(error);
      throw new ProbeFailure(
        `Cannot probe ${plan.url}: expected "${name}", found: ${why}`,
        connected || !deadline.aborted,
        error,
      );
    }
  };
  try {
    await run("connected", () =>
      Promise.all([stateIs(reader, "connected"), stateIs(writer, "connected")]),
    );
    connected = true;
    if (plan.channel === undefined) await comeBack(reader, sockets.cut, run);
    else await throughChannel(plan, { reader, writer, cut: sockets.cut, run });
  } finally {
    await Promise.allSettled([reader.close(), writer.close()]);
  }
}

type Run = <T>(name: string, act: () => Promise<T>) => Promise<T>;
type Cut = () => void;

async function comeBack(reader: Holdfast, cut: Cut, run: Run): Promise<void> {
  const away = stateIs(reader, "reconnecting");
  cut();
  await run("lost the connection on purpose", () => away);
  await run("came back", () => stateIs(reader, "connected"));
}

interface Parts {
  readonly reader: Holdfast;
  readonly writer: Holdfast;
  readonly cut: Cut;
  readonly run: Run;
}

async function throughChannel(
  { channel = "", data }: ProbePlan,
  { reader, writer, cut, run }: Parts,
): Promise<void> {
  const inbox = createInbox();
  const subscription = reader.channel(channel).subscribe(inbox.take);
  subscription.on("gap", inbox.fail);
  subscription.on("error", inbox.fail);
  await run("subscribed", () => subscription.ready);
  const first = await run("published", () => writer.channel(channel).publish(data));
  await run("received", () => inbox.has(first.offset));
  const away = stateIs(reader, "reconnecting");
  cut();
  await run("lost the connection on purpose", () => away);
  const second = await run("published while away", () => writer.channel(channel).publish(data));
  await run("came back and received what was missed", () => inbox.has(second.offset));
  await run("received nothing twice and in order", async () => inbox.inOrder());
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What arrived, by offset. Other clients may publish to the channel as well. */
function createInbox() {
  const offsets: number[] = [];
  let failure: unknown;
  let look = () => {};
  return {
    take: (message: Message<unknown>) => {
      offsets.push(message.offset);
      look();
    },
    fail: (found: unknown) => {
      failure ??= found;
      look();
    },
    has: (offset: number) =>
      new Promise<void>((resolve, reject) => {
        look = () => {
          if (offsets.includes(offset)) resolve();
          else if (failure !== undefined)
            reject(
              failure instanceof Error
                ? failure
                : new ProbeFailure(`a gap: ${JSON.stringify(failure)}`, true),
            );
        };
        look();
      }),
    inOrder() {
      const wrong = offsets.findIndex(
        (offset, index) => index > 0 && offset !== (offsets[index - 1] ?? 0) + 1,
      );
      if (wrong > 0)
        throw new ProbeFailure(`offset ${offsets[wrong]} after ${offsets[wrong - 1]}`, true);
    },
  };
}

/** Resolves in that state; rejects when the client ends in `failed`. */
function stateIs(client: Holdfast, wanted: Holdfast["state"]): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (state: string, error?: Error) => {
      if (state === wanted) resolve();
      else if (state === "failed")
        reject(error ?? new ProbeFailure("the node refused finally", false));
      else return;
      stop();
    };
    const stop = client.on("state", ({ state, error }) => look(state, error));
    look(client.state);
  });
}

function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new ProbeFailure("out of time", false));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Sockets whose newest one can be ended without a goodbye, as a network does. */
function cuttable(): { readonly WebSocket: WebSocketConstructor; readonly cut: Cut } {
  let newest: WebSocket | undefined;
  class CuttableSocket extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      newest = this;
    }
  }
  const cut = () => {
    // Bun's own; the standard has only goodbyes.
    if (newest !== undefined && "terminate" in newest && typeof newest.terminate === "function")
      newest.terminate();
    else newest?.close();
  };
  return { WebSocket: CuttableSocket, cut };
}
