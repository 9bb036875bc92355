// Owns: finding the channels that a source's pattern stands for.
import type { RunnerPorts } from "./ports.ts";

const PAGE = 1000;
const FOUND_MAX = 100_000;

/** Channels that exist now; a pattern without parameters is one. */
export async function channelsOf(
  pattern: string,
  ports: Pick<RunnerPorts, "channels" | "resolve">,
): Promise<readonly string[]> {
  const brace = pattern.indexOf("{");
  if (brace === -1) return [pattern];
  const found: string[] = [];
  const prefix = pattern.slice(0, brace);
  let after: string | undefined;
  for (;;) {
    const query = { prefix, limit: PAGE, ...(after === undefined ? {} : { after }) };
    const page = await ports.channels(query);
    for (const channel of page)
      if (ports.resolve(channel)?.pattern === pattern) found.push(channel);
    after = page.at(-1);
    if (page.length < PAGE || after === undefined || found.length > FOUND_MAX) return found;
  }
}
