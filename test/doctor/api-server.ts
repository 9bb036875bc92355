// Owns: an API server for tests: HTTPS, lists and single objects as Kubernetes answers them, page
// by page, with its refusals.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeObject } from "@holdfast/kube";

export interface Pki {
  readonly folder: string;
  readonly ca: string;
  /** Of an authority that signed nothing here. */
  readonly otherCa: string;
  path(name: string): string;
  remove(): void;
}

/** An authority, a server's certificate for localhost, and a client's. Made by openssl. */
export async function createPki(): Promise<Pki> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-pki-"));
  const run = async (args: string): Promise<void> => {
    const child = Bun.spawn(["openssl", ...args.split(" ")], {
      cwd: folder,
      stdout: "ignore",
      stderr: "pipe",
    });
    const errors = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw new Error(`openssl ${args}: ${errors}`);
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  writeFileSync(
    join(folder, "san"),
    "subjectAltName=DNS:localhost,DNS:kubernetes.test,IP:127.0.0.1\n",
  );
  for (const name of ["ca", "other"])
    await run(`req -x509 ${key} -keyout ${name}.key -out ${name}.pem -days 2 -subj /CN=${name}`);
  for (const name of ["server", "client"]) {
    await run(`req ${key} -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
    await run(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out ${name}.pem`,
    );
  }
  const read = (name: string) => Bun.file(join(folder, name)).text();
  return {
    folder,
    ca: await read("ca.pem"),
    otherCa: await read("other.pem"),
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface ApiServer {
  readonly url: string;
  /** Method and path with query of every request. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

export interface ApiOptions {
  readonly pki: Pki;
  readonly objects: readonly KubeObject[];
  /** Absent: a client certificate is asked for instead. */
  readonly token?: string;
  /** Plurals that are forbidden. */
  readonly forbidden?: readonly string[];
  /** Items of a page, whatever limit says. */
  readonly pageSize?: number;
  /** Groups that are not installed answer 404; these are served. Default: those of the objects. */
  readonly answer?: (path: string) => Response | undefined;
}

const CORE = new Set(["v1", "apps/v1", "policy/v1", "autoscaling/v2", "networking.k8s.io/v1"]);

export async function startApiServer(options: ApiOptions): Promise<ApiServer> {
  const { pki, token } = options;
  const requests: string[] = [];
  const file = (name: string) => Bun.file(pki.path(name)).text();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: {
      cert: await file("server.pem"),
      key: await file("server.key"),
      ...(token === undefined ? { ca: pki.ca, requestCert: true, rejectUnauthorized: true } : {}),
    },
    fetch(request) {
      const url = new URL(request.url);
      requests.push(`${request.method} ${url.pathname}${url.search}`);
      const special = options.answer?.(url.pathname);
      if (special !== undefined) return special;
      if (token !== undefined && request.headers.get("authorization") !== `Bearer ${token}`)
        return status(401, "Unauthorized");
      return answer(url, options);
    },
  });
  return { url: `https://127.0.0.1:${server.port}`, requests, stop: () => server.stop(true) };
}

/** metav1.Status, as refusals are. */
function status(code: number, message: string): Response {
  return Response.json(
    { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, code },
    { status: code },
  );
}

function answer(url: URL, { objects, forbidden = [], pageSize = 500 }: ApiOptions): Response {
  const match =
    /^\/(?:api|apis)\/(v1|[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?$/.exec(
      url.pathname,
    );
  const [, apiVersion = "", namespace, plural = "", name] = match ?? [];
  const known = objects.filter(
    (object) => object.apiVersion === apiVersion && pluralOf(object.kind) === plural,
  );
  if (match === null || (known.length === 0 && !CORE.has(apiVersion)))
    return new Response("404 page not found\n", { status: 404 });
  if (forbidden.includes(plural))
    return status(
      403,
      `${plural} is forbidden: User "probe" cannot list resource "${plural}" in API group "${apiVersion}"`,
    );
  const found = known.filter((object) => namespace === undefined || object.namespace === namespace);
  if (name !== undefined) {
    const one = found.find((object) => object.name === name);
    return one === undefined
      ? status(404, `${plural} "${name}" not found`)
      : Response.json(one.body);
  }
  const from = Number(url.searchParams.get("continue") ?? "0");
  const next = from + pageSize < found.length ? String(from + pageSize) : "";
  // Items of a list have neither apiVersion nor kind.
  const items = found
    .slice(from, from + pageSize)
    .map(({ body: { apiVersion: _version, kind: _kind, ...rest } }) => rest);
  return Response.json({
    kind: `${known[0]?.kind ?? "Thing"}List`,
    apiVersion,
    metadata: { resourceVersion: "1", ...(next === "" ? {} : { continue: next }) },
    items,
  });
}

function pluralOf(kind: string): string {
  const word = kind.toLowerCase();
  if (/(s|x)y$|policy$|proxy$/.test(word)) return `${word.slice(0, -1)}ies`;
  return /(s|ss|x)$/.test(word) ? `${word}es` : `${word}s`;
}
