// Owns: the whole engine: the core and presence.
import { EngineCore } from "./engine-core.ts";
import { Presence } from "./presence.ts";

/** One client, as the simulator runs it. */
export class ClientEngine extends EngineCore {
  readonly presence: Presence = this.add((engine, settled) => new Presence(engine, settled));
}
