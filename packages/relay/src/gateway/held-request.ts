// Owns: what a client's request leaves for its next upstreams.
import type { Route } from "./route.ts";
import { heldHeaders } from "./upstream-headers.ts";
import type { UpstreamRequest } from "./upstream-socket.ts";

export interface HeldRequestFields {
  readonly route: Route;
  readonly key: string | undefined;
  /** Its place among the cohorts of revisions, if the route has some. */
  readonly cohort: number | undefined;
  /** Its name, which each upstream hears. */
  readonly session: string;
  /** Upstreams that were tried for it before, by other gateways. */
  readonly attempt: number;
  readonly clientAddress: string;
  readonly requestId: string;
  /** Path and query. */
  readonly target: string;
  /** What upstreams are offered. */
  readonly protocols: readonly string[];
  /** An upstream's message may be so much longer than the route's limit. */
  readonly frameBytesExtra: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Kept for as long as the client is held. */
export class HeldRequest implements HeldRequestFields {
  readonly route: Route;
  readonly key: string | undefined;
  readonly cohort: number | undefined;
  readonly session: string;
  readonly attempt: number;
  readonly clientAddress: string;
  readonly requestId: string;
  readonly target: string;
  readonly protocols: readonly string[];
  readonly frameBytesExtra: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The subprotocol that the first upstream chose; the next ones must choose the same. */
  protocol = "";

  constructor(fields: HeldRequestFields) {
    this.route = fields.route;
    this.key = fields.key;
    this.cohort = fields.cohort;
    this.session = fields.session;
    this.attempt = fields.attempt;
    this.clientAddress = fields.clientAddress;
    this.requestId = fields.requestId;
    this.target = fields.target;
    this.protocols = fields.protocols;
    this.frameBytesExtra = fields.frameBytesExtra;
    this.headers = fields.headers;
  }

  /** `home`: which upstream of this gateway's it is. The route may change meanwhile. */
  upstream(address: string, home: number): UpstreamRequest {
    const { route, target, protocols } = this;
    const revision = route.endpoints.revisionOf(address);
    return {
      url: `${route.tls === undefined ? "ws" : "wss"}://${address}${target}`,
      tls: route.tls,
      headers: { ...this.headers, ...heldHeaders(this, home, revision) },
      ...{ protocols, openMsMax: route.openMsMax },
      messageBytesMax: route.messageBytesMax + this.frameBytesExtra,
    };
  }
}
