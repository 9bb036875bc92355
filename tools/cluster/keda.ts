// Owns: KEDA on the cluster, for the tests of autoscaling: its operator and its metrics adapter as
// they are built from its module, with the manifests that the module has.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterError } from "./cluster-error.ts";
import { kubectl } from "./control-plane.ts";
import { writeImage } from "./images.ts";
import { importImage, runningNodes } from "./node.ts";
import {
  ensureKedaPrograms,
  ensurePrograms,
  KEDA,
  type KedaPrograms,
  type Programs,
} from "./programs.ts";
import { PATHS } from "./settings.ts";
import { run, say } from "./shell.ts";

const NAMESPACE = "keda";
const READY_MS = 180_000;
const READY = "--timeout=170s";

interface KedaImage {
  readonly program: keyof KedaPrograms;
  /** As the manifests call it, and where they expect its one program. */
  readonly theirs: string;
  readonly path: string;
}

const IMAGES: readonly KedaImage[] = [
  { program: "operator", theirs: "ghcr.io/kedacore/keda:main", path: "keda" },
  {
    program: "adapter",
    theirs: "ghcr.io/kedacore/keda-metrics-apiserver:main",
    path: "keda-adapter",
  },
];
const nameOf = ({ program }: KedaImage): string =>
  `docker.io/holdfast/keda-${program}:${KEDA.version}`;

/** Brings KEDA and resolves when its API of metrics answers. */
export async function startKeda(): Promise<void> {
  const nodes = runningNodes();
  if (nodes.length === 0)
    throw new ClusterError("Cannot start KEDA: no node runs, expected npm run cluster -- up");
  const startedMs = performance.now();
  const built = await ensureKedaPrograms();
  for (const image of IMAGES) {
    const archive = await archiveOf(image, built[image.program]);
    for (const node of nodes) await importImage(node, archive);
  }
  const programs = await ensurePrograms();
  const manifests = await manifestsOf(programs);
  const wait = { timeoutMs: READY_MS };
  await kubectl(programs, ["apply", "--server-side", "--force-conflicts", "-f", "-"], {
    stdin: manifests,
    ...wait,
  });
  // The operator makes the certificate that the adapter waits for.
  for (const name of ["keda-operator", "keda-metrics-apiserver"])
    await kubectl(
      programs,
      ["--namespace", NAMESPACE, "rollout", "status", `deployment/${name}`, READY],
      wait,
    );
  await kubectl(
    programs,
    ["wait", "apiservice/v1beta1.external.metrics.k8s.io", "--for=condition=Available", READY],
    wait,
  );
  say(`KEDA ${KEDA.version} runs after ${Math.round((performance.now() - startedMs) / 1000)} s`);
}

/** Removes it with its resources; one that is not there is no error. */
export async function endKeda(): Promise<void> {
  const programs = await ensurePrograms();
  await kubectl(programs, ["delete", "--ignore-not-found", "--wait", "-f", "-"], {
    stdin: await manifestsOf(programs),
    timeoutMs: READY_MS,
  });
}

/** As the module has them, with the images of this machine and probes that begin at once. */
async function manifestsOf({ kubernetes }: Programs): Promise<string> {
  const where = ["list", "-m", "-f", "{{.Dir}}", KEDA.module];
  const folder = await run(["go", ...where], {
    cwd: KEDA.folder,
    env: { GOFLAGS: "-mod=readonly" },
  });
  const config = join(folder.trim(), "config/minimal");
  const theirs = await run([kubernetes, "kubectl", "kustomize", config]);
  const ours = IMAGES.reduce((text, one) => {
    if (!text.includes(`image: ${one.theirs}\n`))
      throw new ClusterError(`Cannot start KEDA: found no image ${one.theirs} in ${config}`);
    return text.replaceAll(`image: ${one.theirs}\n`, `image: ${nameOf(one)}\n`);
  }, theirs);
  return ours
    .replaceAll("imagePullPolicy: Always", "imagePullPolicy: Never")
    .replaceAll(/initialDelaySeconds: \d+/g, "initialDelaySeconds: 1");
}

async function archiveOf(image: KedaImage, program: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-keda-"));
  try {
    mkdirSync(PATHS.images, { recursive: true });
    copyFileSync(program, join(root, image.path));
    const name = nameOf(image);
    const archive = join(PATHS.images, `${name.replaceAll(/[/:]/g, "-")}.tar`);
    const config = { Entrypoint: [`/${image.path}`], User: "1000:1000" };
    await writeImage({ name, root, config }, archive);
    return archive;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
