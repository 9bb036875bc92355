// Owns: the images that the chart asks for, made from this clone: the node's, by the lines of the
// Dockerfile, and a trial broker's, of the server that the tests run.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { nativeArch } from "../image/arch.ts";
import { buildImage, buildStage } from "../image/build.ts";
import { copiesOf, parseDockerfile, settingOf } from "../image/dockerfile.ts";
import { ROOT } from "../image/root.ts";
import { assembleTree } from "../image/tree.ts";
import { ClusterError } from "./cluster-error.ts";
import { type ImageConfig, writeImage } from "./images.ts";
import { PATHS } from "./settings.ts";
import { run } from "./shell.ts";

interface ChartValues {
  readonly image: { readonly repository: string };
  readonly broker: {
    readonly valkey: { readonly image: { readonly repository: string; readonly tag: string } };
  };
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const values = (): ChartValues => parseYaml(read("deploy/chart/values.yaml"));
const chartVersion = (): string => parseYaml(read("deploy/chart/Chart.yaml")).appVersion;

/** Archive of the node's image under the chart's name, with the given tag or the chart's own. */
export async function nodeImage(tag = chartVersion()): Promise<string> {
  const arch = nativeArch();
  const dockerfile = parseDockerfile(read("deploy/image/Dockerfile")).final;
  const out = join(buildStage(arch), "out");
  await buildImage({ arch, out, dpkgStatus: "/var/lib/dpkg/status" });
  return await inFolder(async (root) => {
    assembleTree(copiesOf(dockerfile), { libc: "/", build: buildStage(arch) }, root);
    const list = (name: string): readonly string[] =>
      JSON.parse(settingOf(dockerfile, name) ?? "[]");
    const config: ImageConfig = {
      Entrypoint: list("ENTRYPOINT"),
      Cmd: list("CMD"),
      User: settingOf(dockerfile, "USER") ?? "",
      StopSignal: settingOf(dockerfile, "STOPSIGNAL") ?? "",
      Env: ["PATH=/"],
    };
    return await archived(`${values().image.repository}:${tag}`, root, config);
  });
}

/** Archive of the trial broker's image under the chart's name, around a program of this machine. */
export async function brokerImage(server: string): Promise<string> {
  const { repository, tag } = values().broker.valkey.image;
  return await inFolder(async (root) => {
    for (const folder of ["usr/bin", "lib", "lib64", "data", "tmp"])
      mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(server, join(root, "usr/bin/valkey-server"));
    const linked = (await run(["ldd", server])).matchAll(/(\/\S+\.so\S*) \(0x/g);
    for (const [, library = ""] of linked) {
      const folder = basename(library).startsWith("ld-linux") ? "lib64" : "lib";
      copyFileSync(library, join(root, folder, basename(library)));
    }
    const config: ImageConfig = {
      Env: ["PATH=/usr/bin", "LD_LIBRARY_PATH=/lib"],
      WorkingDir: "/data",
    };
    return await archived(`${repository}:${tag}`, root, config);
  });
}

async function archived(name: string, root: string, config: ImageConfig): Promise<string> {
  mkdirSync(PATHS.images, { recursive: true });
  const archive = join(PATHS.images, `${name.replaceAll(/[/:]/g, "-")}.tar`);
  await writeImage({ name, root, config }, archive);
  return archive;
}

async function inFolder<T>(work: (root: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-root-"));
  try {
    return await work(root);
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError(`Cannot make an image: ${error}`, { cause: error });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
