// Owns: services of Kubernetes, as a route names them.
import { type Option, optionalText, parseNumber, refuse } from "@holdfast/config";
import { KubeApiError, type KubeWatcher } from "@holdfast/kube";
import { needed, readFields } from "../options/fields.ts";
import { ENDPOINTS_MAX } from "./discovery.ts";
import { isKubeName, KubernetesDiscovery } from "./kubernetes.ts";
import type { ServiceKind } from "./service.ts";

const NAME_ALLOWED = "a name of Kubernetes: 1 to 63 of a-z, 0-9 and dashes";
const PORT_ALLOWED = "a port's name, or 1 to 65535";
/** A port of a Service or a container: IANA_SVC_NAME. */
const PORT_NAME = /^(?=.{1,63}$)(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const port: Option<string | number | undefined> = {
  ...optionalText({
    allowed: PORT_ALLOWED,
    description:
      "Name of the Service's port, or the number that its pods listen on: `targetPort`, not `port`. If it is absent, the Service must have a single port.",
  }),
  read(found) {
    const value = parseNumber(found);
    if (value !== undefined)
      return Number.isInteger(value) && value >= 1 && value <= 65_535
        ? { ok: true, value }
        : refuse(found, PORT_ALLOWED);
    return typeof found === "string" && PORT_NAME.test(found)
      ? { ok: true, value: found }
      : refuse(found, PORT_ALLOWED);
  },
};

const KUBERNETES_FIELDS = {
  namespace: needed(
    optionalText({
      allowed: NAME_ALLOWED,
      check: isKubeName,
      description: "Namespace of the Service. The chart adds the release's if it is absent.",
    }),
  ),
  name: needed(
    optionalText({
      allowed: NAME_ALLOWED,
      check: isKubeName,
      description: "Name of the Service.",
    }),
  ),
  port,
  receiving: optionalText({
    allowed: NAME_ALLOWED,
    check: isKubeName,
    description:
      "Name of another Service with some of the same pods: only those take new clients. Pods that it lacks keep theirs. With the operator, which chooses them.",
  }),
  revisionLabel: optionalText({
    allowed: "the name of a label",
    check: (name) =>
      /^([a-z0-9][-a-z0-9.]{0,252}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name),
    description:
      "Label of the pods that has their revision, such as `pod-template-hash`, for `cohorts` and the header Holdfast-Revision. It needs the right to list and watch pods in the namespace. If it is absent, endpoints have no revision.",
  }),
} as const;

/** `{kubernetes: {namespace: shop, name: game, port: ws}}`. */
export const KUBERNETES: ServiceKind = {
  description:
    "A Service of Kubernetes, by a watch of its EndpointSlices. A pod that is ready takes clients; one that terminates is emptied at once. It needs the right to list and watch EndpointSlices in the namespace. If the API server is away, the last known endpoints stay.",
  fields: KUBERNETES_FIELDS,
  read(found) {
    const reading = readFields(KUBERNETES_FIELDS, found);
    if (!reading.ok) return reading;
    const { namespace = "", name = "", port: wanted, ...more } = reading.value;
    const options = { namespace, name, port: wanted, ...more };
    return {
      ok: true,
      value: {
        kind: "kubernetes",
        options,
        open: ({ kube }) =>
          new KubernetesDiscovery({ ...options, api: lazily(kube), endpointsMax: ENDPOINTS_MAX }),
      },
    };
  },
};

/** Outside of a cluster there is no API: that is trouble of the route, and no reason to end. */
function lazily(kube: () => Promise<KubeWatcher>): KubeWatcher {
  const api = async (): Promise<KubeWatcher> => {
    try {
      return await kube();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new KubeApiError(why, { status: 0, reason: "Credentials", cause });
    }
  };
  return {
    listAll: async (path, request) => await (await api()).listAll(path, request),
    watch: async (path, request) => await (await api()).watch(path, request),
  };
}
