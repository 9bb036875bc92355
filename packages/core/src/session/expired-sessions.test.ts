import { describe, expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, createManualClock, TEST_SETTINGS } from "@holdfast/testkit";

const only = <T extends ServerFrame["t"]>(frames: readonly ServerFrame<unknown>[], t: T) =>
  frames.find((frame) => frame.t === t) as Extract<ServerFrame<unknown>, { t: T }> | undefined;

describe("a session whose token expired", () => {
  const room: ContractDefinition = { channels: { "chat:{room}": { presence: true } } };
  const setUp = async (anonymous = false) => {
    const clock = createManualClock();
    const brief = { user: "ada", expiresAtMs: clock.wallMs() + 10_000 };
    const tokens = { brief, fresh: { user: "ada", info: "new" }, other: { user: "bob" } };
    const all = await createEngineHarness({
      contract: room,
      settings: TEST_SETTINGS,
      clock,
      tokens,
      anonymous,
    });
    const watcher = await all.connect({ token: "other" });
    await watcher.send({ t: "watch", id: 2, ch: "chat:a" });
    const client = all.open();
    await client.send(
      { t: "connect", id: 1, token: "brief" },
      { t: "enter", id: 2, ch: "chat:a", data: { n: 1 } },
    );
    const connected = only(await client.take(), "connected");
    const resume = connected?.resume ?? "";
    await all.advance(10_100);
    expect(client.link.closedWith?.reason).toBe("token_expired");
    await watcher.take();
    const comeBack = async (frame: { readonly token?: string; readonly resume?: string }) => {
      const back = all.open();
      await back.send({ t: "connect", id: 1, ...frame });
      return { back, frames: await back.take() };
    };
    return { ...all, watcher, session: connected?.session as string, resume, comeBack };
  };

  test("H7: goes on with a fresh token of the same user, and nobody sees its member leave and join", async () => {
    const { comeBack, resume, session, watcher, advance } = await setUp();
    const { back, frames } = await comeBack({ resume, token: "fresh" });
    expect(only(frames, "connected")).toMatchObject({ session, user: "ada", resumed: true });
    await back.send({ t: "enter", id: 2, ch: "chat:a", data: { n: 1 } });
    await advance(60_000);
    expect((await watcher.take()).filter(({ t }) => t === "presence")).toEqual([]);
  });

  test("H5: is another one for another user, for nobody, and for a token that is refused", async () => {
    const { comeBack, resume, session } = await setUp();
    const bob = only((await comeBack({ resume, token: "other" })).frames, "connected");
    expect(bob).toMatchObject({ user: "bob", resumed: false });
    expect(bob?.session).not.toBe(session);
    expect(only((await comeBack({ resume, token: "forged" })).frames, "goodbye")?.name).toBe(
      "token_invalid",
    );
    expect(only((await comeBack({ resume })).frames, "goodbye")?.name).toBe("token_expired");
    expect(only((await comeBack({ resume: "nonsense" })).frames, "goodbye")?.name).toBe(
      "resume_rejected",
    );
    const open = await setUp(true);
    // Also if anonymous clients are allowed: nobody becomes one of them by a long absence.
    for (const [resume, name] of [
      [open.resume, "token_expired"],
      ["nonsense", "resume_rejected"],
    ] as const)
      expect(only((await open.comeBack({ resume })).frames, "goodbye")?.name).toBe(name);
    const nobody = only((await open.comeBack({})).frames, "connected");
    expect([nobody?.user, nobody?.session === open.session]).toEqual([undefined, false]);
  });

  test("is refused to those whom an operator sent away", async () => {
    const { comeBack, resume, session, engine, settle } = await setUp();
    await engine.disconnect({ user: "ada" }, { reconnect: false });
    await settle();
    const back = only((await comeBack({ resume, token: "fresh" })).frames, "connected");
    expect(back).toMatchObject({ resumed: false });
    expect(back?.session).not.toBe(session);
  });

  test("asks the application again: the token was checked anew", async () => {
    let asked = 0;
    const onConnect = () => {
      asked += 1;
    };
    const clock = createManualClock();
    const tokens = {
      brief: { user: "ada", expiresAtMs: clock.wallMs() + 10_000 },
      fresh: { user: "ada" },
    };
    const contract: ContractDefinition = { ...room, hooks: { onConnect } };
    const { open, advance } = await createEngineHarness({
      contract,
      settings: TEST_SETTINGS,
      clock,
      tokens,
      anonymous: false,
    });
    const client = open();
    await client.send({ t: "connect", id: 1, token: "brief" });
    const resume = only(await client.take(), "connected")?.resume ?? "";
    await advance(10_100);
    await open().send({ t: "connect", id: 1, resume, token: "fresh" });
    expect(asked).toBe(2);
  });
});
