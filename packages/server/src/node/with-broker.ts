// Owns: making parts of a node over a broker that is open already.
import type { Broker } from "@holdfast/core";
import type { RunningApplication } from "./application.ts";

/** What cannot be made leaves no broker open. */
export async function withBroker<T>(
  broker: Broker,
  make: () => T | Promise<T>,
  application?: RunningApplication,
): Promise<T> {
  try {
    return await make();
  } catch (error) {
    await application?.stop();
    await broker.close();
    throw error;
  }
}
