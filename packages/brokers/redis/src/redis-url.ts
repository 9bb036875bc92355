// Owns: the URL forms of option broker.url that name Redis or Valkey servers. Text that is shown of
// a URL never holds its password.
import { readFileSync } from "node:fs";
import type { RedisAddress, RedisTls } from "./socket.ts";

export interface RedisAccount {
  readonly username?: string;
  readonly password?: string;
}

interface Common {
  readonly tls: RedisTls | undefined;
  readonly account: RedisAccount;
  /** The prefix of every key and pub/sub channel. */
  readonly prefix: string;
  /**
   * `trusted`: the operator says that the servers persist their data. The servers do not let us
   * check it.
   */
  readonly durable: "checked" | "trusted";
}

export type RedisPlace = Common &
  (
    | {
        readonly kind: "single";
        readonly addresses: readonly [RedisAddress];
        readonly database: number;
      }
    /** Client-side sharding: each channel lives on one of them. */
    | {
        readonly kind: "sharded";
        readonly addresses: readonly RedisAddress[];
        readonly database: number;
      }
    | {
        readonly kind: "sentinel";
        /** Of the Sentinels. */
        readonly addresses: readonly RedisAddress[];
        readonly primary: string;
        readonly sentinelAccount: RedisAccount;
        readonly database: number;
      }
    /** Some nodes of the cluster; the others are learned. */
    | { readonly kind: "cluster"; readonly addresses: readonly RedisAddress[] }
  );

/** The URL cannot be used. The message never holds the URL, which may hold a password. */
export class RedisUrlError extends Error {
  readonly code = "broker_url_invalid";
}

const SCHEME = /^(redis|rediss)(\+sentinel|\+cluster)?:\/\//;
const PREFIX = /^[A-Za-z0-9_.:/-]{1,64}$/;
const DEFAULT_PREFIX = "hf:";
const ADDRESSES_MAX = 64;
const PARAMETERS = [
  "prefix",
  "durable",
  "tlsCa",
  "tlsCert",
  "tlsKey",
  "sentinelUsername",
  "sentinelPassword",
];

/** Whether option broker.url names Redis servers. */
export const isRedisUrl = (url: string): boolean => SCHEME.test(url);

/**
 * `redis://user:password@host:6379/0?prefix=hf:`; `rediss://` with TLS;
 * `redis+sentinel://user:password@s1:26379,s2:26379/name/0`;
 * `redis+cluster://user:password@n1:6379,n2:6379`; `redis://a:6379,redis://b:6379` or
 * `redis://a:6379,b:6379` for sharding by the client. Throws RedisUrlError.
 */
export function parseRedisUrl(url: string): RedisPlace {
  const scheme = SCHEME.exec(url);
  if (scheme === null)
    throw new RedisUrlError(
      "Cannot use broker.url: found another scheme, expected redis:// or rediss://, with +sentinel or +cluster",
    );
  // The account before the last @ of the first address belongs to all addresses. Later addresses
  // may repeat the scheme and the account if they are the same.
  const [authority = "", path = "", query = ""] = splitUrl(
    url.slice(scheme[0].length).replaceAll(`,${scheme[0]}`, ","),
  );
  const at = authority.lastIndexOf("@");
  const account = readAccount(at < 0 ? "" : authority.slice(0, at));
  const parameters = readParameters(query);
  const hosts = authority.slice(at + 1).split(",");
  const kind =
    scheme[2] === "+sentinel"
      ? "sentinel"
      : scheme[2] === "+cluster"
        ? "cluster"
        : hosts.length > 1
          ? "sharded"
          : "single";
  const addresses = hosts.map((host) => readAddress(host, kind === "sentinel" ? 26379 : 6379));
  const [first] = addresses;
  if (first === undefined || addresses.length > ADDRESSES_MAX)
    throw new RedisUrlError(`Cannot use broker.url: expected 1 to ${ADDRESSES_MAX} addresses`);
  const common: Common = {
    tls: scheme[1] === "rediss" ? readTls(parameters) : undefined,
    account,
    prefix: readPrefix(parameters.get("prefix") ?? DEFAULT_PREFIX),
    durable: readDurable(parameters.get("durable")),
  };
  const segments = path.split("/").filter((segment) => segment !== "");
  if (kind === "single")
    return { ...common, kind, addresses: [first], database: readDatabase(segments) };
  if (kind === "sharded")
    return { ...common, kind, addresses: distinct(addresses), database: readDatabase(segments) };
  if (kind === "cluster") {
    if (segments.length > 0)
      throw new RedisUrlError(
        "Cannot use broker.url: found a path, expected none: a cluster has one database",
      );
    return { ...common, kind, addresses };
  }
  const primary = segments.shift();
  if (primary === undefined)
    throw new RedisUrlError(
      "Cannot use broker.url: found no path, expected the name of the primary that the Sentinels watch",
    );
  const sentinelAccount = accountOf(
    parameters.get("sentinelUsername") ?? "",
    parameters.get("sentinelPassword") ?? "",
  );
  return {
    ...common,
    kind,
    addresses,
    primary: decode(primary),
    sentinelAccount,
    database: readDatabase(segments),
  };
}

