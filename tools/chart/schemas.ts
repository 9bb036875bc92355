// Owns: making deploy/schemas: JSON schemas of the kinds that the chart renders, from the Go
// modules that publish them. `bun tools/chart/schemas.ts`; needs go and unzip.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";
import { type JsonSchema, strictCrdSchema, strictKindSchema } from "./strict-schema.ts";

const FOLDER = fileURLToPath(new URL("../../deploy/schemas/", import.meta.url));

interface Source {
  readonly module: string;
  readonly version: string;
  readonly kind: "openapi" | "crd";
  /** File in the module, and the kinds (`group/version/Kind`) to take from it. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

const OPENAPI = "api/openapi-spec/v3";
const ENVOY = "charts/gateway-crds-helm/templates/generated/gateway.envoyproxy.io";
const PROMETHEUS = "example/prometheus-operator-crd/monitoring.coreos.com";

const SOURCES: readonly Source[] = [
  {
    module: "k8s.io/kubernetes",
    version: "v1.37.2",
    kind: "openapi",
    files: {
      [`${OPENAPI}/api__v1_openapi.json`]: [
        "v1/ConfigMap",
        "v1/Pod",
        "v1/Service",
        "v1/ServiceAccount",
      ],
      [`${OPENAPI}/apis__apps__v1_openapi.json`]: ["apps/v1/Deployment", "apps/v1/StatefulSet"],
      [`${OPENAPI}/apis__autoscaling__v2_openapi.json`]: ["autoscaling/v2/HorizontalPodAutoscaler"],
      [`${OPENAPI}/apis__networking.k8s.io__v1_openapi.json`]: [
        "networking.k8s.io/v1/Ingress",
        "networking.k8s.io/v1/NetworkPolicy",
      ],
      [`${OPENAPI}/apis__policy__v1_openapi.json`]: ["policy/v1/PodDisruptionBudget"],
      [`${OPENAPI}/apis__apiextensions.k8s.io__v1_openapi.json`]: [
        "apiextensions.k8s.io/v1/CustomResourceDefinition",
      ],
      [`${OPENAPI}/apis__rbac.authorization.k8s.io__v1_openapi.json`]: [
        "rbac.authorization.k8s.io/v1/ClusterRole",
        "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1/Role",
        "rbac.authorization.k8s.io/v1/RoleBinding",
      ],
    },
  },
  {
    module: "github.com/kedacore/keda/v2",
    version: "v2.21.0",
    kind: "crd",
    files: { "config/crd/bases/keda.sh_scaledobjects.yaml": ["keda.sh/v1alpha1/ScaledObject"] },
  },
  {
    module: "sigs.k8s.io/gateway-api",
    version: "v1.7.0",
    kind: "crd",
    files: {
      "config/crd/standard/gateway.networking.k8s.io_gateways.yaml": [
        "gateway.networking.k8s.io/v1/Gateway",
      ],
      "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml": [
        "gateway.networking.k8s.io/v1/HTTPRoute",
      ],
    },
  },
  {
    module: "istio.io/api",
    version: "v1.32.0",
    kind: "crd",
    files: {
      "kubernetes/customresourcedefinitions.gen.yaml": [
        "networking.istio.io/v1/DestinationRule",
        "networking.istio.io/v1/VirtualService",
        "security.istio.io/v1/PeerAuthentication",
      ],
    },
  },
  {
    module: "github.com/envoyproxy/gateway",
    version: "v1.9.1",
    kind: "crd",
    files: {
      [`${ENVOY}_backendtrafficpolicies.yaml`]: [
        "gateway.envoyproxy.io/v1alpha1/BackendTrafficPolicy",
      ],
      [`${ENVOY}_envoyproxies.yaml`]: ["gateway.envoyproxy.io/v1alpha1/EnvoyProxy"],
    },
  },
  {
    module: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.85.0",
    kind: "crd",
    files: {
      [`${PROMETHEUS}_podmonitors.yaml`]: ["monitoring.coreos.com/v1/PodMonitor"],
      [`${PROMETHEUS}_servicemonitors.yaml`]: ["monitoring.coreos.com/v1/ServiceMonitor"],
      [`${PROMETHEUS}_prometheusrules.yaml`]: ["monitoring.coreos.com/v1/PrometheusRule"],
    },
  },
];

/**
 * A module's zip in the module cache; `go mod download` reports it even if this Go is too old to
 * build the module.
 */
function downloaded(module: string, version: string): string {
  const run = Bun.spawnSync(["go", "mod", "download", "-json", `${module}@${version}`], {
    cwd: "/",
    stderr: "pipe",
  });
  const zip: unknown = JSON.parse(run.stdout.toString() || "{}").Zip;
  if (typeof zip !== "string")
    throw new Error(`Cannot download ${module}@${version}: ${run.stderr.toString()}`);
  return zip;
}

function fileOf(zip: string, source: Source, path: string): string {
  const run = Bun.spawnSync(["unzip", "-p", zip, `${source.module}@${source.version}/${path}`]);
  if (!run.success)
    throw new Error(
      `Cannot read ${path} of ${source.module}@${source.version}: ${run.stderr.toString()}`,
    );
  return run.stdout.toString();
}

/** Schemas by file name. */
function schemasOf(source: Source): ReadonlyMap<string, JsonSchema> {
  const zip = downloaded(source.module, source.version);
  const schemas = new Map<string, JsonSchema>();
  for (const [path, kinds] of Object.entries(source.files)) {
    const text = fileOf(zip, source, path);
    const documents = source.kind === "openapi" ? [JSON.parse(text)] : crdDocuments(text);
    for (const kind of kinds) {
      const schema =
        source.kind === "openapi"
          ? strictKindSchema(documents[0], kind)
          : strictCrdSchema(documents, kind);
      const comment = `${kind} from ${source.module}@${source.version}, ${path}; made by tools/chart/schemas.ts, strict, without descriptions.`;
      schemas.set(schemaFile(kind), { $comment: comment, ...schema });
    }
  }
  return schemas;
}

/** Some of these files are templates of a chart: lines of Helm are left out. */
function crdDocuments(text: string): readonly unknown[] {
  const plain = text
    .split("\n")
    .filter((line) => !/^\s*\{\{.*\}\}\s*$/.test(line))
    .join("\n");
  return parseAllDocuments(plain).map((document): unknown =>
    "toJS" in document ? document.toJS() : undefined,
  );
}

/** As kubeconform looks for it: kind-group-version, all in small letters. */
function schemaFile(kind: string): string {
  const parts = kind.split("/");
  const name = parts.pop() ?? "";
  return `${[name, ...parts].join("-").toLowerCase()}.json`;
}

if (import.meta.main) {
  mkdirSync(FOLDER, { recursive: true });
  // `npm run generate` makes those of the repository's own resources.
  for (const name of readdirSync(FOLDER))
    if (name.endsWith(".json") && !/holdfast/.test(name)) rmSync(`${FOLDER}${name}`);
  for (const source of SOURCES) {
    for (const [name, schema] of schemasOf(source))
      await Bun.write(`${FOLDER}${name}`, `${JSON.stringify(schema)}\n`);
    console.log(`${source.module}@${source.version}`);
  }
}
