// Owns: images for the cluster as archives, written without a container engine, and the images that
// each node has from the start.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PAUSE_IMAGE } from "./node.ts";
import type { Programs } from "./programs.ts";
import { PATHS } from "./settings.ts";
import { run } from "./shell.ts";

export const COREDNS_IMAGE = "docker.io/holdfast/coredns:1";

/** What the image says of itself (OCI image specification, `config`). */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly StopSignal?: string;
}

export interface Image {
  /** `registry/name:tag`. */
  readonly name: string;
  /** Folder that becomes the root, in one layer. */
  readonly root: string;
  readonly config: ImageConfig;
}

/**
 * Writes an image in the format of `docker save`. The same files give the same image.
 */
export async function writeImage({ name, root, config }: Image, archive: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-image-"));
  try {
    const layer = join(folder, "layer.tar");
    const owned = ["--numeric-owner", "--owner=0", "--group=0", "--mtime=@0", "--sort=name"];
    await run(["tar", ...owned, "-cf", layer, "-C", root, "."]);
    const settings = JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: [`sha256:${sha256(readFileSync(layer))}`] },
    });
    const described = `${sha256(settings)}.json`;
    writeFileSync(join(folder, described), settings);
    writeFileSync(
      join(folder, "manifest.json"),
      JSON.stringify([{ Config: described, RepoTags: [name], Layers: ["layer.tar"] }]),
    );
    await run(["tar", "-cf", archive, "-C", folder, "manifest.json", described, "layer.tar"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Archives of the images without which no pod runs. */
export async function ownImages(programs: Programs): Promise<readonly string[]> {
  mkdirSync(PATHS.images, { recursive: true });
  return await Promise.all([
    ofProgram({ program: programs.pause, name: PAUSE_IMAGE, user: "65535:65535" }),
    ofProgram({ program: programs.coredns, name: COREDNS_IMAGE, user: "65532:65532" }),
  ]);
}

/** An image with nothing in it but one program. */
async function ofProgram(of: {
  readonly program: string;
  readonly name: string;
  readonly user: string;
}): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "holdfast-root-"));
  try {
    copyFileSync(of.program, join(root, "program"));
    const archive = join(PATHS.images, `${of.name.replaceAll(/[/:]/g, "-")}.tar`);
    const config = { Entrypoint: ["/program"], User: of.user };
    await writeImage({ name: of.name, root, config }, archive);
    return archive;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const sha256 = (data: string | Uint8Array): string =>
  createHash("sha256").update(data).digest("hex");
