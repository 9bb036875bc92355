// Owns: the proof that the simulation's oracle can fail: each thing that is broken on purpose here
// must be noticed.
import { drainMicrotasks } from "bun:jsc";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Broker } from "@holdfast/core";
import {
  planOf,
  type Rule,
  type RunOptions,
  type RunResult,
  runSeed,
  SIM_CONTRACT,
} from "@holdfast/testkit/sim";
import { patience } from "../patience.ts";
import { report } from "./report.ts";
import { shrink } from "./shrink.ts";

const SEEDS_MAX = 150;

// Generous: a second or two each on an idle core.
setDefaultTimeout(patience(120_000));

/** The first run that is found guilty; fails when none is. `matters`: which seeds are tried. */
function firstGuilty(
  sabotage: Omit<RunOptions, "settle">,
  matters: (seed: number) => boolean = () => true,
): RunResult {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    if (!matters(seed)) continue;
    const result = runSeed(seed, { settle: drainMicrotasks, ...sabotage });
    if (result.violations.length > 0) return result;
  }
  throw new Error(`${SEEDS_MAX} runs did not notice`);
}

const rulesOf = (result: RunResult): Rule[] => result.violations.map(({ rule }) => rule);

/** A broker whose methods are replaced. */
const brokerWith =
  (change: (broker: Broker) => Partial<Broker>) =>
  (broker: Broker): Broker => {
    const changed = change(broker);
    return new Proxy(broker, {
      get(target, name) {
        const source = name in changed ? changed : target;
        const value: unknown = Reflect.get(source, name);
        return typeof value === "function" ? value.bind(source) : value;
      },
    });
  };

/** Answers true once in `every` calls. */
const now = (every: number) => {
  let count = 0;
  return (): boolean => ++count % every === 0;
};

