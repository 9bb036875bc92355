// Owns: a pod that tries to reach others, for what NetworkPolicies let through and what they don't.
import type { Installation } from "../cluster/installation.ts";
import { IMAGE } from "../cluster/plain-application.ts";

const READY = "--timeout=120s";
/** A packet that a policy drops gets no answer at all. */
const CONNECT_MS = 2000;

/** Says `open`, or why not. */
const DIAL = `
const [host, port] = Bun.argv.slice(-2);
const socket = require("node:net").connect(Number(port), host);
const end = (word) => { console.log(word); process.exit(0); };
socket.on("connect", () => end("open")).on("error", ({ code }) => end(code));
setTimeout(() => end("silence"), ${CONNECT_MS});
`;
/** Everybody can be dialled, if the policies let them. */
export const PROBE_PORT = 8000;
/** Tells a probe from a pod whose labels it has. */
export const PROBE_LABEL = "holdfast.dev/probe";
const SERVE = `Bun.serve({ port: ${PROBE_PORT}, fetch: () => new Response("ok") })`;
const LOOK_UP = `
require("node:dns").lookup(Bun.argv.at(-1), (error, found) => console.log(error?.code ?? found));
`;

export interface ProbeOptions {
  readonly namespace: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod with these labels, which nothing sends clients to. */
export class Probe {
  readonly #rt: Installation;
  readonly #options: ProbeOptions;

  constructor(rt: Installation, options: ProbeOptions) {
    this.#rt = rt;
    this.#options = options;
  }

  async start(): Promise<void> {
    const { namespace, name, labels = {} } = this.#options;
    const container = {
      ...{ name: "probe", image: IMAGE, imagePullPolicy: "IfNotPresent" },
      // Bun, instead of the program that was compiled with it.
      env: [{ name: "BUN_BE_BUN", value: "1" }],
      args: ["-e", SERVE],
      securityContext: {
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
        capabilities: { drop: ["ALL"] },
      },
    };
    const pod = {
      ...{ apiVersion: "v1", kind: "Pod" },
      metadata: { name, namespace, labels: { ...labels, [PROBE_LABEL]: "true" } },
      spec: {
        // One with the labels of others must not become an endpoint of their Service.
        readinessGates: [{ conditionType: "holdfast.dev/never" }],
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 0,
        securityContext: {
          ...{ runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
        },
        containers: [container],
      },
    };
    await this.#rt.given(pod, "--namespace", namespace, "create", "--filename", "-");
    const wait = ["wait", `pod/${name}`, "--for=condition=ContainersReady", READY];
    await this.#rt.kubectl("--namespace", namespace, ...wait);
  }

  async end(): Promise<void> {
    const { namespace, name } = this.#options;
    await this.#rt.kubectl("--namespace", namespace, "delete", "pod", name, "--wait");
  }

  address(): Promise<string> {
    const { namespace, name } = this.#options;
    const get = ["get", "pod", name, "-o", "jsonpath={.status.podIP}"];
    return this.#rt.kubectl("--namespace", namespace, ...get);
  }

  /** `open`, or what a connection to that port met instead. */
  dial(host: string, port: number): Promise<string> {
    return this.#run(DIAL, host, String(port));
  }

  /** The address, or the error of who asks for the name. */
  lookUp(name: string): Promise<string> {
    return this.#run(LOOK_UP, name);
  }

  async #run(code: string, ...args: readonly string[]): Promise<string> {
    const { namespace, name } = this.#options;
    const exec = ["exec", name, "--", "/holdfast", "-e", code, ...args];
    return (await this.#rt.kubectl("--namespace", namespace, ...exec)).trim();
  }
}
