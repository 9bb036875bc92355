// Owns: turning a kubeconfig's description into what a request needs: files are read, exec plugins
// run.
import { readFile } from "node:fs/promises";
import { at, text } from "../reading.ts";
import { type ClusterAccess, ClusterError, type ExecPlugin, type Material } from "./kubeconfig.ts";

export interface Credentials {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly token: string | undefined;
}

export interface Surroundings {
  /** Environment that exec plugins run in. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a plugin may take; default 20 s. */
  readonly execTimeoutMs?: number;
}

const EXEC_TIMEOUT_MS = 20_000;
const OUTPUT_LENGTH_MAX = 1_000_000;
const NOTE_LENGTH_MAX = 200;

/** Reads files and runs the plugin. Rejects with ClusterError `credentials`. */
export async function credentialsOf(
  access: ClusterAccess,
  surroundings: Surroundings,
): Promise<Credentials> {
  const [ca, cert, key, token] = await Promise.all(
    [access.ca, access.cert, access.key, access.token].map(contentOf),
  );
  const fixed: Credentials = { ca, cert, key, token: token?.trim() };
  // As kubectl: a token of the file's own wins over a plugin's.
  if (access.exec === undefined || fixed.token !== undefined) return fixed;
  const issued = await runPlugin(access.exec, surroundings);
  return { ca, cert: issued.cert ?? cert, key: issued.key ?? key, token: issued.token };
}

async function contentOf(material: Material | undefined): Promise<string | undefined> {
  if (material === undefined) return undefined;
  if ("data" in material) return material.data;
  try {
    return await readFile(material.file, "utf8");
  } catch (cause) {
    throw new ClusterError(
      "credentials",
      `Cannot read ${material.file}: ${cause instanceof Error ? cause.message : "unknown"}, expected a file of the kubeconfig`,
      {
        cause,
      },
    );
  }
}

type Issued = Pick<Credentials, "cert" | "key" | "token">;

async function runPlugin(
  plugin: ExecPlugin,
  { env, execTimeoutMs }: Surroundings,
): Promise<Issued> {
  const info = {
    kind: "ExecCredential",
    apiVersion: plugin.apiVersion,
    spec: { interactive: false },
  };
  const output = await outputOf(
    plugin,
    { ...env, ...plugin.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    execTimeoutMs ?? EXEC_TIMEOUT_MS,
  );
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch (cause) {
    throw failed(plugin, "its output is no JSON", cause);
  }
  const issued = {
    token: text(at(credential, "status", "token")),
    cert: text(at(credential, "status", "clientCertificateData")),
    key: text(at(credential, "status", "clientKeyData")),
  };
  if (issued.token === undefined && (issued.cert === undefined || issued.key === undefined))
    throw failed(plugin, "no token and no certificate in its answer");
  return issued;
}

async function outputOf(
  plugin: ExecPlugin,
  env: Readonly<Record<string, string | undefined>>,
  timeoutMs: number,
): Promise<string> {
  const started = start(plugin, env);
  const ended = Promise.all([limited(started.stdout), limited(started.stderr), started.exited]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Processes that the plugin started may hold its pipes open after it was killed: nothing waits
  // for them.
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(failed(plugin, `no answer in ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
  });
  try {
    const [out, err, code] = await Promise.race([ended, tooLong]);
    const note = err.trim().split("\n").at(-1)?.slice(0, NOTE_LENGTH_MAX) ?? "";
    if (code !== 0) throw failed(plugin, `exit status ${code}${note === "" ? "" : ` (${note})`}`);
    return out;
  } finally {
    clearTimeout(timer);
    started.kill("SIGKILL");
    ended.catch(() => {});
  }
}

function start(plugin: ExecPlugin, env: Readonly<Record<string, string | undefined>>) {
  try {
    return Bun.spawn([plugin.command, ...plugin.args], {
      env: { ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  } catch (cause) {
    throw failed(plugin, "it cannot be started", cause);
  }
}

async function limited(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let content = "";
  for await (const chunk of stream)
    if (content.length < OUTPUT_LENGTH_MAX) content += decoder.decode(chunk, { stream: true });
  return content;
}

function failed({ command }: ExecPlugin, found: string, cause?: unknown): ClusterError {
  return new ClusterError(
    "credentials",
    `Cannot get credentials from ${command}: ${found}, expected an ExecCredential`,
    { cause },
  );
}