describe("the oracle notices", () => {
  test("a session that is taken for entitled since ever", () => {
    const wrapAuthenticator: RunOptions["wrapAuthenticator"] = (authenticator) => ({
      ...authenticator,
      issueResume: (session, identity, nowMs, entitled) =>
        authenticator.issueResume(session, identity, nowMs, { ...entitled, sinceMs: 0 }),
    });
    expect(rulesOf(firstGuilty({ wrapAuthenticator }))).toContain("H5");
  });

  test("a session whose entitlement a move forgets", () => {
    const wrapAuthenticator: RunOptions["wrapAuthenticator"] = (authenticator) => ({
      ...authenticator,
      issueResume: (session, identity, nowMs, entitled) =>
        authenticator.issueResume(session, identity, nowMs, { ...entitled, policy: "another" }),
    });
    expect(rulesOf(firstGuilty({ wrapAuthenticator }))).toContain("H1");
  });

  test("a network that swallows a message with a publication", () => {
    const lost = now(40);
    const wrapMessage: RunOptions["wrapMessage"] = (_client, message) =>
      typeof message === "string" && message.includes('"t":"pub"') && lost() ? undefined : message;
    expect(rulesOf(firstGuilty({ wrapMessage }))).toContain("H2");
  });

  test("a broker that forgets idempotency keys", () => {
    const wrapBroker = brokerWith((broker) => ({
      publish: (channel, stream, { idempotencyKey: _, ...request }) =>
        broker.publish(channel, stream, request),
    }));
    expect(rulesOf(firstGuilty({ wrapBroker }))).toContain("H3");
  });

  test("a broker that acknowledges what it did not take", () => {
    const lies = now(30);
    const wrapBroker = brokerWith((broker) => ({
      publish: async (channel, stream, request) => {
        if (!lies()) return broker.publish(channel, stream, request);
        const { epoch, head } = await broker.history(channel, stream, { limit: 1 });
        return { position: { epoch, offset: head + 1 }, duplicate: false };
      },
    }));
    expect(rulesOf(firstGuilty({ wrapBroker }))).toContain("H3");
  });

  test("a bus on which a refused order is told as carried out", () => {
    const wrapBroker = brokerWith(({ bus }) => ({
      bus: {
        listen: (listener) => bus.listen(listener),
        send(message) {
          if (message.kind !== "order-done") return bus.send(message);
          const { refused: _, ...obeyed } = message;
          return bus.send(obeyed);
        },
      },
    }));
    expect(rulesOf(firstGuilty({ wrapBroker }))).toContain("orders");
  });

  test("a node that does not hear of removals", () => {
    const wrapBroker = brokerWith((broker) => ({
      subscribe: (channel, stream, listener) =>
        broker.subscribe(channel, stream, {
          publication: (publication, epoch) => listener.publication(publication, epoch),
          presence: (change) => listener.presence(change),
          removed() {},
        }),
    }));
    // Probes are clients: they come in, and find what a large ring still has.
    const wrapSettings: RunOptions["wrapSettings"] = (drawn) => ({
      ...drawn,
      ring: { publicationsMax: 100, bytesMax: 100_000 },
      admission: { ...drawn.admission, handshakesPerSecond: 200 },
    });
    expect(rulesOf(firstGuilty({ wrapBroker, wrapSettings }))).toContain("removal");
  });

  test("a history that leaves a publication out", () => {
    const wrapBroker = brokerWith((broker) => ({
      history: async (channel, stream, query) => {
        const page = await broker.history(channel, stream, query);
        return "after" in query && page.publications.length > 2
          ? { ...page, publications: page.publications.toSpliced(1, 1) }
          : page;
      },
    }));
    expect(["H1", "H2"]).toContain(rulesOf(firstGuilty({ wrapBroker }))[0] as string);
  });

  test("a history that says that nothing is kept", () => {
    const wrapBroker = brokerWith((broker) => ({
      history: async (channel, stream, query) => {
        const page = await broker.history(channel, stream, query);
        return { ...page, oldest: page.head + 1, publications: [] };
      },
    }));
    expect(rulesOf(firstGuilty({ wrapBroker }))).toContain("H1");
  });

  test("data that is changed on its way", () => {
    const changes = now(50);
    const wrapMessage: RunOptions["wrapMessage"] = (_client, message) =>
      typeof message === "string" && message.includes('"t":"pub"') && changes()
        ? message.replaceAll('"filler":"', '"filler":"!')
        : message;
    expect(rulesOf(firstGuilty({ wrapMessage }))).toContain("data");
  });

  test("a node that rounds numbers before the broker has them", () => {
    const wrapBroker = brokerWith((broker) => ({
      publish: (channel, stream, { payload, ...request }) => {
        const text = payload.kind === "json" ? payload.text.replace(/\.\d{9,}/g, ".5") : "";
        const rounded = payload.kind === "json" ? ({ kind: "json", text } as const) : payload;
        return broker.publish(channel, stream, { ...request, payload: rounded });
      },
    }));
    expect(["data", "H3"]).toContain(rulesOf(firstGuilty({ wrapBroker }))[0] as string);
  });

  test("commands that no node hears", () => {
    const isLog = (channel: string) => channel < " ";
    const wrapBroker = brokerWith((broker) => ({
      subscribe: (channel, stream, listener) =>
        broker.subscribe(
          channel,
          stream,
          isLog(channel) ? { publication() {}, presence() {}, removed() {} } : listener,
        ),
      history: async (channel, stream, query) => {
        const page = await broker.history(channel, stream, query);
        return isLog(channel) ? { ...page, head: 0, publications: [] } : page;
      },
    }));
    const hasCommands = (seed: number): boolean => {
      const { profile, commands } = planOf(seed).plan;
      return profile === "deploy" && commands.length > 0;
    };
    expect(rulesOf(firstGuilty({ wrapBroker }, hasCommands))).toContain("orders");
  });

  test("a broker that delivers a publication twice under two offsets", () => {
    const again = now(20);
    const wrapBroker = brokerWith((broker) => ({
      publish: async (channel, stream, request) => {
        const result = await broker.publish(channel, stream, request);
        if (again())
          await broker.publish(channel, stream, {
            payload: request.payload,
            ...(request.key === undefined ? {} : { key: request.key }),
          });
        return result;
      },
    }));
    expect(rulesOf(firstGuilty({ wrapBroker }))).toContain("H3");
  });

  test("members that are never ended", () => {
    const wrapBroker = brokerWith((broker) => ({
      presence: { ...broker.presence, leave: async () => {} },
    }));
    expect(["progress", "H4"]).toContain(rulesOf(firstGuilty({ wrapBroker }))[0] as string);
  });

  test("members that leave although they only move", () => {
    const wrapBroker = brokerWith((broker) => ({
      presence: {
        ...broker.presence,
        // Ends the entry whoever owns it now.
        leave: async (channel, member, owner) => {
          await broker.presence.enter(channel, { member }, owner);
          await broker.presence.leave(channel, member, owner, 0);
        },
      },
    }));
    expect(["H7", "progress"]).toContain(rulesOf(firstGuilty({ wrapBroker }))[0] as string);
  });

  test("a drain that asks nobody to move", () => {
    const wrapMessage: RunOptions["wrapMessage"] = (_client, message) =>
      typeof message === "string" && message.includes('"t":"migrate"') ? undefined : message;
    expect(rulesOf(firstGuilty({ wrapMessage }))).toContain("H6");
  });

  test("a node that goes on delivering when a token is over", () => {
    const wrapAuthenticator: RunOptions["wrapAuthenticator"] = (authenticator) => ({
      ...authenticator,
      verify: async (token) => {
        const verified = await authenticator.verify(token);
        if (!verified.ok) return verified;
        const { expiresAtMs: _, ...identity } = verified.identity;
        return { ok: true, identity };
      },
    });
    expect(rulesOf(firstGuilty({ wrapAuthenticator }))).toContain("H5");
  });

  test("a node that lets everybody in", () => {
    const { channels, ...rest } = SIM_CONTRACT;
    const contract = {
      ...rest,
      channels: { ...channels, "secret:{name}": channels["feed:{name}"] },
    };
    expect(rulesOf(firstGuilty({ contract }))).toContain("H5");
  });

  test("answers that never come", () => {
    const wrapMessage: RunOptions["wrapMessage"] = (_client, message) =>
      typeof message === "string" && message.includes('"t":"published"') ? undefined : message;
    expect(rulesOf(firstGuilty({ wrapMessage }))).toContain("progress");
  });
});

describe("a failing run", () => {
  const wrapBroker = brokerWith((broker) => ({
    publish: (channel, stream, { idempotencyKey: _, ...request }) =>
      broker.publish(channel, stream, request),
  }));

  test("is reported with its seed, its faults, its last events and the command that replays it", () => {
    const result = firstGuilty({ wrapBroker });
    const text = report(result, undefined);
    expect(text).toContain(`seed ${result.seed}:`);
    for (const { kind } of result.plan.faults) expect(text).toContain(kind);
    expect(text).toContain("last events:");
    expect(text).toContain(`npm run simulate -- --from ${result.seed} --seeds 1`);
  });

  test("is taken apart to the faults that matter", () => {
    const result = firstGuilty({ wrapBroker });
    const kept = shrink(result, { settle: drainMicrotasks, wrapBroker });
    expect(kept.length).toBeLessThanOrEqual(result.plan.faults.length);
    const again = runSeed(result.seed, { settle: drainMicrotasks, wrapBroker, only: kept });
    expect(rulesOf(again)).toContain(rulesOf(result)[0] as Rule);
  });
});
