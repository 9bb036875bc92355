import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { BrokerError } from "../ports.ts";

test("renewals of the lease are told: those that fail, and the one that came too late", async () => {
  let isCut = false;
  const { observed, advance } = await createEngineHarness({
    contract: { channels: { "chat:{room}": { presence: true } } },
    settings: { ...TEST_SETTINGS, timeouts: { ...TEST_SETTINGS.timeouts, presenceLeaseMs: 3_000 } },
    wrapBroker: (broker) => {
      const renew = broker.presence.renew.bind(broker.presence);
      broker.presence.renew = (nodeId, ttlMs) => (isCut ? Promise.reject(new BrokerError("unavailable", "cut")) : renew(nodeId, ttlMs));
      return broker;
    },
  });
  const told = (): Set<string> => new Set(observed.splice(0).filter((line) => line.startsWith("leaseRenewed")));
  await advance(3_000);
  expect(told()).toEqual(new Set(["leaseRenewed ok"]));
  isCut = true;
  await advance(4_000);
  expect(told()).toEqual(new Set(["leaseRenewed failed"]));
  isCut = false;
  await advance(1_000);
  expect(told()).toContain("leaseRenewed late");
});
