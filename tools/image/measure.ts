// Owns: the cost of the executable: its size, the time until it listens, its memory then; beside
// the same command from its sources.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { arch, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "bun";
import { nativeArch } from "./arch.ts";
import { buildImage, buildStage } from "./build.ts";
import { ROOT } from "./root.ts";

const RUNS = 21;
const START_TIMEOUT_MS = 20_000;

interface Start {
  /** From the start of the process to its line `node_listening`. */
  readonly startMs: number;
  /**
   * Resident, and the part of it that is no file's: other processes of the same image share the
   * rest.
   */
  readonly residentBytes: number;
  readonly anonymousBytes: number;
}

/** Starts a node with nothing but defaults, measures it once it listens, and ends it. */
async function startOnce(command: readonly string[], cwd: string): Promise<Start> {
  const startedMs = performance.now();
  const child = Bun.spawn(
    [...command, "serve", "--auth-insecure", "--host", "127.0.0.1", "--internal-host", "127.0.0.1"],
    {
      cwd,
      env: { HOLDFAST_PORT: "0", HOLDFAST_INTERNAL_PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: START_TIMEOUT_MS,
    },
  );
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    if (output.includes('"node_listening"')) break;
  }
  const startMs = performance.now() - startedMs;
  const status = await Bun.file(`/proc/${child.pid}/status`).text();
  const bytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * 1024;
  child.kill("SIGKILL");
  await child.exited;
  return { startMs, residentBytes: bytes("VmRSS"), anonymousBytes: bytes("RssAnon") };
}

async function measure(name: string, command: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-measure-"));
  const starts: Start[] = [];
  // The first start reads the file from the disk; it is not counted.
  await startOnce(command, folder);
  for (let run = 0; run < RUNS; run++) starts.push(await startOnce(command, folder));
  rmSync(folder, { recursive: true });
  const middle = (values: readonly number[]) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  const spread = (values: readonly number[], digits: number) =>
    `${middle(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;
  const megabytes = (bytes: (start: Start) => number) => starts.map((start) => bytes(start) / 1e6);
  console.log(`${name}, ${RUNS} starts, median (least to most):`);
  console.log(
    `  until it listens, ms: ${spread(
      starts.map(({ startMs }) => startMs),
      0,
    )}`,
  );
  console.log(
    `  resident, MB: ${spread(
      megabytes(({ residentBytes }) => residentBytes),
      1,
    )}`,
  );
  console.log(
    `  of it no file's, MB: ${spread(
      megabytes(({ anonymousBytes }) => anonymousBytes),
      1,
    )}`,
  );
}

async function main(): Promise<void> {
  const built = await buildImage({
    arch: nativeArch(),
    out: join(buildStage(nativeArch()), "out"),
  });
  const bytes = new Uint8Array(await Bun.file(built.executable).arrayBuffer());
  console.log(`${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${arch()}; Bun ${Bun.version}`);
  console.log(
    `the executable, MB: ${(statSync(built.executable).size / 1e6).toFixed(1)}; compressed with gzip -6: ${(gzipSync(bytes, { level: 6 }).byteLength / 1e6).toFixed(1)}`,
  );
  await measure("the executable", [built.executable]);
  await measure("from its sources", [process.execPath, join(ROOT, "apps/holdfast/src/main.ts")]);
}

await main();
