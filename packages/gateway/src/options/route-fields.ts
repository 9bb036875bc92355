// Owns: the table of a route's fields. Reading, messages and the reference are made from it.
import {
  boolean,
  bytes,
  choice,
  decimal,
  duration,
  integer,
  optionalText,
  structured,
  text,
  type ValuesOf,
} from "@holdfast/config";
import { none } from "@holdfast/rehoming";
import type { ServiceOptions } from "../discovery/service.ts";
import { readService, SERVICE_KINDS } from "../discovery/service-kinds.ts";
import { cohorts } from "./cohorts.ts";
import { needed, readFields } from "./fields.ts";
import { isHostName, isName, isPath } from "./forms.ts";
import { KEY_ALLOWED, type KeyOptions, readKey } from "./key.ts";
import { PROFILE_KINDS, type ProfileOptions, readProfile } from "./profile-kinds.ts";
import { upstreamTls } from "./upstream-tls.ts";

/** How endpoints are asked whether they are well, without any client. */
export interface CheckOptions {
  readonly kind: "http" | "tcp" | "websocket";
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly failuresMax: number;
}

const CHECK_ALLOWED =
  "a map with kind (http, tcp, websocket), path, intervalMs, timeoutMs, failuresMax";
const noProfile: ProfileOptions = { kind: "none", options: {}, profile: none };
const noService: ServiceOptions | undefined = undefined;

/** Fields of an active check, for the reference. */
export const CHECK_FIELDS = {
  kind: choice({
    of: ["http", "tcp", "websocket"],
    default: "http",
    description:
      "`http`: a GET is answered with 2xx or 3xx. `tcp`: a socket opens. `websocket`: a handshake succeeds.",
  }),
  path: text({
    default: "/",
    allowed: "a path",
    check: (found) => /^\/[\x21-\x7e]*$/.test(found) && found.length <= 1024,
    description: "What `http` and `websocket` ask for.",
  }),
  intervalMs: duration({
    default: 5000,
    min: 100,
    max: 3_600_000,
    description: "Time between two checks of one endpoint.",
  }),
  timeoutMs: duration({
    default: 1000,
    min: 10,
    max: 60_000,
    description: "How long an answer may take.",
  }),
  failuresMax: integer({
    default: 3,
    min: 1,
    max: 100,
    description: "Checks in a row that must fail before an endpoint gets no new clients.",
  }),
} as const;

/** Fields of one route. */
export const ROUTE_FIELDS = {
  name: needed(
    optionalText({
      allowed: "1 to 63 of a-z, 0-9 and dashes, unique",
      check: isName,
      description: "Its name in metrics, logs and the control API.",
    }),
  ),
  host: optionalText({
    allowed: "a host name in lower case, without a port",
    check: isHostName,
    description: "Requests for this host. If it is absent, for every host.",
  }),
  path: text({
    default: "/",
    allowed: "a path that begins with /, without dot segments, ? and #",
    check: isPath,
    description:
      "Requests whose path is this one, or lies below it. Of several routes, one with a host wins, then the longest path.",
  }),
  profile: structured<ProfileOptions>({
    kind: "map",
    default: noProfile,
    allowed: `one of ${Object.keys(PROFILE_KINDS).join(", ")}, or a map with kind and its options`,
    read: readProfile,
    description:
      "What re-homing a client takes. `none`: it is closed with 1012 if its server goes, since nobody declared the protocol.",
  }),
  service: needed(
    structured<ServiceOptions | undefined>({
      kind: "map",
      default: noService,
      allowed: `a map with one of ${Object.keys(SERVICE_KINDS).join(", ")}`,
      read: readService,
      description: "Where its endpoints are.",
    }),
  ),
  cohorts,
  key: structured<KeyOptions | undefined>({
    kind: "map",
    default: undefined,
    allowed: KEY_ALLOWED,
    read: readKey,
    description:
      "`{header: X-Room}`, `{cookie: room}` or `{query: room}`: clients with the same value get the same endpoint. If an endpoint goes, only its rooms move. Clients without a value go to the least loaded.",
  }),
  rebalance: boolean({
    default: false,
    description:
      "Moves clients when an endpoint was added: those whose `key` belongs there now, or so many that it has its share. Not while somebody orders drains or weights of the endpoints. At most moves.rebalancePerSecond.",
  }),
  upstreamTls,
  connectionsMax: integer({
    default: 100_000,
    min: 1,
    max: 1_000_000,
    description: "Most sockets to one endpoint. Clients beyond get another, or 503.",
  }),
  pendingMax: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    description:
      "Most handshakes of this route that wait for an endpoint. Further clients get 503 at once, so that a service that hangs takes no memory without end.",
  }),
  requestsMax: integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    description:
      "Most requests of this route under way that ask for no socket. Further ones get 503.",
  }),
  messageBytesMax: bytes({
    default: 1024 * 1024,
    min: 64,
    max: 64 * 1024 * 1024,
    description:
      "Largest message of a client or of an endpoint. A longer one ends its socket with 1009. At most limits.messageBytesMax.",
  }),
  triesMax: integer({
    default: 3,
    min: 1,
    max: 10,
    description:
      "Endpoints that are asked for a client, or for a request that may be sent again: a GET or HEAD without a body. Then the client gets 502 or 503.",
  }),
  openMs: duration({
    default: 5000,
    min: 50,
    max: 60_000,
    description: "How long an endpoint may take to open a socket. Then another is tried.",
  }),
  answerMs: duration({
    default: 60_000,
    min: 100,
    max: 3_600_000,
    description:
      "How long an endpoint may take to begin its answer to a request that asks for no socket. Then 504.",
  }),
  slowStartMs: duration({
    default: 10_000,
    min: 0,
    max: 3_600_000,
    description: "A new endpoint has its full share of new clients only after so long.",
  }),
  health: {
    failuresMax: integer({
      default: 3,
      min: 1,
      max: 1000,
      description:
        "Sockets in a row that an endpoint did not open, or that broke, before it gets no clients for a while.",
    }),
    illMs: duration({
      default: 1000,
      min: 10,
      max: 3_600_000,
      description: "How long it gets none. Doubled each time; then one client tries it.",
    }),
    illMsMax: duration({
      default: 60_000,
      min: 10,
      max: 86_400_000,
      description: "The longest such time.",
    }),
    wellShareMin: decimal({
      default: 0.5,
      min: 0,
      max: 1,
      description: "At least this part of the endpoints is never taken out.",
    }),
    slowFactor: decimal({
      default: 0,
      min: 0,
      max: 1000,
      description:
        "An endpoint whose handshakes take so many times the median of the others gets no clients for a while, as if it had failed. It needs three endpoints with ten handshakes each. 0: never.",
    }),
    slowMsMin: duration({
      default: 100,
      min: 1,
      max: 60_000,
      description: "Handshakes that are faster, on average, are never slow.",
    }),
    check: structured<CheckOptions | undefined>({
      kind: "map",
      default: undefined,
      allowed: CHECK_ALLOWED,
      read: (found) => readFields(CHECK_FIELDS, found),
      description: "An active check of each endpoint. If it is absent, only sockets tell.",
    }),
  },
} as const;

/** One route of the file. Two that are equal as JSON are the same. */
export type RouteOptions = ValuesOf<typeof ROUTE_FIELDS> & { readonly service: ServiceOptions };
