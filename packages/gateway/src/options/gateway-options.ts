// Owns: the table of the gateway's options. Help, names in the environment and
// docs/reference/gateway.md are made from it.
import {
  type ApiKeyOf,
  apiKeyForm,
  boolean,
  bytes,
  choice,
  duration,
  integer,
  isAddressRange,
  isHost,
  list,
  type OptionTable,
  optionalText,
  structured,
  text,
  type ValuesOf,
} from "@holdfast/config";
import type { RouteOptions } from "./route-fields.ts";
import { ROUTES_ALLOWED, readRoutes } from "./routes.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a key may do: `routes` and `endpoints` read; `sessions` reads and ends; `drain` orders. */
export const GATEWAY_SCOPES = ["routes", "endpoints", "sessions", "drain", "*"] as const;
export type GatewayScope = (typeof GATEWAY_SCOPES)[number];
export type GatewayKey = ApiKeyOf<GatewayScope>;

const API_KEYS = apiKeyForm(GATEWAY_SCOPES);
const noKeys: readonly GatewayKey[] = [];
const noRoutes: readonly RouteOptions[] = [];

const OPTIONS = {
  host: text({
    default: "0.0.0.0",
    allowed: "an address or host name",
    check: isHost,
    description: "Address of the listener for clients.",
  }),
  port: integer({
    default: 8080,
    min: 0,
    max: 65_535,
    description: "Port of the listener for clients. 0 takes a free port.",
  }),
  admin: {
    host: text({
      default: "0.0.0.0",
      allowed: "an address or host name",
      check: isHost,
      description: "Address of the admin listener. Keep its port inside the cluster.",
    }),
    port: integer({
      default: 9464,
      min: 0,
      max: 65_535,
      description:
        "Port of the admin listener: `/livez`, `/readyz`, `/metrics`, and `/api/v1` if there are keys. 0 takes a free port.",
    }),
  },
  tls: {
    certFile: optionalText({
      allowed: "a path",
      description:
        "PEM certificate chain of the listener for clients. If it is absent, the gateway does no TLS: let a balancer do it.",
    }),
    keyFile: optionalText({
      allowed: "a path",
      description: "PEM private key that belongs to tls.certFile.",
    }),
  },
  routes: structured({
    kind: "entries",
    live: true,
    default: noRoutes,
    allowed: ROUTES_ALLOWED,
    read: readRoutes,
    description:
      "Which requests go to which service, and by which profile its clients are re-homed. Fields of a route are below.",
  }),
  apiKeys: structured({
    kind: "entries",
    secret: true,
    live: true,
    shown: API_KEYS.shown,
    default: noKeys,
    allowed: API_KEYS.allowed,
    read: API_KEYS.read,
    description: `Keys of programs that may call the control API. If it is empty, the API answers nobody. Scopes: ${GATEWAY_SCOPES.join(", ")}. \`holdfast keygen\` makes keys.`,
  }),
  zone: optionalText({
    live: true,
    allowed: "a name",
    description:
      "The gateway's own zone. Its endpoints are preferred; others get clients if those have twice as many for their weight.",
  }),
  trustedProxies: list<string>({
    default: [],
    live: true,
    allowed: "addresses or ranges like 10.0.0.0/8",
    countMax: 100,
    check: isAddressRange,
    description:
      "Proxies whose headers about a client the gateway believes and passes on. If it is empty, it believes nobody's, because any client can write these headers.",
  }),
  forwardedHeader: choice({
    of: ["x-forwarded", "forwarded"],
    default: "x-forwarded",
    live: true,
    description:
      "Headers that trusted proxies write: X-Forwarded-For, or Forwarded (RFC 7239). The other is not read.",
  }),
  limits: {
    clientsMax: integer({
      default: 10_000,
      min: 1,
      max: 1_000_000,
      live: true,
      description:
        "Clients of the gateway. Further ones get 503. The process's limit of open files must be more than twice as high: each client has two sockets.",
    }),
    clientsPerAddressMax: integer({
      default: 1000,
      min: 1,
      max: 1_000_000,
      live: true,
      description:
        "Clients of one address. Further ones get 429. A company behind one address has hundreds; set trustedProxies if a balancer stands before the gateway.",
    }),
    messageBytesMax: bytes({
      default: 1 * MIB,
      min: 64,
      max: 64 * MIB,
      description: "Largest message of any route. Routes may have less, not more.",
    }),
    requestBytesMax: bytes({
      default: 64 * MIB,
      min: 0,
      max: 1024 * MIB,
      description: "Largest body of a request that asks for no socket. A longer one gets 413.",
    }),
    waitingBytesMax: bytes({
      default: 256 * KIB,
      min: 1 * KIB,
      max: 64 * MIB,
      live: true,
      description:
        "What may wait for one client while it has no upstream, and what its profile remembers. Beyond it the client is closed with 1013.",
    }),
    waitingBytesTotalMax: bytes({
      default: 64 * MIB,
      min: 1 * KIB,
      max: 64 * 1024 * MIB,
      live: true,
      description:
        "What may wait for all clients together. If little is left, a client that has more than that left gets none.",
    }),
    idleMs: duration({
      default: 120_000,
      min: 10_000,
      max: 900_000,
      description:
        "A client that sends nothing for so long, not even an answer to a ping, is cut. The gateway pings before.",
    }),
    handshakeMs: duration({
      default: 10_000,
      min: 1000,
      max: 240_000,
      description:
        "How long a connection may be silent between its requests. Its first request must be whole within about 12 s, also if it comes byte by byte.",
    }),
  },
  homeless: {
    msMax: duration({
      default: 10_000,
      min: 100,
      max: 600_000,
      live: true,
      description:
        "How long a client may be without an upstream. Then it is closed with 1013. A fifth of it differs by chance.",
    }),
    lostMax: integer({
      default: 4,
      min: 1,
      max: 100,
      live: true,
      description:
        "Upstreams that a client may lose within homeless.stableMs each. Then it is closed with 1012: perhaps its frames crash servers.",
    }),
    stableMs: duration({
      default: 30_000,
      min: 100,
      max: 3_600_000,
      live: true,
      description: "An upstream that lived for so long was not lost at once.",
    }),
  },
  moves: {
    settleMs: duration({
      default: 2000,
      min: 0,
      max: 60_000,
      live: true,
      description: "How long a move waits for a moment in which nothing is under way.",
    }),
    lastFramesMs: duration({
      default: 1000,
      min: 10,
      max: 60_000,
      live: true,
      description: "How long an upstream that was asked to go may send its last frames.",
    }),
    attachMs: duration({
      default: 5000,
      min: 50,
      max: 60_000,
      live: true,
      description: "How long a profile may take to attach a client to a new upstream.",
    }),
    windowMs: duration({
      default: 30_000,
      min: 100,
      max: 3_600_000,
      live: true,
      description:
        "How long emptying an endpoint that leaves may take. Less than its own time to end.",
    }),
    handshakesPerSecond: integer({
      default: 500,
      min: 1,
      max: 1_000_000,
      live: true,
      unit: "/s",
      description:
        "Handshakes a second that a route's endpoints can take together (A in docs/operations/draining.md). A drain uses 0.7 of them.",
    }),
    rebalancePerSecond: integer({
      default: 50,
      min: 1,
      max: 100_000,
      live: true,
      unit: "/s",
      description:
        "Most clients of a route with `rebalance` that are moved to even things out in a second.",
    }),
    perSecondMax: integer({
      default: 1000,
      min: 1,
      max: 1_000_000,
      live: true,
      unit: "/s",
      description: "Most clients that leave one endpoint in a second.",
    }),
  },
  admission: {
    handshakesPerSecond: integer({
      default: 500,
      min: 1,
      max: 1_000_000,
      live: true,
      unit: "/s",
      description:
        "Handshakes of clients that the gateway takes in a second. Each address has a fair share of them; who wants more gets 429 with a time.",
    }),
  },
  drain: {
    preDelayMs: duration({
      default: 5000,
      min: 0,
      max: 600_000,
      live: true,
      description:
        "Time between a signal to stop and the first client that is closed. Balancers see meanwhile that the gateway is not ready. Clients are still taken.",
    }),
    windowMs: duration({
      default: 30_000,
      min: 0,
      max: 3_600_000,
      live: true,
      description:
        "Time in which the clients of a gateway that stops are closed, evenly, with 1012. Then the rest is cut.",
    }),
    moveMs: duration({
      default: 10_000,
      min: 0,
      max: 600_000,
      live: true,
      description:
        "How long a HoldfastSocket may take to move to another gateway, from its turn on, at most half of drain.windowMs. Then it is closed, too. 0: none is asked to move.",
    }),
  },
  sockets: {
    keys: list<string>({
      default: [],
      secret: true,
      live: true,
      allowed: "texts of 32 to 512 characters",
      countMax: 4,
      check: (found): found is string => found.length >= 32 && found.length <= 512,
      description:
        "Keys that all gateways of the same routes share. What a HoldfastSocket carries from one to the next is sealed with the first, and opened with any. Without a key, profile handoff does not move, and Holdfast-Session changes.",
    }),
  },
  watchFile: boolean({
    default: true,
    description:
      "Reads the configuration file again when its content changes, as with SIGHUP. It looks every 2 s, and at files of `upstreamTls` every 10 s.",
  }),
  log: {
    level: choice({
      of: ["debug", "info", "warn", "error"],
      default: "info",
      description: "The gateway writes events of this level and of more severe ones.",
    }),
    format: choice({
      of: ["json", "pretty"],
      default: "json",
      description: "`json`: one JSON object for each line. `pretty`: text for people.",
    }),
  },
} as const;

