// Owns: the processors that the image is for, under the names that containers, Bun and Node have
// for them.
import { ImageError } from "./image-error.ts";

export type Arch = "amd64" | "arm64";

interface ArchNames {
  /** Target of `bun build --compile`. */
  readonly target: "bun-linux-x64" | "bun-linux-arm64";
  /** The package that holds Bun for it. */
  readonly bunPackage: string;
  /** Field e_machine of its ELF files. */
  readonly elfMachine: number;
}

export const ARCHES: Readonly<Record<Arch, ArchNames>> = {
  amd64: { target: "bun-linux-x64", bunPackage: "@oven/bun-linux-x64", elfMachine: 62 },
  arm64: { target: "bun-linux-arm64", bunPackage: "@oven/bun-linux-aarch64", elfMachine: 183 },
};

/** The processor of this machine; throws `ImageError` if the image cannot run on it. */
export function nativeArch(): Arch {
  if (process.arch === "x64") return "amd64";
  if (process.arch === "arm64") return "arm64";
  throw new ImageError(
    `Cannot choose a processor: this machine's is ${process.arch}, expected x64 or arm64, or --arch amd64|arm64`,
  );
}

/** Reads a container's name of a processor; none is this machine's. */
export function parseArch(text: string): Arch {
  if (text === "") return nativeArch();
  if (text === "amd64" || text === "arm64") return text;
  throw new ImageError(`Cannot build for ${text}: expected amd64 or arm64`);
}
