// Owns: the options of one of our nodes, from its manifest: environment, ConfigMaps, flags and a
// mounted configuration file.
import {
  type ConfigProblem,
  type ConfigResult,
  loadConfig,
  type OptionTable,
  optionRows,
} from "@holdfast/config";
import { at, type Json, type KubeObject, list, record, text } from "@holdfast/kube";
import { type ClusterSnapshot, createSnapshot, type NodeConfig } from "./cluster-snapshot.ts";
import { type Workload, workloadsOf } from "./workload.ts";

export interface OwnOptions {
  readonly config: NodeConfig;
  /**
   * Options that the node will refuse at its start. Values from Secrets are not known and not
   * judged.
   */
  readonly problems: readonly ConfigProblem[];
  /** Variables that a Secret, or anything else that is not in the manifests, gives. */
  readonly hidden: ReadonlySet<string>;
}

const CONFIG_VARIABLE = "HOLDFAST_CONFIG";

/**
 * The options of the nodes of one workload. Values from Secrets have their defaults. Undefined if
 * there is no such workload, or it is none of our nodes.
 */
export function nodeConfigOf(
  objects: readonly KubeObject[],
  name: string,
  nodeOptions: OptionTable<NodeConfig>,
): NodeConfig | undefined {
  const snapshot = createSnapshot(objects, { nodeOptions });
  const workload = workloadsOf(snapshot).find((one) => one.object.name === name && one.own);
  return workload === undefined ? undefined : ownOptions(workload, snapshot).config;
}

/** Reads the options in force. An option that cannot be known has its default. */
export function ownOptions(workload: Workload, snapshot: ClusterSnapshot): OwnOptions {
  const table = snapshot.options.nodeOptions;
  const { values, hidden } = environmentOf(workload, snapshot);
  const flags = flagsOf(workload.main.body, table);
  const path = flags.config ?? values[CONFIG_VARIABLE];
  const file = path === undefined ? undefined : mountedText(workload, path, snapshot);
  const load = (env: Environment["values"]): ConfigResult<NodeConfig> => {
    const input = { env, envIgnored: [CONFIG_VARIABLE], flags: flags.options };
    return loadConfig(
      table,
      file === undefined ? input : { ...input, file: path ?? "", text: file },
    );
  };
  const loaded = load(values);
  if (loaded.ok) return { config: loaded.config, problems: [], hidden };
  // An option can be refused beside the default of one that a Secret gives.
  const likely = load({ ...standIns(hidden), ...values });
  if (likely.ok) return { config: likely.config, problems: [], hidden };
  const { problems } = likely;
  // Refused options are reported. The rest is still judged, with defaults instead of the refused
  // values.
  const refused = new Set(problems.flatMap(({ where, option }) => [where, option]));
  const env = withoutKeys(values, (name) => refused.has(name));
  const given = withoutKeys(flags.options, (name) => refused.has(name));
  const again = loadConfig(table, { env, envIgnored: [CONFIG_VARIABLE], flags: given });
  return { config: again.ok ? again.config : defaults(table), problems, hidden };
}

/** What a Secret may give, so that nothing is refused for want of it. */
const STAND_INS: Environment["values"] = {
  HOLDFAST_BROKER_URL: "redis://in-a-secret:6379",
  HOLDFAST_AUTH_JWT_HMAC_SECRET: "a secret that the manifests do not show",
  HOLDFAST_AUTH_RESUME_SECRET: "a secret that the manifests do not show",
};

function standIns(hidden: Environment["hidden"]): Environment["values"] {
  return withoutKeys(STAND_INS, (name) => !hidden.has(name) && !hidden.has("*"));
}

function withoutKeys(
  values: Readonly<Record<string, string>>,
  isLeftOut: (name: string) => boolean,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isLeftOut(name)));
}

function defaults(table: OptionTable<NodeConfig>): NodeConfig {
  const loaded = loadConfig(table, {});
  if (loaded.ok) return loaded.config;
  throw new OptionTableError("Cannot read the option table: its own defaults were refused");
}

