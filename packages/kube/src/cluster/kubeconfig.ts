// Owns: reading a kubeconfig: which cluster, which user, which namespace a context means. Pure:
// texts in, a description out.
import { parse } from "yaml";
import { at, list, record, text } from "../reading.ts";

/** Why a cluster cannot be read. */
export type ClusterErrorCode =
  | "kubeconfig"
  | "credentials"
  | "unreachable"
  | "unauthorized"
  | "forbidden"
  | "missing"
  | "not_kubernetes";

/**
 * Text: "Cannot <act>: <found>, expected <wanted>". Never holds a token, a key or what a plugin
 * printed on its standard output.
 */
export class ClusterError extends Error {
  override readonly name = "ClusterError";
  readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Data as it stands in the file, or the path of a file that holds it. */
export type Material = { readonly data: string } | { readonly file: string };

export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface ClusterAccess {
  readonly context: string;
  /** Without a slash at the end. */
  readonly server: string;
  /** The context's namespace; undefined if it has none. */
  readonly namespace: string | undefined;
  readonly ca: Material | undefined;
  readonly serverName: string | undefined;
  /** insecure-skip-tls-verify, as the kubeconfig says. */
  readonly unverified: boolean;
  readonly cert: Material | undefined;
  readonly key: Material | undefined;
  readonly token: Material | undefined;
  readonly exec: ExecPlugin | undefined;
}

export interface KubeconfigFile {
  readonly path: string;
  readonly text: string;
}

/**
 * Finds a context (the current one by default) in files that are merged as kubectl merges them: the
 * first value wins.
 */
export function readKubeconfig(files: readonly KubeconfigFile[], context?: string): ClusterAccess {
  const parts = files.map(({ path, text: content }) => ({ path, content: parsed(path, content) }));
  const wanted =
    context ??
    parts
      .map(({ content }) => text(at(content, "current-context")))
      .find((name) => name !== undefined && name !== "");
  if (wanted === undefined) throw refused("no current-context", "one, or --context");
  const find = (kind: "contexts" | "clusters" | "users", name: string | undefined) => {
    for (const { path, content } of parts) {
      const entry = list(at(content, kind)).find((one) => text(at(one, "name")) === name);
      if (entry !== undefined) return { path, entry };
    }
    throw refused(`no ${kind.slice(0, -1)} called ${name}`, `one of ${namesOf(parts, kind)}`);
  };
  const chosen = record(at(find("contexts", wanted).entry, "context"));
  const cluster = find("clusters", text(chosen.cluster));
  const user = find("users", text(chosen.user));
  const server = text(at(cluster.entry, "cluster", "server"));
  if (server === undefined || !/^https?:\/\//.test(server))
    throw refused(`server ${server ?? "absent"}`, "an https: URL");
  for (const field of ["auth-provider", "username"])
    if (at(user.entry, "user", field) !== undefined)
      throw refused(
        `${field} of user ${text(chosen.user)}`,
        "a client certificate, a token or an exec plugin",
      );
  if (at(cluster.entry, "cluster", "proxy-url") !== undefined)
    throw refused("proxy-url", "a server that is reached directly");
  const clusterMaterial = (field: string) => materialOf(cluster, ["cluster", field]);
  const userMaterial = (field: string) => materialOf(user, ["user", field]);
  const token = text(at(user.entry, "user", "token"));
  const tokenFile = text(at(user.entry, "user", "tokenFile"));
  return {
    context: wanted,
    server: server.replace(/\/+$/, ""),
    namespace: text(chosen.namespace),
    ca: clusterMaterial("certificate-authority"),
    serverName: text(at(cluster.entry, "cluster", "tls-server-name")),
    unverified: at(cluster.entry, "cluster", "insecure-skip-tls-verify") === true,
    cert: userMaterial("client-certificate"),
    key: userMaterial("client-key"),
    token:
      tokenFile !== undefined
        ? { file: beside(user.path, tokenFile) }
        : token === undefined
          ? undefined
          : { data: token },
    exec: execOf(user),
  };
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The cluster that this process is a pod of, by its service account; undefined outside of one. */
export function accessFromInside(
  env: Readonly<Record<string, string | undefined>>,
): ClusterAccess | undefined {
  const [host, port] = [env.KUBERNETES_SERVICE_HOST, env.KUBERNETES_SERVICE_PORT];
  if (host === undefined || host === "" || port === undefined || port === "") return undefined;
  return {
    context: "the cluster of this pod",
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: undefined,
    ca: { file: `${SERVICE_ACCOUNT}/ca.crt` },
    serverName: undefined,
    unverified: false,
    cert: undefined,
    key: undefined,
    token: { file: `${SERVICE_ACCOUNT}/token` },
    exec: undefined,
  };
}

function parsed(path: string, content: string): unknown {
  try {
    return parse(content, { maxAliasCount: 100, logLevel: "error" });
  } catch (cause) {
    // The parser quotes the line, which may be a key.
    throw new ClusterError(
      "kubeconfig",
      `Cannot read ${path}: it is no YAML, expected a kubeconfig`,
      { cause },
    );
  }
}

interface Entry {
  readonly path: string;
  readonly entry: unknown;
}

/** `x-data` in base64, or `x` as a path from the file's folder. */
function materialOf(
  { path, entry }: Entry,
  [group, field]: readonly [string, string],
): Material | undefined {
  const data = text(at(entry, group, `${field}-data`));
  if (data !== undefined && data !== "")
    return { data: Buffer.from(data, "base64").toString("utf8") };
  const file = text(at(entry, group, field));
  return file === undefined || file === "" ? undefined : { file: beside(path, file) };
}

function beside(path: string, file: string): string {
  return file.startsWith("/") ? file : `${path.slice(0, path.lastIndexOf("/") + 1)}${file}`;
}

function execOf({ path, entry }: Entry): ExecPlugin | undefined {
  const exec = at(entry, "user", "exec");
  const command = text(at(exec, "command"));
  if (command === undefined) return undefined;
  const env = list(at(exec, "env")).map((one) => [
    text(at(one, "name")) ?? "",
    text(at(one, "value")) ?? "",
  ]);
  return {
    apiVersion: text(at(exec, "apiVersion")) ?? "client.authentication.k8s.io/v1",
    // A name is looked for in PATH; a path is from the file's folder.
    command: command.includes("/") ? beside(path, command) : command,
    args: list(at(exec, "args")).map((word) => text(word) ?? ""),
    env: Object.fromEntries(env),
  };
}

function namesOf(parts: readonly { readonly content: unknown }[], kind: string): string {
  return (
    parts
      .flatMap(({ content }) => list(at(content, kind)).map((one) => text(at(one, "name")) ?? "?"))
      .join(", ") || "none, for there is none"
  );
}

function refused(found: string, expected: string): ClusterError {
  return new ClusterError(
    "kubeconfig",
    `Cannot use the kubeconfig: found ${found}, expected ${expected}`,
  );
}
