// Owns: the rules between options. One row for each rule; a rule that fails names the options
// concerned.
import type { BrokenRelation } from "@holdfast/config";
import type { Config } from "./node-options.ts";

interface Relation {
  readonly option: string;
  /**
   * Undefined if the rule holds. `found` says what was found, if that is more than the option's
   * value.
   */
  broken(config: Config): { readonly found: string; readonly allowed: string } | undefined;
}

const RELATIONS: readonly Relation[] = [
  atMost("limits.dataBytesMax", (c) => c.limits.dataBytesMax, {
    max: (c) => Math.floor((c.limits.messageBytesMax * 3) / 4) - 1024,
    why: "three quarters of limits.messageBytesMax less 1 KiB, so that it fits into a frame also as base64",
  }),
  atMost("limits.dataBytesMax", (c) => c.limits.dataBytesMax, {
    max: (c) => c.flow.queueBytesMax / 4,
    why: "a quarter of flow.queueBytesMax, or one publication would close ordinary readers",
  }),
  atMost(
    "limits.subscriptionsMax",
    (c) => c.limits.subscriptionsMax + c.limits.presencePerConnectionMax,
    {
      max: (c) => c.limits.framesPerSecondMax * c.limits.burstFactor,
      why: "limits.framesPerSecondMax times limits.burstFactor, less limits.presencePerConnectionMax, or a returning client could not subscribe again at once",
    },
  ),
  atMost("limits.messageBytesMax", (c) => c.limits.messageBytesMax, {
    max: (c) => c.limits.receivedBytesPerSecondMax * c.limits.burstFactor,
    why: "limits.receivedBytesPerSecondMax times limits.burstFactor, or one message would overdraw it",
  }),
  atMost("limits.dataBytesMax", (c) => c.limits.dataBytesMax, {
    max: (c) => c.limits.publishedBytesPerSecondMax * c.limits.burstFactor,
    why: "limits.publishedBytesPerSecondMax times limits.burstFactor, or one publication would overdraw it",
  }),
  atMost("limits.publishedBytesPerSecondMax", (c) => c.limits.publishedBytesPerSecondMax, {
    max: (c) => (c.limits.receivedBytesPerSecondMax * 3) / 4,
    why: "three quarters of limits.receivedBytesPerSecondMax, or a publisher would wait unread before it is refused",
  }),
  atMost("limits.connectionsPerAddressMax", (c) => c.limits.connectionsPerAddressMax, {
    max: (c) => c.limits.connectionsMax,
    why: "limits.connectionsMax",
  }),
  atMost("limits.connectionsPerUserMax", (c) => c.limits.connectionsPerUserMax, {
    max: (c) => c.limits.connectionsMax,
    why: "limits.connectionsMax",
  }),
  atMost("timeouts.pingMs", (c) => c.timeouts.pingMs, {
    max: (c) => c.timeouts.idleMs / 2,
    why: "half of timeouts.idleMs, so that one ping may be lost",
  }),
  atMost("timeouts.presenceGraceMs", (c) => c.timeouts.presenceGraceMs, {
    max: (c) => c.timeouts.presenceLeaseMs,
    why: "timeouts.presenceLeaseMs, or members of a dead node would leave before those of a lost connection",
  }),
  atMost("timeouts.pingMs", (c) => c.timeouts.pingMs, {
    max: (c) => c.timeouts.resumeTtlMs / 2,
    why: "half of timeouts.resumeTtlMs, because newer resume tokens come with pongs",
  }),
  atMost("fleet.figuresMs", (c) => c.fleet.figuresMs, {
    max: (c) => c.fleet.nodeLeaseMs / 3,
    why: "a third of fleet.nodeLeaseMs, or two lost words would make a living node dead to the others",
  }),
  atMost("flow.lagBytes", (c) => c.flow.lagBytes, {
    max: (c) => c.flow.queueBytesMax - 1,
    why: "less than flow.queueBytesMax, or no slow-consumer policy would ever begin",
  }),
  atMost("flow.chunkBytes", (c) => c.flow.chunkBytes, {
    max: (c) => c.flow.lagBytes,
    why: "flow.lagBytes, or a recovery would make its own reader lag",
  }),
  {
    option: "mqtt.transports",
    broken: ({ mqtt, tls }) =>
      mqtt.transports.includes("tls") &&
      ((mqtt.tls.certFile ?? tls.certFile) === undefined ||
        (mqtt.tls.keyFile ?? tls.keyFile) === undefined)
        ? { found: "tls without a certificate", allowed: "mqtt.tls.certFile and mqtt.tls.keyFile" }
        : undefined,
  },
  {
    option: "mqtt.tls.clientCertificates",
    broken: ({ mqtt }) =>
      mqtt.tls.clientCertificates !== "none" && mqtt.tls.clientCaFile === undefined
        ? { found: mqtt.tls.clientCertificates, allowed: "mqtt.tls.clientCaFile beside it" }
        : undefined,
  },
  {
    option: "internalPort",
    broken: ({ port, internalPort }) =>
      port !== 0 && port === internalPort
        ? { found: `${internalPort}, which is port too`, allowed: "another port than port" }
        : undefined,
  },
  bothOrNeither("tls.certFile", "tls.keyFile", (c) => [c.tls.certFile, c.tls.keyFile]),
  {
    option: "auth.jwt.publicKeyFile",
    broken: ({ auth: { jwt } }) =>
      jwt.publicKeyFile !== undefined && jwt.publicKey !== undefined
        ? {
            found: "auth.jwt.publicKey as well",
            allowed: "one of auth.jwt.publicKey and auth.jwt.publicKeyFile",
          }
        : undefined,
  },
  otherWithout("auth.jwt.hmacSecret", ({ auth: { jwt } }) => [jwt.hmacSecret, jwt.hmacSecretOther]),
  otherWithout("auth.resumeSecret", ({ auth }) => [auth.resumeSecret, auth.resumeSecretOther]),
  { option: "auth.jwt.algorithms", broken: algorithmWithoutKey },
  { option: "allowedOrigins", broken: starAmongOrigins },
  { option: "channels", broken: durableWithoutStore },
];

