// Owns: `npm run image:check`: the proof of test/image, and if a container engine answers, the
// build of the image itself.
import { nativeArch } from "./arch.ts";
import { ROOT } from "./root.ts";

const ENGINES = ["docker", "podman"];
const TAG = "holdfast:check";
const ANSWER_TIMEOUT_MS = 10_000;
const BUILD_TIMEOUT_MS = 15 * 60_000;
const TEST_TIMEOUT_MS = 120_000;

/** An engine that has a daemon, or needs none; undefined if none answers. */
function findEngine(): string | undefined {
  return ENGINES.find(
    (name) =>
      Bun.which(name) !== null &&
      Bun.spawnSync([name, "info"], { timeout: ANSWER_TIMEOUT_MS }).success,
  );
}

/** Shows what the program writes, and resolves with its exit status. */
async function passOn(command: readonly string[], timeoutMs: number): Promise<number> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    timeout: timeoutMs,
  });
  return await child.exited;
}

/** Builds the image and starts it with the restrictions of a strict cluster. */
async function buildWith(engine: string): Promise<number> {
  const built = await passOn(
    [engine, "build", "-f", "deploy/image/Dockerfile", "-t", TAG, "."],
    BUILD_TIMEOUT_MS,
  );
  if (built !== 0) return built;
  const strict = [
    "--rm",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
  ];
  return await passOn([engine, "run", ...strict, TAG, "--version"], BUILD_TIMEOUT_MS);
}

async function main(): Promise<number> {
  console.log(`The tree that the Dockerfile copies, for linux ${nativeArch()}:`);
  const tested = await passOn(
    [process.execPath, "test", "./test/image", `--timeout=${TEST_TIMEOUT_MS}`],
    BUILD_TIMEOUT_MS,
  );
  if (tested !== 0) return tested;
  const engine = findEngine();
  if (engine === undefined) {
    console.log(
      `No container engine answers (${ENGINES.join(", ")}): the image itself was not built.`,
    );
    return 0;
  }
  console.log(`The image, with ${engine}:`);
  return await buildWith(engine);
}

process.exitCode = await main();
