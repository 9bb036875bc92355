// Owns: the contract suite of the Broker port: what any broker has to do, tested through the port
// alone.
import { afterEach, beforeEach, describe, setDefaultTimeout } from "bun:test";
import { describeBytes } from "./broker-bytes.ts";
import { describeContents } from "./broker-contents.ts";
import { type Bench, type BrokerHarness, ContractError, createBench } from "./broker-harness.ts";
import { describeHistory } from "./broker-history.ts";
import { describeNodes } from "./broker-nodes.ts";
import { describePresence } from "./broker-presence.ts";
import { describeRemoval } from "./broker-removal.ts";
import { describeStates } from "./broker-states.ts";
import { describeStreams } from "./broker-streams.ts";

/**
 * Declares the tests. `make` gives a fresh, empty broker for each test. Times in the suite are
 * whole seconds, because a broker may round up to those; with real time a run takes about a minute,
 * with a clock of the harness no time. Sets the time limit of the calling file's tests to 20
 * seconds.
 */
export function describeBroker(name: string, make: () => Promise<BrokerHarness>): void {
  setDefaultTimeout(20_000);
  describe(`broker contract: ${name}`, () => {
    let bench: Bench | undefined;
    beforeEach(async () => {
      bench = createBench(await make());
    });
    afterEach(async () => {
      await bench?.harness.close();
      bench = undefined;
    });
    const current = (): Bench => {
      if (bench === undefined)
        throw new ContractError("Cannot test: found no harness, expected make() to give one");
      return bench;
    };
    describeStreams(current);
    describeContents(current);
    describeHistory(current);
    describeBytes(current);
    describeRemoval(current);
    describePresence(current);
    describeStates(current);
    describeNodes(current);
  });
}