/** The table contradicts itself. A test of the node's options excludes it. */
export class OptionTableError extends Error {
  override readonly name = "OptionTableError";
  readonly code = "option_table";
}

interface Environment {
  readonly values: Readonly<Record<string, string>>;
  readonly hidden: ReadonlySet<string>;
}

function environmentOf(workload: Workload, snapshot: ClusterSnapshot): Environment {
  const values: Record<string, string> = {};
  const hidden = new Set<string>();
  const namespace = workload.object.namespace;
  for (const source of list(workload.main.body.envFrom)) {
    const prefix = text(at(source, "prefix")) ?? "";
    const map = snapshot.one("ConfigMap", text(at(source, "configMapRef", "name")), namespace);
    for (const [key, value] of Object.entries(record(at(map?.body, "data"))))
      if (`${prefix}${key}`.startsWith("HOLDFAST_")) values[`${prefix}${key}`] = text(value) ?? "";
    const secret = snapshot.one("Secret", text(at(source, "secretRef", "name")), namespace);
    for (const key of Object.keys({
      ...record(at(secret?.body, "data")),
      ...record(at(secret?.body, "stringData")),
    }))
      hidden.add(`${prefix}${key}`);
    // A Secret that is not here may hold anything.
    if (at(source, "secretRef") !== undefined && secret === undefined) hidden.add("*");
  }
  for (const entry of list(workload.main.body.env)) {
    const name = text(at(entry, "name")) ?? "";
    if (!name.startsWith("HOLDFAST_")) continue;
    const value = givenValue(entry, namespace, snapshot);
    // $(NAME) is expanded by the kubelet from what may be a Secret.
    if (value === undefined || value.includes("$(")) hidden.add(name);
    else values[name] = value;
  }
  return { values, hidden };
}

function givenValue(
  entry: unknown,
  namespace: string,
  snapshot: ClusterSnapshot,
): string | undefined {
  const direct = text(at(entry, "value"));
  if (direct !== undefined) return direct;
  const from = at(entry, "valueFrom", "configMapKeyRef");
  const map = snapshot.one("ConfigMap", text(at(from, "name")), namespace);
  return text(at(map?.body, "data", text(at(from, "key")) ?? ""));
}

/** `--drain-window-ms 60s` and `--drain-window-ms=60s`, as the command reads them. */
function flagsOf(
  container: Json,
  table: OptionTable<NodeConfig>,
): {
  readonly config?: string;
  readonly options: Readonly<Record<string, string>>;
} {
  const words = [...list(container.command), ...list(container.args)].flatMap((word) =>
    (text(word) ?? "").split(/=(.*)/s).filter((part) => part !== ""),
  );
  const after = (flag: string): string | undefined => {
    const index = words.indexOf(flag);
    return index < 0 ? undefined : words[index + 1];
  };
  const options: Record<string, string> = {};
  for (const { name, flag } of optionRows(table)) {
    const value = flag === undefined ? undefined : after(flag);
    if (value !== undefined && !value.includes("$(")) options[name] = value;
  }
  const config = after("--config") ?? after("-c");
  return config === undefined ? { options } : { config, options };
}

/** The text of a file that comes from a ConfigMap; undefined when it comes from elsewhere. */
export function mountedText(
  workload: Pick<Workload, "main" | "object" | "podSpec">,
  path: string,
  snapshot: ClusterSnapshot,
): string | undefined {
  for (const mount of list(workload.main.body.volumeMounts)) {
    const folder = text(at(mount, "mountPath"))?.replace(/\/$/, "");
    const subPath = text(at(mount, "subPath"));
    if (folder === undefined || (path !== folder && !path.startsWith(`${folder}/`))) continue;
    const volume = list(workload.podSpec.volumes).find(
      (candidate) => text(at(candidate, "name")) === text(at(mount, "name")),
    );
    const map = snapshot.one(
      "ConfigMap",
      text(at(volume, "configMap", "name")),
      workload.object.namespace,
    );
    const key = subPath ?? path.slice(folder.length + 1);
    const content = text(at(map?.body, "data", key));
    if (content !== undefined) return content;
  }
  return undefined;
}
