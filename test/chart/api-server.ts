// Owns: an API server that has the objects which a test gives it, so that `lookup` finds them. What
// real controllers make of the chart is tried on a real cluster.
import type { KubeObject } from "./helm.ts";

export interface ApiServer {
  readonly url: string;
  stop(): void;
}

/** Kinds that the chart may render, by the version of their group. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  v1: ["Pod", "Service", "ConfigMap", "ServiceAccount"],
  "apps/v1": ["Deployment", "StatefulSet"],
  "policy/v1": ["PodDisruptionBudget"],
  "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
  "networking.k8s.io/v1": ["NetworkPolicy", "Ingress"],
  "autoscaling/v2": ["HorizontalPodAutoscaler"],
  "keda.sh/v1alpha1": ["ScaledObject"],
  "holdfast.dev/v1alpha1": ["RealtimeSet"],
  "gateway.networking.k8s.io/v1": ["Gateway", "HTTPRoute"],
};

/** Answers discovery, and reads of these objects, whatever their namespace. */
export function startApiServer(objects: readonly KubeObject[]): ApiServer {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      const found = answer(new URL(url).pathname, objects);
      return found === undefined
        ? Response.json({ kind: "Status", status: "Failure", reason: "NotFound", code: 404 }, GONE)
        : Response.json(found);
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => void server.stop(true) };
}

const GONE = { status: 404 };

function answer(path: string, objects: readonly KubeObject[]): unknown {
  if (path === "/version") return { major: "1", minor: "37", gitVersion: "v1.37.0" };
  if (path === "/api") return { kind: "APIVersions", versions: ["v1"] };
  if (path === "/apis") return { kind: "APIGroupList", apiVersion: "v1", groups: groups() };
  const [, version = "", rest = ""] = /^\/apis?\/(v1|[\w.-]+\/v\w+)(?:\/(.*))?$/.exec(path) ?? [];
  const kinds = KINDS[version];
  if (kinds === undefined) return undefined;
  if (rest === "")
    return { kind: "APIResourceList", groupVersion: version, resources: kinds.map(resourceOf) };
  const [, resource = "", name] = /^namespaces\/[^/]+\/(\w+)(?:\/(.+))?$/.exec(rest) ?? [];
  const wanted = kinds.find((kind) => resourceOf(kind).name === resource);
  const ofKind = objects.filter(({ kind }) => kind === wanted);
  if (name !== undefined) return ofKind.find(({ metadata }) => metadata.name === name);
  return { kind: `${wanted}List`, apiVersion: version, metadata: {}, items: ofKind };
}

function groups(): readonly unknown[] {
  return Object.keys(KINDS).flatMap((groupVersion) => {
    const [name, version] = groupVersion.split("/");
    if (version === undefined) return [];
    const versions = [{ groupVersion, version }];
    return [{ name, versions, preferredVersion: versions[0] }];
  });
}

function resourceOf(kind: string): { readonly name: string } {
  const name = `${kind.toLowerCase().replace(/y$/, "ie").replace(/ss$/, "sse")}s`;
  return { name, ...{ kind, verbs: ["get", "list"], singularName: "", namespaced: true } };
}
