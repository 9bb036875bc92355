import { afterAll, describe, expect, test } from "bun:test";
import { type Ask, control, serve } from "./testing.ts";

const main = serve();
afterAll(() => main.stop());

describe("a batch", () => {
  const batch = (commands: unknown, more: Ask = {}, on = main) =>
    on.ask("/batch", { body: { commands }, ...more });

  test("answers in order, and a failure stops none behind it", async () => {
    const { status, json } = await batch([
      { op: "publish", channel: "a", data: 1 },
      { op: "publish", channel: "down", data: 1 },
      { op: "info" },
    ]);
    expect(status).toBe(200);
    expect(json.results).toMatchObject([
      { ok: true, value: { offset: 1 } },
      { ok: false, error: { code: "broker_unavailable", retryMs: 1_500 } },
      { ok: true, value: { node: "n1" } },
    ]);
  });

  test("is checked as a whole before its first command is carried out", async () => {
    const published: string[] = [];
    const counting = serve({
      control: {
        ...control,
        publish: (channel, request) => {
          published.push(channel);
          return control.publish(channel, request);
        },
      },
    });
    const good = { op: "publish", channel: "a", data: 1 };
    const bad: [unknown, string, string][] = [
      [{ op: "publish", channel: "", data: 1 }, "request_invalid", "commands[1].channel"],
      [{ op: "publish", channel: "a" }, "request_invalid", "commands[1]"],
      [{ op: "nothing" }, "request_invalid", "commands[1].op"],
      [{ op: "batch", commands: [] }, "request_invalid", "commands[1].op"],
      [{ op: "broadcast", channels: ["a"], data: 1 }, "request_invalid", "commands[1].op"],
      [{ op: "drain" }, "request_invalid", "commands[1].op"],
      [{ channel: "a" }, "request_invalid", "commands[1].op"],
      [5, "request_invalid", "commands[1]"],
    ];
    for (const [command, code, path] of bad) {
      const { json } = await batch([good, command], {}, counting);
      expect({ code: json.code, path: json.path }).toEqual({ code, path });
    }
    const { status, json } = await batch([good, { op: "info" }], { key: "publish" }, counting);
    expect({ status, code: json.code, path: json.path }).toEqual({
      status: 403,
      code: "permission_denied",
      path: "commands[1]",
    });
    expect(published).toEqual([]);
    await counting.stop();
  });

  test("wants a key, one command at least and a thousand at most", async () => {
    expect((await batch([{ op: "info" }], { key: null })).status).toBe(401);
    expect((await batch([])).status).toBe(400);
    expect((await batch(Array(1_001).fill({ op: "info" }))).status).toBe(400);
    expect((await batch(Array(1_000).fill({ op: "info" }))).json.results.length).toBe(1_000);
  });

  test("gives each command an idempotency key of its own", async () => {
    const keys: (string | undefined)[] = [];
    const counting = serve({
      control: {
        ...control,
        publish: (channel, request) => {
          keys.push(request.idempotencyKey);
          return control.publish(channel, request);
        },
      },
    });
    const commands = [
      { op: "publish", channel: "a", data: 1 },
      { op: "publish", channel: "a", data: 1, idempotencyKey: "own" },
      { op: "publish", channel: "a", data: 1 },
    ];
    await batch(commands, { headers: { "idempotency-key": "k" } }, counting);
    await batch(commands.slice(0, 1), {}, counting);
    expect(keys).toEqual(["k/0", "own", "k/2", undefined]);
    expect(
      (await batch(commands, { headers: { "idempotency-key": "k".repeat(127) } })).status,
    ).toBe(400);
    await counting.stop();
  });

  test("stops carrying out commands when its answer is large enough", async () => {
    const payload = { kind: "json", text: JSON.stringify("x".repeat(1e6)) } as const;
    const large = serve({
      control: { ...control, rpc: async () => ({ ok: true, value: payload }) },
    });
    const { json } = await batch(Array(30).fill({ op: "rpc", method: "m" }), {}, large);
    const done = json.results.filter(({ ok }: { ok: boolean }) => ok).length;
    expect(done).toBe(17);
    expect(json.results.at(-1)).toMatchObject({ ok: false, error: { code: "payload_too_large" } });
    await large.stop();
  });
});