/** Every rule that does not hold, in the order of the rules. */
export function brokenRelations(config: Config): readonly BrokenRelation[] {
  return RELATIONS.flatMap((relation) => {
    const broken = relation.broken(config);
    return broken === undefined ? [] : [{ option: relation.option, ...broken }];
  });
}

function atMost(
  option: string,
  value: (config: Config) => number,
  limit: { readonly max: (config: Config) => number; readonly why: string },
): Relation {
  return {
    option,
    broken(config) {
      const found = value(config);
      const max = limit.max(config);
      return found <= max
        ? undefined
        : { found: String(found), allowed: `at most ${max}: ${limit.why}` };
    },
  };
}

function bothOrNeither(
  first: string,
  second: string,
  values: (config: Config) => readonly [unknown, unknown],
): Relation {
  return {
    option: first,
    broken(config) {
      const [a, b] = values(config);
      if ((a === undefined) === (b === undefined)) return undefined;
      return {
        found: a === undefined ? `only ${second}` : `only ${first}`,
        allowed: `both ${first} and ${second}, or neither`,
      };
    },
  };
}

/** A second secret is for rotating the first. */
function otherWithout(
  option: string,
  values: (config: Config) => readonly [first: string | undefined, other: string | undefined],
): Relation {
  return {
    option: `${option}Other`,
    broken(config) {
      const [first, other] = values(config);
      if (other === undefined || (first !== undefined && first !== other)) return undefined;
      return {
        found: first === undefined ? `no ${option}` : `the same as ${option}`,
        allowed: `${option} and another secret, or ${option} alone`,
      };
    },
  };
}

function algorithmWithoutKey({ auth: { jwt } }: Config) {
  const hasPublic =
    jwt.publicKey !== undefined || jwt.publicKeyFile !== undefined || jwt.jwksUrl !== undefined;
  const keyless = jwt.algorithms.filter((algorithm) =>
    algorithm === "HS256" ? jwt.hmacSecret === undefined : !hasPublic,
  );
  if (keyless.length === 0) return undefined;
  return {
    found: `${keyless.join(", ")} without a key`,
    allowed:
      "algorithms of the keys given (auth.jwt.hmacSecret, publicKey, publicKeyFile, jwksUrl)",
  };
}

function starAmongOrigins({ allowedOrigins }: Config) {
  return allowedOrigins.includes("*") && allowedOrigins.length > 1
    ? { found: allowedOrigins.join(", "), allowed: "* alone, or origins without it" }
    : undefined;
}

function durableWithoutStore({ channels, broker }: Config) {
  const durable = Object.entries(channels).find(([, settings]) => settings.class === "durable");
  return durable !== undefined && broker.url === "memory:" && !broker.allowNonDurable
    ? {
        found: `${durable[0]} is durable, and broker.url is memory:`,
        allowed:
          "class ordered, a broker that outlives its nodes, or broker.allowNonDurable: true for development",
      }
    : undefined;
}
