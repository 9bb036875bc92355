// Owns: the operator in a test's namespace, and what the chart of its nodes must say of it.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Installation, Values } from "./installation.ts";

const OPERATOR = join(import.meta.dir, "../../deploy/operator");
const ACCOUNT = "holdfast-operator";
const SECRET = "operator-key";

export interface SetOperator {
  /** Of the nodes' chart. */
  readonly values: Values;
  /** Brings its CRDs, its key and its pods. */
  readonly before: (installation: Installation) => Promise<void>;
}

/** `set`: more values of the operator's chart, as `--set` takes them. */
export function setOperator(namespace: string, ...set: readonly string[]): SetOperator {
  const key = randomBytes(24).toString("hex");
  const hash = createHash("sha256").update(key).digest("hex");
  const values = [
    ...[`namespaces={${namespace}}`, "crds.install=false", `nameOverride=${ACCOUNT}`],
    ...set,
  ];
  return {
    values: {
      kind: "RealtimeSet",
      operator: {
        keySecret: { name: SECRET },
        serviceAccount: { name: ACCOUNT, namespace },
      },
    },
    async before(installation) {
      const crds = join(OPERATOR, "crds");
      await installation.kubectl("apply", "--server-side", "--force-conflicts", "-f", crds);
      const established = ["crd/realtimesets.holdfast.dev", "--for=condition=Established"];
      await installation.kubectl("wait", ...established);
      await installation.kubectl(
        ...["create", "secret", "generic", SECRET, `--from-literal=key=${key}`],
        `--from-literal=keyHash=sha256:${hash}`,
      );
      await installation.release(
        ...["install", "op", join(OPERATOR, "chart"), "--wait", "--timeout", "120s"],
        ...values.flatMap((value) => ["--set", value]),
      );
    },
  };
}
