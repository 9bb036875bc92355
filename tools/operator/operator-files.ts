// Owns: which files of the operator are made from code: CRDs, their copies in the chart, and the
// reference.
import { crdFile, KINDS } from "./crds.ts";
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
    { path: "docs/reference/realtimeset.md", text: resourceReference },
  ];
}
