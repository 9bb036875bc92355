import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { rawSocket } from "./raw-socket.ts";
import { startNode } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const IDLE_MS = 2 * patience(1_000);

test("a client whose program says nothing stays for as long as its network stack answers pings; one that does not answer is closed", async () => {
  const { node, url } = await startNode({
    env: {
      HOLDFAST_TIMEOUTS_IDLE_MS: `${IDLE_MS}`,
      HOLDFAST_TIMEOUTS_PING_MS: `${IDLE_MS / 2}`,
    },
  });
  try {
    // As a hidden page whose timers run once a minute: it never sends a frame of its own.
    const quiet = new WebSocket(url, "holdfast.v1");
    const ended = new Promise((resolve) => quiet.addEventListener("close", resolve));
    await new Promise((resolve) => quiet.addEventListener("open", resolve));
    quiet.send('{"t":"connect","id":1}');
    const dead = await rawSocket(url, { protocol: "holdfast.v1" });
    dead.text('{"t":"connect","id":1}');
    // The one whose end is due soonest is the measure: the other has outlived its time then.
    await dead.closed;
    expect(dead.received.join()).toContain("idle_timeout");
    await Bun.sleep(IDLE_MS * 1.5);
    expect(quiet.readyState).toBe(WebSocket.OPEN);
    quiet.close();
    await ended;
  } finally {
    await node.stop();
  }
});
