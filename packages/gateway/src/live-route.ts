// Owns: one route while the gateway runs: its endpoints, who finds them, who checks them.
import { EndpointTable, type Profile } from "@holdfast/rehoming";
import type { Route } from "@holdfast/relay/gateway";
import type { Discovery, DiscoveryNeeds } from "./discovery/discovery.ts";
import type { GatewayEvents } from "./gateway-events.ts";
import { Checks } from "./health/checks.ts";
import type { RouteOptions } from "./options/route-fields.ts";
import { keyOf } from "./request-key.ts";

export interface RouteNeeds extends DiscoveryNeeds {
  readonly events: GatewayEvents;
  readonly zone: () => string | undefined;
  readonly checked: (route: string, outcome: "well" | "ill") => void;
}

/**
 * Takes new options while it has clients: its endpoints, their clients and orders about them stay.
 * A client keeps the profile with which it was taken.
 */
export class LiveRoute implements Route {
  readonly name: string;
  readonly endpoints: EndpointTable;
  readonly traffic = { in: 0, out: 0 };
  readonly #needs: RouteNeeds;
  #options: RouteOptions;
  #discovery: Discovery;
  #checks: Checks | undefined;
  #hasSpoken = false;
  #toldTaking = -1;

  constructor(options: RouteOptions, needs: RouteNeeds) {
    this.name = options.name;
    this.#options = options;
    this.#needs = needs;
    this.endpoints = new EndpointTable(tableOptions(options));
    this.#discovery = this.#find();
    this.#checks = this.#check();
  }

  get options(): RouteOptions {
    return this.#options;
  }
  get host(): string | undefined {
    return this.#options.host;
  }
  get path(): string {
    return this.#options.path;
  }
  get profile(): Profile {
    return this.#options.profile.profile;
  }
  get isTls(): boolean {
    return this.#options.upstreamTls;
  }
  get zone(): string | undefined {
    return this.#needs.zone();
  }
  get openMsMax(): number {
    return this.#options.openMs;
  }
  get answerMsMax(): number {
    return this.#options.answerMs;
  }
  get messageBytesMax(): number {
    return this.#options.messageBytesMax;
  }
  get pendingMax(): number {
    return this.#options.pendingMax;
  }
  get requestsMax(): number {
    return this.#options.requestsMax;
  }
  get rebalances(): boolean {
    return this.#options.rebalance;
  }
  get keyOf(): Route["keyOf"] {
    const { key } = this.#options;
    return key === undefined ? undefined : (request, url) => keyOf(key, request, url);
  }

  /** Its discovery has said something. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** Why nothing newer is known. */
  get trouble(): string | undefined {
    return this.#discovery.trouble;
  }

  /** True: something is different now. */
  configure(options: RouteOptions): boolean {
    const before = this.#options;
    if (sameAs(before, options)) return false;
    this.#options = options;
    this.endpoints.configure(tableOptions(options));
    if (!sameAs(before.service, options.service)) {
      this.#discovery.stop();
      this.#discovery = this.#find();
    }
    if (!sameAs(before.health.check, options.health.check)) {
      this.#checks?.stop();
      // Nobody would ever find out that an endpoint is well again.
      this.endpoints.unchecked();
      this.#checks = this.#check();
    }
    return true;
  }

  /** Nobody finds or checks endpoints any more. Sockets stay. */
  end(): void {
    this.#discovery.stop();
    this.#checks?.stop();
  }

  #find(): Discovery {
    const discovery = this.#options.service.open(this.#needs);
    discovery.start((found) => {
      this.#hasSpoken = true;
      this.endpoints.discovered(found, performance.now());
      const taking = this.endpoints.taking().length;
      if (taking === this.#toldTaking) return;
      this.#toldTaking = taking;
      const { name: route } = this;
      this.#needs.events.endpointsChanged({ route, taking, known: this.endpoints.size });
    });
    return discovery;
  }

  #check(): Checks | undefined {
    const { check } = this.#options.health;
    if (check === undefined) return undefined;
    return new Checks(check, {
      endpoints: this.endpoints,
      isTls: () => this.isTls,
      checked: (outcome) => this.#needs.checked(this.name, outcome),
    });
  }
}

const sameAs = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

function tableOptions({ connectionsMax, slowStartMs, health }: RouteOptions) {
  const { failuresMax, illMs, illMsMax, wellShareMin } = health;
  return { connectionsMax, slowStartMs, health: { failuresMax, illMs, illMsMax, wellShareMin } };
}
