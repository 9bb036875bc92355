// Owns: the table of a node's options. The command's help, the environment's names and
// docs/reference/options.md are made from it.
import {
  boolean,
  bytes,
  choice,
  duration,
  integer,
  isAddressRange,
  isHost,
  list,
  optionalText,
  structured,
  text,
  type ValuesOf,
} from "@holdfast/config";
import { API_KEYS, type ApiKey } from "./api-keys.ts";
import { BACK_ENDS_ALLOWED, type BackEndMap, readBackEnds } from "./back-ends.ts";
import { CHANNELS_ALLOWED, type ChannelMap, readChannels } from "./channels.ts";
import { ENGINE_OPTIONS } from "./engine-options.ts";
import { BROKER_URL_ALLOWED, isBasePath, isBrokerUrl, isHttpUrl, isOrigin } from "./forms.ts";
import { INGEST_OPTIONS } from "./ingest-options.ts";
import { MQTT_OPTIONS } from "./mqtt-options.ts";
import { ORIGIN_ALLOWED } from "./origins.ts";

/** Signature algorithms that tokens may use. */
export const JWT_ALGORITHMS = ["HS256", "RS256", "ES256", "EdDSA"] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/**
 * Shortest secrets, in characters: HS256 needs a key of at least 256 bits (RFC 7518 section 3.2).
 */
const SECRET_LENGTH_MIN = 32;
const longEnough = (secret: string) => secret.length >= SECRET_LENGTH_MIN;
const noApiKeys: readonly ApiKey[] = [];
const noBackEnds: BackEndMap = {};
const noChannels: ChannelMap = {};