/** What logs and errors may say: kind, addresses, database; no account, no parameters. */
export function describePlace(place: RedisPlace): string {
  const scheme = `redis${place.tls === undefined ? "" : "s"}${place.kind === "sentinel" || place.kind === "cluster" ? `+${place.kind}` : ""}`;
  const addresses = place.addresses
    .map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`)
    .join(",");
  return `${scheme}://${addresses}${place.kind === "sentinel" ? `/${place.primary}` : ""}`;
}

function splitUrl(rest: string): [string, string, string] {
  // A password may hold anything that is percent-encoded; slashes and question marks in it must be.
  const question = rest.indexOf("?");
  const head = question < 0 ? rest : rest.slice(0, question);
  const slash = head.indexOf("/", head.lastIndexOf("@") + 1);
  return [
    slash < 0 ? head : head.slice(0, slash),
    slash < 0 ? "" : head.slice(slash + 1),
    question < 0 ? "" : rest.slice(question + 1),
  ];
}

function readAccount(text: string): RedisAccount {
  const colon = text.indexOf(":");
  return colon < 0
    ? accountOf("", decode(text))
    : accountOf(decode(text.slice(0, colon)), decode(text.slice(colon + 1)));
}

const accountOf = (username: string, password: string): RedisAccount => ({
  ...(username === "" ? {} : { username }),
  ...(password === "" ? {} : { password }),
});

function readAddress(text: string, defaultPort: number): RedisAddress {
  // Accounts in later addresses of a list must be those of the first: a list has one account.
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(
    text.slice(text.lastIndexOf("@") + 1),
  );
  const host = found?.[1] ?? found?.[2];
  const port = found?.[3] === undefined ? defaultPort : Number(found[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw new RedisUrlError("Cannot use broker.url: expected host:port in every address");
  return { host, port };
}

function readParameters(query: string): ReadonlyMap<string, string> {
  const parameters = new Map(new URLSearchParams(query));
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new RedisUrlError(
      `Cannot use broker.url: found a parameter that is not one of ${PARAMETERS.join(", ")}`,
    );
  return parameters;
}

function readTls(parameters: ReadonlyMap<string, string>): RedisTls {
  const [ca, cert, key] = ["tlsCa", "tlsCert", "tlsKey"].map((name) =>
    readPem(name, parameters.get(name)),
  );
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function readPem(name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new RedisUrlError(`Cannot read the file of parameter ${name} in broker.url`, {
      cause: error,
    });
  }
}

function readPrefix(prefix: string): string {
  if (!PREFIX.test(prefix))
    throw new RedisUrlError(
      "Cannot use broker.url: expected a prefix of 1 to 64 letters, digits and _ . : / -",
    );
  return prefix;
}

function readDurable(value: string | undefined): "checked" | "trusted" {
  if (value === undefined) return "checked";
  if (value !== "trusted")
    throw new RedisUrlError(
      "Cannot use broker.url: expected durable=trusted, or no parameter durable",
    );
  return "trusted";
}

function readDatabase(segments: readonly string[]): number {
  const [segment, more] = segments;
  if (segment === undefined) return 0;
  if (more !== undefined || !/^\d{1,4}$/.test(segment))
    throw new RedisUrlError("Cannot use broker.url: expected the database as a number");
  return Number(segment);
}

function distinct(addresses: readonly RedisAddress[]): readonly RedisAddress[] {
  const names = new Set(addresses.map(({ host, port }) => `${host}:${port}`));
  if (names.size < addresses.length)
    throw new RedisUrlError("Cannot use broker.url: found an address twice");
  return addresses;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RedisUrlError("Cannot use broker.url: found an invalid percent-encoding");
  }
}
