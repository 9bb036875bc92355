// Owns: one candidate for a lease in a process of its own, for tests that stop processes dead.
// `bun candidate.ts NAMESPACE IDENTITY`; prints what happens, one line each.
import { readFileSync } from "node:fs";
import { createKubeApi, credentialsSource, Lease, readKubeconfig } from "@holdfast/kube";
import { PATHS } from "../../tools/cluster/settings.ts";

const [, , namespace = "", identity = ""] = process.argv;
const text = readFileSync(PATHS.kubeconfig, "utf8");
const access = readKubeconfig([{ path: PATHS.kubeconfig, text }]);
const source = credentialsSource(access, { env: process.env });
const lease = new Lease({
  ...{ api: createKubeApi(access, source, { fieldManager: identity }), namespace, identity },
  ...{ name: "dead", durationMs: 3000, renewDeadlineMs: 2000, retryMs: 400 },
  onLead: (epoch) => console.log(`leads ${epoch}`),
  onLose: (because) => console.log(`lost ${because}`),
});
lease.start();
process.on("SIGTERM", async () => {
  await lease.stop();
  process.exit(0);
});