export const OPTIONS = {
  nodeId: optionalText({
    allowed: "1 to 64 letters, digits, dots, dashes, underscores",
    check: (id) => /^[\w.-]{1,64}$/.test(id),
    description:
      "Name of the node, unique among running nodes. If it is absent, the name is random. Set it only if names must be known before the start.",
  }),
  revision: text({
    default: "unversioned",
    allowed: "1 to 64 letters, digits, dots, dashes, underscores, plus signs",
    check: (revision) => /^[\w.+-]{1,64}$/.test(revision),
    description: "Version of the deployment, shown to people and in metrics.",
  }),
  host: text({
    default: "0.0.0.0",
    allowed: "an address or host name",
    check: isHost,
    description:
      "Address of the public listener. The default is all addresses, because balancers and other pods must reach it. `holdfast dev` listens on loopback.",
  }),
  port: integer({
    default: 8000,
    min: 0,
    max: 65_535,
    description: "Port of the public listener: `/connect` and `/api/v1`. 0 takes a free port.",
  }),
  internalHost: text({
    default: "0.0.0.0",
    allowed: "an address or host name",
    check: isHost,
    description:
      "Address of the internal listener. The default is all addresses, because probes come from the machine's address. Keep its port inside the cluster.",
  }),
  internalPort: integer({
    default: 9000,
    min: 0,
    max: 65_535,
    description:
      "Port of the internal listener: `/livez`, `/readyz`, `/metrics`. 0 takes a free port.",
  }),
  reusePort: boolean({
    default: false,
    description:
      "Shares the ports with other processes that have this option on. So a new process can listen before the old one stops. If it is off, a second node on a port is an error.",
  }),
  contract: optionalText({
    allowed: "a path of a .ts, .js or .mjs file",
    check: (path) => /\.[mc]?[jt]s$/.test(path),
    description:
      "File that exports the contract. Without it, the node knows only the channels of option `channels`. `holdfast dev` looks for holdfast.config.ts.",
  }),
  pipelines: optionalText({
    allowed: "a path of a .yaml, .yml or .json file",
    check: (path) => /\.(ya?ml|json)$/.test(path),
    description:
      "File with pipelines and sources, in addition to those of the contract. A name may stand in one of the two.",
  }),
  channels: structured({
    kind: "map",
    default: noChannels,
    allowed: CHANNELS_ALLOWED,
    read: readChannels,
    description:
      "Channels of a node without a contract file: patterns and their rules. The first pattern that matches a name decides.",
  }),
  backEnds: structured({
    kind: "map",
    default: noBackEnds,
    allowed: BACK_ENDS_ALLOWED,
    read: readBackEnds,
    description:
      "Back ends of the application that answer hooks and RPCs over HTTP, by name (docs/guide/back-ends.md). None by default.",
  }),
  broker: {
    url: text({
      secret: true,
      default: "memory:",
      allowed: BROKER_URL_ALLOWED,
      check: isBrokerUrl,
      description:
        "What carries publications between nodes. `memory:` serves this process alone, and its data ends with the process. Redis 7 or Valkey: `redis://user:password@host:6379/0`, `rediss://` with TLS, `redis+sentinel://host:26379,host:26379/name`, `redis+cluster://host:6379,host:6379`, or several `redis://` addresses separated by commas (docs/operations/redis.md).",
    }),
    startWaitMs: duration({
      default: 10_000,
      min: 1000,
      max: 24 * 60 * 60_000,
      description:
        "How long a start waits for a broker that is away. Meanwhile `/livez` is 200 and `/readyz` is 503. After that the process ends with status 3. If a supervisor restarts it with growing pauses, wait longer: the chart waits for 15 minutes.",
    }),
    allowNonDurable: boolean({
      default: false,
      description:
        "Allows durable channels on a broker whose data ends with its process, for development. If it is off, a contract with such channels is refused.",
    }),
  },
  auth: {
    jwt: {
      hmacSecret: optionalText({
        secret: true,
        allowed: `at least ${SECRET_LENGTH_MIN} characters`,
        check: longEnough,
        description: "Secret for tokens signed with HS256.",
      }),
      hmacSecretOther: optionalText({
        secret: true,
        allowed: `at least ${SECRET_LENGTH_MIN} characters`,
        check: longEnough,
        description:
          "Second secret for tokens signed with HS256: the previous one, while its tokens are still in use.",
      }),
      publicKey: optionalText({
        allowed: "a PEM public key, a JWK or a JWK set",
        check: (key) => /^\s*(-----BEGIN PUBLIC KEY-----|\{|\[)/.test(key),
        description: "Key for tokens signed with RS256, ES256 or EdDSA.",
      }),
      publicKeyFile: optionalText({
        allowed: "a path",
        description: "File with such a key. The node reads it at its start.",
      }),
      jwksUrl: optionalText({
        allowed: "an https: URL (http: on loopback)",
        check: isHttpUrl,
        description:
          "URL of an identity provider's keys. The node caches them, and reads them again if a token names an unknown key. The answer's Cache-Control says how long such a token is told to try later.",
      }),
      algorithms: list<JwtAlgorithm>({
        default: [],
        allowed: JWT_ALGORITHMS.join(", "),
        countMax: JWT_ALGORITHMS.length,
        check: (word): word is JwtAlgorithm =>
          JWT_ALGORITHMS.some((algorithm) => algorithm === word),
        description:
          "Algorithms that are accepted. If the list is empty, they are those of the given keys. A key is only used with algorithms of its own kind.",
      }),
      issuer: optionalText({
        allowed: "text",
        description: "Claim `iss` that tokens must have. If it is absent, `iss` is not checked.",
      }),
      audience: optionalText({
        allowed: "text",
        description: "Claim `aud` that tokens must have. If it is absent, `aud` is not checked.",
      }),
      leewayMs: duration({
        default: 5000,
        min: 0,
        max: 300_000,
        description:
          "Difference of clocks that the check of `exp` and `nbf` allows. 5 s is more than synchronised clocks need.",
      }),
    },
    anonymous: boolean({
      default: false,
      description:
        "Accepts clients without a token. They have no user. Channels for `anyone` are open to them.",
    }),
    cookie: optionalText({
      allowed: "the name of a cookie",
      check: (name) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name),
      description:
        "Cookie from which `/events` takes the token of browsers (docs/guide/http-streams.md). If it is absent, no cookie is read.",
    }),
    insecure: boolean({
      default: false,
      description:
        "Lets `holdfast serve` start without a way to check tokens. Use it only if everybody who can reach the node may do everything.",
    }),
    resumeSecret: optionalText({
      secret: true,
      allowed: `at least ${SECRET_LENGTH_MIN} characters`,
      check: longEnough,
      description:
        "Secret that signs resume tokens. It must be the same on all nodes. If it is absent, it is random, and no other node can resume this node's sessions.",
    }),
    resumeSecretOther: optionalText({
      secret: true,
      allowed: `at least ${SECRET_LENGTH_MIN} characters`,
      check: longEnough,
      description:
        "Second secret whose resume tokens are accepted: the next one before a rotation, the previous one after it. Nodes never sign with it.",
    }),
  },
  allowedOrigins: list<string>({
    default: [],
    allowed: ORIGIN_ALLOWED,
    countMax: 100,
    check: isOrigin,
    description:
      "Web origins whose pages may connect, besides pages of the node's own host (docs/guide/serve.md). `https://*.example.com` is every host below example.com. `null` is sent by sandboxed frames of any site, and by local pages of some applications. Clients that are not browsers send no Origin and are not checked.",
  }),
  trustedProxies: list<string>({
    default: [],
    allowed: "addresses or ranges like 10.0.0.0/8",
    countMax: 100,
    check: isAddressRange,
    description:
      "Proxies whose headers the node believes, for a client's address, host and scheme. If it is empty, it believes nobody's, because any client can write these headers.",
  }),
  forwardedHeader: choice({
    of: ["x-forwarded", "forwarded"],
    default: "x-forwarded",
    description:
      "Headers that trusted proxies write: X-Forwarded-For, -Host, -Port and -Proto, or Forwarded (RFC 7239). The others are not read, because a client can write them.",
  }),
  basePath: text({
    default: "/",
    allowed: "/ or a path like /realtime, without a slash at its end",
    check: isBasePath,
    description:
      "Path below which the public listener serves `connect` and `api/v1`. Use it if a balancer forwards a path prefix unchanged. The demo of `holdfast dev` needs `/`.",
  }),
  apiKeys: structured({
    kind: "entries",
    secret: true,
    shown: API_KEYS.shown,
    default: noApiKeys,
    allowed: API_KEYS.allowed,
    read: API_KEYS.read,
    description:
      "Keys of programs that may call the HTTP API. If it is empty, the API answers nobody. `holdfast keygen` makes keys.",
  }),
  apiBodyBytesMax: bytes({
    default: 1024 * 1024,
    min: 1024,
    max: 64 * 1024 * 1024,
    description:
      "Largest body of a request to the HTTP API. 1 MiB holds a few hundred ordinary publications.",
  }),
  metrics: boolean({ default: true, description: "Serves `/metrics` on the internal listener." }),
  log: {
    level: choice({
      of: ["debug", "info", "warn", "error"],
      default: "info",
      description: "The node writes events of this level and of more severe ones.",
    }),
    format: choice({
      of: ["json", "pretty"],
      default: "json",
      description:
        "`json`: one JSON object for each line. `pretty`: text for people, the default of `holdfast dev`.",
    }),
  },
  tls: {
    certFile: optionalText({
      allowed: "a path",
      description:
        "PEM certificate chain of the public listener. If it is absent, the node does no TLS: let a balancer do it.",
    }),
    keyFile: optionalText({
      allowed: "a path",
      description: "PEM private key that belongs to tls.certFile.",
    }),
  },
  mqtt: MQTT_OPTIONS,
  ingest: INGEST_OPTIONS,
  ...ENGINE_OPTIONS,
} as const;

/** The settings of a node: the table's shape with a value in each row's place. */
export type Config = ValuesOf<typeof OPTIONS>;
