// Checks reading a live cluster against a real HTTPS server: certificates, tokens, plugins, pages,
// refusals, and what the command makes of it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  type ClusterAccess,
  ClusterError,
  credentialsOf,
  type KubeObject,
  readCluster,
  readKubeconfig,
} from "@holdfast/kube";
import {
  type ApiOptions,
  type ApiServer,
  createPki,
  type Pki,
  startApiServer,
} from "./api-server.ts";
import { objectsOf } from "./corpus.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const MAIN = fileURLToPath(new URL("../../apps/holdfast/src/main.ts", import.meta.url));
const TOKEN = "a-token-that-nobody-may-see";

const manifests = (name: string): readonly KubeObject[] =>
  objectsOf({ name, text: readFileSync(`${HERE}${name}`, "utf8") });
const GOOD = manifests("good/holdfast.yaml");
const BAD = manifests("bad/istio.yaml");

let pki: Pki;
const servers: ApiServer[] = [];
beforeAll(async () => {
  pki = await createPki();
});
afterAll(async () => {
  for (const server of servers) await server.stop();
  pki.remove();
});

async function serve(options: Partial<ApiOptions> = {}): Promise<ApiServer> {
  const server = await startApiServer({ pki, objects: GOOD, token: TOKEN, ...options });
  servers.push(server);
  return server;
}

interface Written {
  readonly ca?: string;
  readonly user: string;
  readonly cluster?: string;
}

/** A kubeconfig beside the certificates. */
function kubeconfig(server: ApiServer, { user, cluster, ca = pki.ca }: Written): string {
  const path = pki.path(`config-${servers.length}-${Bun.hash(user + ca + (cluster ?? ""))}.yaml`);
  writeFileSync(
    path,
    `apiVersion: v1
kind: Config
current-context: test
contexts: [{ name: test, context: { cluster: test, user: test, namespace: live } }]
clusters: [{ name: test, cluster: { server: "${server.url}/", certificate-authority-data: ${Buffer.from(ca).toString("base64")}${cluster ?? ""} } }]
users: [{ name: test, user: ${user} }]
`,
  );
  return path;
}

const accessAt = (path: string): ClusterAccess =>
  readKubeconfig([{ path, text: readFileSync(path, "utf8") }]);

async function read(path: string, namespace?: string, execTimeoutMs = 15_000) {
  const access = accessAt(path);
  const credentials = await credentialsOf(access, { env: process.env, execTimeoutMs });
  return await readCluster(access, credentials, namespace === undefined ? {} : { namespace });
}

async function refusal(path: string, execTimeoutMs?: number): Promise<ClusterError> {
  const error = await read(path, undefined, execTimeoutMs).catch((cause: unknown) => cause);
  if (!(error instanceof ClusterError))
    throw new Error(`expected a ClusterError, got ${String(error)}`);
  expect(error.message).not.toContain(TOKEN);
  return error;
}

const identity = ({ apiVersion, kind, namespace, name }: KubeObject) =>
  `${apiVersion} ${kind} ${namespace}/${name}`;

describe("what a cluster has is read", () => {
  test("with a token, page by page, by GET alone; every object is as its manifest", async () => {
    const server = await serve({ pageSize: 1 });
    const { objects, partial } = await read(kubeconfig(server, { user: `{ token: ${TOKEN} }` }));
    expect(partial).toEqual([]);
    expect(objects.map(identity).sort()).toEqual(GOOD.map(identity).sort());
    expect(objects.find(({ kind }) => kind === "Deployment")?.body).toEqual(
      GOOD.find(({ kind }) => kind === "Deployment")?.body ?? {},
    );
    expect(server.requests.filter((request) => !request.startsWith("GET "))).toEqual([]);
    expect(server.requests.filter((request) => request.includes("secrets"))).toEqual([]);
  });

  test("with a client certificate from files beside the kubeconfig", async () => {
    const { token: _token, ...withoutToken } = { pki, objects: GOOD, token: TOKEN };
    const server = await startApiServer(withoutToken);
    servers.push(server);
    const { objects } = await read(
      kubeconfig(server, { user: "{ client-certificate: client.pem, client-key: client.key }" }),
    );
    expect(objects.length).toBe(GOOD.length);
    expect((await refusal(kubeconfig(server, { user: "{}" }))).code).toBe("unreachable");
  });

  test("with a token file", async () => {
    writeFileSync(pki.path("token"), `${TOKEN}\n`);
    const server = await serve();
    expect((await read(kubeconfig(server, { user: "{ tokenFile: token }" }))).objects.length).toBe(
      GOOD.length,
    );
  });

  test("of one namespace, with the mesh's and kube-proxy's configuration from theirs", async () => {
    const server = await serve({ objects: BAD });
    const { objects } = await read(kubeconfig(server, { user: `{ token: ${TOKEN} }` }), "live");
    expect(objects.some(({ name }) => name === "istio-ingressgateway")).toBe(false);
    expect(objects.some(({ name }) => name === "kube-proxy")).toBe(true);
  });

  test("under the name that the kubeconfig gives the server", async () => {
    const server = await serve();
    const named = (name: string) =>
      kubeconfig(server, { user: `{ token: ${TOKEN} }`, cluster: `, tls-server-name: ${name}` });
    expect((await read(named("kubernetes.test"))).objects.length).toBe(GOOD.length);
    expect((await refusal(named("elsewhere.test"))).code).toBe("unreachable");
  });
});

