import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLogger, type LogClock, type LoggerOptions } from "./logger.ts";
import { LINE_LIMITS } from "./redact.ts";

const TIME_MS = Date.UTC(2026, 0, 1, 12);
const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
const RESUME = "hf1.WyJzIiwxLDIsbnVsbF0.q83vEjRWeJq83vEjRWeJq83vEjRWeJ";

function setUp(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const tasks: { atMs: number; task: () => void }[] = [];
  let passedMs = 0;
  const clock: LogClock & { advance(ms: number): void } = {
    wallMs: () => TIME_MS + passedMs,
    nowMs: () => passedMs,
    after: (delayMs, task) => void tasks.push({ atMs: passedMs + delayMs, task }),
    advance(ms) {
      passedMs += ms;
      for (const due of tasks.filter(({ atMs }) => atMs <= passedMs))
        tasks.splice(tasks.indexOf(due), 1)[0]?.task();
    },
  };
  const log = createLogger({ sink: (line) => lines.push(line), clock, ...options });
  return { lines, clock, tasks, log, parsed: () => lines.map((line) => JSON.parse(line)) };
}

describe("lines", () => {
  test("one event is one line of JSON with time, level and event first", () => {
    const { log, lines } = setUp();
    log.info("node_ready", { port: 8000, name: "a\nb" });
    expect(lines).toEqual([
      '{"time":"2026-01-01T12:00:00.000Z","level":"info","event":"node_ready","port":8000,"name":"a\\nb"}',
    ]);
  });

  test("levels below the chosen one are not written", () => {
    const { log, parsed } = setUp({ level: "warn" });
    for (const level of ["debug", "info", "warn", "error"] as const) log[level](`at_${level}`);
    expect(parsed().map(({ event }) => event)).toEqual(["at_warn", "at_error"]);
  });

  test("bound fields come with every line and a field cannot take the place of time, level or event", () => {
    const { log, parsed } = setUp();
    log
      .with({ node: "n1" })
      .with({ part: "api" })
      .warn("odd", { event: "forged", level: "x", time: 0, part: "http" });
    expect(parsed()).toEqual([
      { time: "2026-01-01T12:00:00.000Z", level: "warn", event: "odd", node: "n1", part: "http" },
    ]);
  });

  test("an error keeps its code and cause", () => {
    const { log, parsed } = setUp();
    log.error("bug", {
      error: Object.assign(new TypeError("no", { cause: new RangeError("why") }), { code: "x1" }),
    });
    expect(parsed()[0].error).toMatchObject({
      name: "TypeError",
      code: "x1",
      message: "no",
      cause: { name: "RangeError", message: "why" },
    });
  });

  test("whatever the fields are, the line is JSON, bounded, and nothing is thrown", () => {
    const { log, lines } = setUp({ limit: { linesMax: 1e6, windowMs: 1 } });
    const loop: Record<string, unknown> = {};
    loop.loop = loop;
    const trap = {
      get trap() {
        throw new Error("trapped");
      },
    };
    for (const odd of [
      loop,
      trap,
      {
        n: 10n,
        s: Symbol("s"),
        f: () => 1,
        u: undefined,
        nan: Number.NaN,
        d: new Date(Number.NaN),
      },
    ])
      log.info("odd", odd);
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), (fields) => log.info("any", fields)),
      { numRuns: 300 },
    );
    log.info("long", {
      text: "x".repeat(1e6),
      list: Array(1e4).fill("y"),
      ...Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, i])),
    });
    for (const line of lines) expect(JSON.parse(line)).toBeObject();
    expect(lines.at(-1)?.length).toBeLessThan(LINE_LIMITS.textLengthMax + 2_000);
  });

  test("a sink that fails stops nobody", () => {
    const log = createLogger({
      sink: () => {
        throw new Error("disk full");
      },
    });
    expect(() => log.error("bug")).not.toThrow();
  });
});

