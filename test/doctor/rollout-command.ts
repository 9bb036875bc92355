// Owns: `holdfast rollout` as tests run it, against HTTPS servers that stand for an API server.
import { afterAll, beforeAll, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type ApiOptions,
  type ApiServer,
  createPki,
  type Pki,
  startApiServer,
} from "./api-server.ts";

const MAIN = fileURLToPath(new URL("../../apps/holdfast/src/main.ts", import.meta.url));
const TOKEN = "a-token-that-nobody-may-see";

export interface RolloutCommand {
  /** A server with the token of `run`. It is stopped after all tests. */
  serve(answer: NonNullable<ApiOptions["answer"]>): Promise<ApiServer>;
  /** Fails if the token is in what the command says. */
  run(
    server: ApiServer,
    args: readonly string[],
    stdin?: string,
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }>;
}

/**
 * Registers what begins before all tests of the file, and ends after them. `namespace`: the
 * kubeconfig's; default none.
 */
export function rolloutCommand(namespace?: string): RolloutCommand {
  let pki: Pki;
  const servers: ApiServer[] = [];
  beforeAll(async () => {
    pki = await createPki();
  });
  afterAll(async () => {
    for (const server of servers) await server.stop();
    pki.remove();
  });
  return {
    async serve(answer) {
      const server = await startApiServer({ pki, objects: [], token: TOKEN, answer });
      servers.push(server);
      return server;
    },
    async run(server, args, stdin = "") {
      const path = pki.path(`rollout-${servers.length}.yaml`);
      const cluster = { server: server.url, "certificate-authority": pki.path("ca.pem") };
      const config = {
        ...{ apiVersion: "v1", kind: "Config", "current-context": "x" },
        clusters: [{ name: "c", cluster }],
        users: [{ name: "u", user: { token: TOKEN } }],
        contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace } }],
      };
      writeFileSync(path, JSON.stringify(config));
      const child = Bun.spawn([process.execPath, MAIN, "rollout", ...args, "--kubeconfig", path], {
        env: { ...process.env, NO_COLOR: "1" },
        ...{ stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe" },
      });
      const [out, err, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      expect(out + err).not.toContain(TOKEN);
      return { code, out, err };
    },
  };
}