/** The settings of a gateway. */
export type GatewayConfig = ValuesOf<typeof OPTIONS>;

/** Every option of `holdfast gateway`. */
export const GATEWAY_OPTIONS: OptionTable<GatewayConfig> = {
  options: OPTIONS,
  envPrefix: "HOLDFAST_GATEWAY_",
  page: "docs/reference/gateway.md",
  broken: ({ tls, routes, limits }) => [
    ...((tls.certFile === undefined) === (tls.keyFile === undefined)
      ? []
      : [
          {
            option: "tls.certFile",
            found: `only tls.${tls.certFile === undefined ? "keyFile" : "certFile"}`,
            allowed: "both tls.certFile and tls.keyFile, or neither",
          },
        ]),
    ...routes.flatMap(({ messageBytesMax }, index) =>
      messageBytesMax <= limits.messageBytesMax
        ? []
        : [
            {
              option: `routes[${index}].messageBytesMax`,
              found: String(messageBytesMax),
              allowed: `at most limits.messageBytesMax (${limits.messageBytesMax})`,
            },
          ],
    ),
    ...(limits.waitingBytesMax <= limits.waitingBytesTotalMax
      ? []
      : [
          {
            option: "limits.waitingBytesMax",
            found: String(limits.waitingBytesMax),
            allowed: `at most limits.waitingBytesTotalMax (${limits.waitingBytesTotalMax})`,
          },
        ]),
  ],
};
