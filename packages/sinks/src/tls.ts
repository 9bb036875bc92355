// Owns: TLS of connections to targets and logs: authorities, a certificate of one's own, and the
// name that the other side has to have. Keys come from files or the environment.
import { readFile } from "node:fs/promises";
import { SinkError } from "@holdfast/pipelines/sink";
import { codeOf } from "./faults.ts";
import { type OptionRule, secretName, text } from "./options.ts";

/**
 * Each of `ca`, `cert` and `key` is PEM, in a file or in a variable of the environment. Files are
 * read for each connection, so a certificate that was renewed is used by the next one.
 */
export interface TlsOptions {
  /** Authorities that are trusted, instead of those of the system. */
  readonly caFile?: string;
  readonly caFrom?: string;
  /** A certificate for this side, with its key. */
  readonly certFile?: string;
  readonly certFrom?: string;
  readonly keyFile?: string;
  readonly keyFrom?: string;
  /** The name that the other side's certificate has to have, instead of the host's. */
  readonly serverName?: string;
}

/** True: TLS with the system's authorities. */
export type TlsOption = boolean | TlsOptions;

/** PEM texts, as clients of Node.js take them. */
export interface TlsParts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

const MEMBERS: Readonly<Record<keyof TlsOptions, OptionRule>> = {
  caFile: text("a path"),
  caFrom: secretName,
  certFile: text("a path"),
  certFrom: secretName,
  keyFile: text("a path"),
  keyFrom: secretName,
  serverName: text("a host's name", /^[A-Za-z0-9._-]{1,253}$/),
};

const PARTS = ["ca", "cert", "key"] as const;

export const tlsRule: OptionRule = {
  expected:
    "true, false, or caFile or caFrom, certFile or certFrom with keyFile or keyFrom, and serverName",
  isRight: (value) => typeof value === "boolean" || (isObject(value) && areRight(value)),
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function areRight(found: Readonly<Record<string, unknown>>): boolean {
  const has = (name: string): boolean => found[name] !== undefined;
  const isEach = Object.entries(found).every(
    ([name, value]) =>
      Object.hasOwn(MEMBERS, name) &&
      (value === undefined || MEMBERS[name as keyof TlsOptions].isRight(value)),
  );
  const isTwice = PARTS.some((part) => has(`${part}File`) && has(`${part}From`));
  const isPaired = (has("certFile") || has("certFrom")) === (has("keyFile") || has("keyFrom"));
  return isEach && !isTwice && isPaired;
}

/** Undefined: no TLS. Throws SinkError "refused" if a file or a variable cannot be read. */
export async function tlsOf(
  option: TlsOption | undefined,
  secret: (name: string) => string | undefined,
): Promise<TlsParts | undefined> {
  if (option === undefined || option === false) return undefined;
  if (option === true) return {};
  const parts: Partial<Record<(typeof PARTS)[number], string>> = {};
  for (const part of PARTS) {
    const found = await pemOf(part, option, secret);
    if (found !== undefined) parts[part] = found;
  }
  const { serverName } = option;
  return { ...parts, ...(serverName === undefined ? {} : { servername: serverName }) };
}

async function pemOf(
  part: (typeof PARTS)[number],
  option: TlsOptions,
  secret: (name: string) => string | undefined,
): Promise<string | undefined> {
  const [file, from] = [option[`${part}File`], option[`${part}From`]];
  if (from !== undefined) {
    const found = secret(from);
    if (found === undefined || found === "")
      throw new SinkError("refused", `the environment has no ${from}`);
    return checked(found, `tls.${part}From`);
  }
  if (file === undefined) return undefined;
  const found = await readFile(file, "utf8").catch((error: unknown) => {
    throw new SinkError("refused", `tls.${part}File cannot be read (${codeOf(error) ?? "?"})`);
  });
  return checked(found, `tls.${part}File`);
}

function checked(pem: string, option: string): string {
  if (!pem.includes("-----BEGIN ")) throw new SinkError("refused", `${option} holds no PEM`);
  return pem;
}