describe("an exec plugin", () => {
  function plugin(script: string): string {
    const path = pki.path(`plugin-${Bun.hash(script)}.sh`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return `{ exec: { apiVersion: client.authentication.k8s.io/v1, command: "./${path.split("/").at(-1)}", args: [get-token], env: [{ name: ISSUED, value: ${TOKEN} }] } }`;
  }

  test("gives the token; it knows its arguments, its environment, and that nobody answers questions", async () => {
    const server = await serve();
    const script = `[ "$1" = get-token ] && echo "$KUBERNETES_EXEC_INFO" | grep -q '"interactive":false' && echo '{"kind":"ExecCredential","status":{"token":"'$ISSUED'"}}'`;
    expect((await read(kubeconfig(server, { user: plugin(script) }))).objects.length).toBe(
      GOOD.length,
    );
  });

  const failures: readonly (readonly [string, string, string])[] = [
    [
      "that fails is told with its last word",
      "echo noise; echo 'sign in first' >&2; exit 3",
      "exit status 3 (sign in first)",
    ],
    ["that says no JSON", `echo ${TOKEN}`, "no JSON"],
    ["that gives nothing", "echo '{}'", "no token and no certificate"],
  ];
  test.each(failures)("%s", async (_name, script, expected) => {
    const error = await refusal(kubeconfig(await serve(), { user: plugin(script) }));
    expect(error.code).toBe("credentials");
    expect(error.message).toContain(expected);
  });
});

test("an exec plugin that never ends is stopped, and what it started itself is not waited for", async () => {
  const marker = pki.path("ended");
  const script = pki.path("patient.sh");
  writeFileSync(script, `#!/bin/sh\n(sleep 8; touch ${marker}) &\nwait\n`);
  chmodSync(script, 0o755);
  const error = await refusal(
    kubeconfig(await serve(), { user: "{ exec: { command: ./patient.sh } }" }),
    1000,
  );
  expect(error.message).toContain("no answer in 1 s");
  expect(existsSync(marker)).toBe(false);
});

describe("what must not work does not", () => {
  test("a server that the CA did not sign gets no request, and so no token", async () => {
    const server = await serve();
    const error = await refusal(
      kubeconfig(server, { user: `{ token: ${TOKEN} }`, ca: pki.otherCa }),
    );
    expect(error.code).toBe("unreachable");
    expect(error.message).toMatch(/CERT|SIGNATURE|ISSUER/);
    expect(server.requests).toEqual([]);
  });

  test("a wrong token is refused", async () => {
    expect((await refusal(kubeconfig(await serve(), { user: "{ token: wrong }" }))).code).toBe(
      "unauthorized",
    );
  });

  test("a redirect is not followed", async () => {
    const elsewhere = await serve();
    const server = await serve({
      answer: (path) => Response.redirect(`${elsewhere.url}${path}`, 302),
    });
    expect((await refusal(kubeconfig(server, { user: `{ token: ${TOKEN} }` }))).code).toBe(
      "unreachable",
    );
    expect(elsewhere.requests).toEqual([]);
  });

  test("a server that is not Kubernetes is told so", async () => {
    for (const answer of [
      () => new Response("hello"),
      () => Response.json({ items: 3 }),
      () => new Response("", { status: 404 }),
    ])
      expect(
        (await refusal(kubeconfig(await serve({ answer }), { user: `{ token: ${TOKEN} }` }))).code,
      ).toBe("not_kubernetes");
  });

  const broken: readonly (readonly [string, string])[] = [
    [
      "users: []\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\nclusters: [{name: b, cluster: {server: 'https://x'}}]",
      "no user called c",
    ],
    ["current-context: a\ncontexts: []", "no context called a"],
    ["{}", "no current-context"],
    ["a: [", "no YAML"],
    [
      "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\nclusters: [{name: b, cluster: {server: 'ftp://x'}}]\nusers: [{name: c, user: {}}]",
      "ftp://x",
    ],
    [
      "current-context: a\ncontexts: [{name: a, context: {cluster: b, user: c}}]\nclusters: [{name: b, cluster: {server: 'https://x'}}]\nusers: [{name: c, user: {auth-provider: {name: gcp}}}]",
      "auth-provider",
    ],
  ];
  test.each(broken)("a kubeconfig that cannot be used: %j", (text, expected) => {
    expect(() => readKubeconfig([{ path: "/x/config", text }])).toThrow(expected);
  });
});

describe("what is not allowed is named, and the rest is judged", () => {
  async function doctor(
    args: readonly string[],
  ): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
    const child = Bun.spawn([process.execPath, MAIN, "doctor", ...args], {
      env: { ...process.env, NO_COLOR: "1" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, out, err };
  }

  test("by the command, which finds in a cluster what it finds in its manifests", async () => {
    const server = await serve({ objects: BAD, forbidden: ["destinationrules", "configmaps"] });
    const { code, out, err } = await doctor([
      "--cluster",
      "--kubeconfig",
      kubeconfig(server, { user: `{ token: ${TOKEN} }` }),
    ]);
    expect(code).toBe(1);
    expect(err).toContain("not read: destinationrules (networking.istio.io/v1): 403, not allowed");
    expect(err).toContain("not read: configmaps (v1): 403, not allowed");
    expect(out).toContain("Deployment live/feed");
    expect(out).toContain("istio-proxy [drain 5 s*]");
    expect(out).not.toContain("DestinationRule");
    expect(out + err).not.toContain(TOKEN);
  });

  test("by the command: a good cluster is good", async () => {
    const { code, out } = await doctor([
      "--cluster",
      "--kubeconfig",
      kubeconfig(await serve(), { user: `{ token: ${TOKEN} }` }),
    ]);
    expect(out).toContain("0 errors, 0 warnings, 0 info in 12 objects");
    expect(code).toBe(0);
  });

  test("by the command: where pods run, and the Service that clients reach", async () => {
    const server = await serve({ objects: manifests("bad/pods-together.yaml") });
    const { code, out } = await doctor([
      "--cluster",
      "--kubeconfig",
      kubeconfig(server, { user: `{ token: ${TOKEN} }` }),
    ]);
    expect(out).toContain("on: machine-1 2\n");
    expect(out).toContain("2 of 2 pods on one machine");
    expect(out).toContain("on: machine-1 2, machine-2 1\n");
    expect(out).toContain("Service chat > pod");
    expect(out).not.toContain("a-headless");
    // A workload with a headless Service alone is reached by it.
    expect(out).toContain("Service game > pod");
    expect(code).toBe(0);
  });

  test("by the command: where nothing is allowed it ends with 2", async () => {
    const everything = [
      "deployments",
      "statefulsets",
      "pods",
      "daemonsets",
      "services",
      "configmaps",
      "poddisruptionbudgets",
      "horizontalpodautoscalers",
      "ingresses",
      "networkpolicies",
      "ingressclasses",
      "namespaces",
    ];
    const server = await serve({ objects: [], forbidden: everything });
    const { code, err } = await doctor([
      "--cluster",
      "--kubeconfig",
      kubeconfig(server, { user: `{ token: ${TOKEN} }` }),
    ]);
    expect(code).toBe(2);
    expect(err).toContain("nothing is allowed");
  });

  test("by the command: --cluster with paths, and --namespace without --cluster, are refused", async () => {
    expect((await doctor(["--cluster", HERE])).code).toBe(2);
    expect((await doctor(["--namespace", "live", HERE])).code).toBe(2);
  });
});
