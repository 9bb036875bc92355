// Owns: `npm run example:gateway` as a process for tests.
import { fileURLToPath } from "node:url";
import { patience } from "../patience.ts";
import { until, WAIT_MS } from "./harness.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const URL_SAID = /http:\/\/localhost:\d+\//;

export interface Example {
  /** The page, ends with a slash. */
  readonly url: string;
  /** As Ctrl-C does. Resolves with the exit status. */
  interrupt(): Promise<number>;
  stop(): Promise<void>;
}

/** On free ports. Resolves when it says where its page is. */
export async function startExample(): Promise<Example> {
  const child = Bun.spawn(["node", "tools/run.mjs", "example:gateway", "--port", "0"], {
    ...{ cwd: root, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    env: { ...process.env, NO_COLOR: "1" },
  });
  let text = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout)
      text = (text + decoder.decode(chunk, { stream: true })).slice(-64_000);
  })();
  const end = async (signal: "SIGINT" | "SIGTERM"): Promise<number> => {
    child.kill(signal);
    const deadline = setTimeout(() => child.kill("SIGKILL"), patience(WAIT_MS));
    const status = await child.exited;
    clearTimeout(deadline);
    await reading;
    return status;
  };
  try {
    const url = await until("the example says where its page is", () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}:\n${text}`);
      return URL_SAID.exec(text)?.[0];
    });
    return {
      url,
      interrupt: () => end("SIGINT"),
      stop: async () => {
        if (child.exitCode === null) await end("SIGTERM");
      },
    };
  } catch (error) {
    await end("SIGTERM");
    throw error;
  }
}
