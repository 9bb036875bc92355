// Owns: which files of the operator are made from code: CRDs, their copies in the chart, and the
// reference.

import { strictCrdSchema } from "../chart/strict-schema.ts";
import { crdFile, definition, KINDS } from "./crds.ts";
import { resourceReference } from "./reference.ts";

const KEEP = { "helm.sh/resource-policy": "keep" };

export function operatorFiles(): readonly { readonly path: string; readonly text: () => string }[] {
  return [
    ...KINDS.flatMap((kind) => [
      { path: `deploy/operator/crds/${kind.plural}.yaml`, text: () => crdFile(kind) },
      // Helm reads no files outside of a chart.
      {
        path: `deploy/operator/chart/files/crds/${kind.plural}.yaml`,
        text: () => crdFile(kind, KEEP),
      },
    ]),
    {
      path: "deploy/schemas/realtimeset-holdfast.dev-v1alpha1.json",
      text: () => {
        const from = "deploy/operator/crds/realtimesets.yaml";
        const $comment = `holdfast.dev/v1alpha1/RealtimeSet from holdfast@v0.1.0, ${from}; made by tools/operator, strict, without descriptions.`;
        const crds = KINDS.map((kind) => definition(kind, {}));
        const schema = strictCrdSchema(crds, "holdfast.dev/v1alpha1/RealtimeSet");
        return `${JSON.stringify({ $comment, ...schema })}\n`;
      },
    },
    { path: "docs/reference/realtimeset.md", text: resourceReference },
  ];
}
