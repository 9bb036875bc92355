import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { networkOf } from "./network-of.ts";

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002:aaaa:bbbb:cccc:dddd", "2001:db8:1:2::/64"],
  ["::1", "0:0:0:0::/64"],
  ["1::4:5:6:7:8", "1:0:0:4::/64"],
  ["1:2:3::5:6:7:8", "1:2:3:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["", ""],
])("%s counts as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("one who has a whole IPv6 network has the connections of one address", async () => {
  const limits = { ...TEST_SETTINGS.limits, connectionsPerAddressMax: 5 };
  const { open, settle } = await createEngineHarness({
    contract: { channels: { a: {} } },
    settings: { ...TEST_SETTINGS, limits },
  });
  const clients = Array.from({ length: 20 }, (_, i) => open({ address: `2001:db8:1:2::${i + 1}` }));
  await settle();
  const staying = () => clients.filter(({ link }) => link.closedWith === undefined);
  // Those that may bring a session back from another node.
  expect(staying().length).toBe(10);
  for (const client of staying()) await client.send({ t: "connect", id: 1 });
  expect(staying().length).toBe(5);
  const other = open({ address: "2001:db8:1:3::1" });
  await settle();
  expect(other.link.closedWith).toBeUndefined();
});

test("frames over the rate in connect's own message wait for connected like the others", async () => {
  const limits = { ...TEST_SETTINGS.limits, framesPerSecondMax: 10, burstFactor: 1 };
  const { open } = await createEngineHarness({
    contract: { channels: { a: {} } },
    settings: { ...TEST_SETTINGS, limits },
  });
  const client = open();
  await client.send(
    { t: "connect", id: 1 },
    ...Array.from({ length: 20 }, (_, i) => ({ t: "ping" as const, id: i + 2 })),
  );
  expect((await client.take())[0]?.t).toBe("connected");
});