describe("secrets", () => {
  const places: [string, Record<string, unknown>][] = [
    [
      "in a field of that name",
      {
        token: JWT,
        resume: RESUME,
        authorization: `Bearer ${JWT}`,
        apiKey: "k-123456",
        jwt_secret: "k-123456",
      },
    ],
    ["under an innocent name", { note: `got ${JWT} and ${RESUME}` }],
    ["in an error's text and stack", { error: new Error(`bad token ${JWT} / ${RESUME}`) }],
    ["in a cause", { error: new Error("x", { cause: new Error(JWT) }) }],
    ["deep in an object", { a: { b: { c: JWT, token: "k-123456" } } }],
    ["in a list", { list: [RESUME, { secret: "k-123456" }] }],
    ["in a header's text", { text: "Authorization: Bearer k-123456" }],
    ["in a URL", { url: "redis://user:k-123456@host:6379" }],
    ["as a payload", { payload: "k-123456", data: { text: "k-123456" }, body: "k-123456" }],
    ["at the cut of a long text", { text: `${"x".repeat(LINE_LIMITS.textLengthMax - 30)} ${JWT}` }],
  ];
  test.each(places)("are hidden %s", (_where, fields) => {
    for (const format of ["json", "pretty"] as const) {
      const { log, lines } = setUp({ format });
      log.error("odd", fields);
      for (const part of [...JWT.split("."), ...RESUME.split(".").slice(1), "k-123456"])
        expect(lines.join()).not.toContain(part.slice(0, 12));
      expect(lines.join()).toContain("[hidden]");
    }
  });

  test("figures and names with similar names stay", () => {
    const { log, parsed } = setUp();
    log.info("fine", { resumed: true, keyName: "backend", bytes: 5, tokenAgeMs: 3 });
    expect(parsed()[0]).toMatchObject({
      resumed: true,
      keyName: "backend",
      bytes: 5,
      tokenAgeMs: 3,
    });
  });
});

describe("the pretty format", () => {
  test("is one readable line, with an error's stack below", () => {
    const { log, lines } = setUp({ format: "pretty" });
    log.info("node_ready", { port: 8000, what: "two words" });
    expect(lines[0]).toBe('12:00:00.000 info  node_ready port=8000 what="two words"');
    log.error("bug", { error: new TypeError("no") });
    expect(lines[1]).toContain('error="TypeError: no"\n    TypeError: no\n');
  });

  test("text from outside cannot forge a line or move the cursor", () => {
    const { log, lines } = setUp({ format: "pretty" });
    log.info("odd", { "na\nme": "a\nb\u001b[2J\u009b1m\u202e" });
    expect(lines[0]).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test("colours are only there when asked for", () => {
    const { log, lines } = setUp({ format: "pretty", colors: true });
    log.warn("odd");
    expect(lines[0]).toContain("\u001b[33mwarn \u001b[0m");
  });
});

describe("noise", () => {
  test("lines of an event over the limit are counted and told at the window's end", () => {
    let held = 0;
    const { log, clock, parsed, tasks } = setUp({ limit: { linesMax: 3, windowMs: 1_000 } });
    log.onSuppressed(() => {
      held += 1;
    });
    for (let i = 0; i < 100; i++) log.warn("auth_failed", { i });
    log.info("other_event");
    expect(parsed().map(({ event }) => event)).toEqual([
      "auth_failed",
      "auth_failed",
      "auth_failed",
      "other_event",
    ]);
    expect(tasks.length).toBe(1);
    clock.advance(1_000);
    expect(parsed().at(-1)).toMatchObject({
      event: "log_suppressed",
      of: "auth_failed",
      count: 97,
    });
    expect(held).toBe(97);
    log.warn("auth_failed");
    expect(parsed().at(-1).event).toBe("auth_failed");
  });

  test("flush tells what is still held back, once", () => {
    const { log, parsed } = setUp({ limit: { linesMax: 1, windowMs: 1_000 } });
    log.info("a");
    log.info("a");
    log.flush();
    log.flush();
    expect(parsed().slice(1)).toMatchObject([{ event: "log_suppressed", of: "a", count: 1 }]);
  });

  test("event names without end share one count", () => {
    const { log, lines } = setUp({ limit: { linesMax: 2, windowMs: 1_000 } });
    for (let i = 0; i < 1_000; i++) log.info(`event_${i}`);
    expect(lines.length).toBe(256 + 2);
  });
});
