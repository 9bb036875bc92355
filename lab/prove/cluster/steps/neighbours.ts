// Owns: a step in which pods start and end beside the set: what starting processes alone costs its
// clients, on machines that share their cores.
import { type ClusterStage, type ClusterStep, SET } from "./cluster-step.ts";

const STARTS = 3;
const READY_SECONDS = 60;
const USER = 65_532;
/** About what a pod of a release has between its start and the next one's. */
const BETWEEN_MS = 8000;
const TIME_LIMIT_MS = 180_000;

export const neighbours: ClusterStep = {
  name: "neighbours",
  title: "Pods of somebody else start and end",
  kind: "other",
  isDrain: true,
  isStill: true,
  mayLoseData: false,
  timeLimitMs: TIME_LIMIT_MS,
  async run(stage) {
    const image = await stage.rt.kubectl(
      ...["get", SET, "--output=jsonpath={.spec.template.spec.containers[0].image}"],
    );
    for (let start = 1; start <= STARTS; start++) await comeAndGo(stage, start, image);
    stage.note("nobody moves: it shows what starting processes alone costs on these cores");
  },
};

/** A node of its own, with its broker in memory, that nobody's Service knows. */
async function comeAndGo({ rt, mark }: ClusterStage, start: number, image: string): Promise<void> {
  const name = `neighbour-${start}`;
  const overrides = JSON.stringify({ spec: podSpec(name, image) });
  await rt.kubectl("run", name, `--image=${image}`, `--overrides=${overrides}`);
  await rt.kubectl("wait", `pod/${name}`, "--for=condition=Ready", `--timeout=${READY_SECONDS}s`);
  mark(`${name} is ready`);
  await Bun.sleep(BETWEEN_MS);
  await rt.kubectl("delete", "pod", name);
}

/** As the namespace's level of Pod Security, `restricted`, asks for. */
const podSpec = (name: string, image: string) => ({
  restartPolicy: "Never",
  securityContext: {
    ...{ runAsNonRoot: true, runAsUser: USER, seccompProfile: { type: "RuntimeDefault" } },
  },
  containers: [
    {
      ...{ name, image, imagePullPolicy: "IfNotPresent", args: ["serve"] },
      env: [{ name: "HOLDFAST_AUTH_INSECURE", value: "true" }],
      readinessProbe: { httpGet: { path: "/readyz", port: 9000 }, periodSeconds: 2 },
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    },
  ],
});
