// Owns: one route while the gateway runs: its endpoints, who finds them, who checks them.
import { EndpointTable, type Profile } from "@holdfast/rehoming";
import type { Route, UpstreamTls } from "@holdfast/relay/gateway";
import type { Discovery, DiscoveryNeeds } from "./discovery/discovery.ts";
import type { GatewayEvents } from "./gateway-events.ts";
import { Checks } from "./health/checks.ts";
import type { RouteOptions } from "./options/route-fields.ts";
import { cohortOf, keyOf } from "./request-key.ts";
import { type RouteTls, readRouteTls } from "./tls/route-tls.ts";
import { TlsFileError } from "./tls/tls-files.ts";

export interface RouteNeeds extends DiscoveryNeeds {
  readonly events: GatewayEvents;
  readonly zone: () => string | undefined;
  /** An endpoint takes clients that did not before. */
  readonly came: (route: LiveRoute) => void;
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
  #tls: RouteTls;
  /** Why the files of now are not used, as it was told last. */
  #tlsTrouble: string | undefined;
  #discovery: Discovery;
  #checks: Checks | undefined;
  #hasSpoken = false;
  #toldTaking = -1;

  constructor(options: RouteOptions, tls: RouteTls, needs: RouteNeeds) {
    this.name = options.name;
    this.#options = options;
    this.#tls = tls;
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
  get tls(): UpstreamTls | undefined {
    return this.#tls.tls;
  }
  /** When the certificate by which endpoints know the gateway ends, in ms since 1970. */
  get certificateEndsMs(): number | undefined {
    return this.#tls.endsMs;
  }
  get hasTlsTrouble(): boolean {
    return this.#tlsTrouble !== undefined;
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
  get triesMax(): number {
    return this.#options.triesMax;
  }
  get cohortOf(): Route["cohortOf"] {
    const { cohorts } = this.#options;
    return cohorts === undefined ? undefined : (request, url) => cohortOf(cohorts, request, url);
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

  /** True: something is different now. `tls` is what the files of `options` say. */
  configure(options: RouteOptions, tls: RouteTls): boolean {
    const before = this.#options;
    this.#tls = tls;
    this.#tlsTrouble = undefined;
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

  /** Reads its files again. If they cannot be used, those before stay in force. */
  rereadTls(): void {
    const { name: route } = this;
    const { tlsFilesChanged, tlsFilesRefused } = this.#needs.events;
    try {
      const read = readRouteTls(this.#options);
      this.#tlsTrouble = undefined;
      if (sameAs(read, this.#tls)) return;
      this.#tls = read;
      tlsFilesChanged({ route });
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      const { message: why } = error;
      if (why !== this.#tlsTrouble) tlsFilesRefused({ route, why });
      this.#tlsTrouble = why;
    }
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
      const before = new Set(this.endpoints.taking());
      this.endpoints.discovered(found, performance.now());
      const now = this.endpoints.taking();
      if (now.some((address) => !before.has(address))) this.#needs.came(this);
      const taking = now.length;
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
      tls: () => this.tls,
      checked: (outcome) => this.#needs.checked(this.name, outcome),
    });
  }
}

const sameAs = (one: unknown, other: unknown): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

function tableOptions({ connectionsMax, slowStartMs, health, cohorts }: RouteOptions) {
  const { check: _, ...limits } = health;
  return {
    ...{ connectionsMax, slowStartMs, health: limits },
    cohorts: new Map(Object.entries(cohorts?.weights ?? {})),
  };
}
