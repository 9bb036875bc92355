// Owns: `holdfast pipeline replay`: a pipeline over what channels of a running node keep.
import { HoldfastApi } from "@holdfast/api";
import { type OfflineEvent, runOffline } from "@holdfast/pipelines";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { refuse } from "./check.ts";
import { choose, show } from "./run.ts";

export interface ReplayOptions {
  readonly url: string;
  readonly channel: readonly string[];
  readonly pipeline?: string;
  readonly apiKeyEnv: string;
  readonly open?: boolean;
}

const EVENTS_MAX = 1_000_000;

/** Events of several channels are merged by the broker's time. */
export async function replayPipeline(
  file: string,
  options: ReplayOptions,
  host: Host,
): Promise<number> {
  const chosen = await choose(file, options.pipeline, host);
  if (typeof chosen === "number") return chosen;
  const apiKey = host.env[options.apiKeyEnv];
  if (apiKey === undefined || apiKey === "")
    return refuse([`Cannot read history: found no key in ${options.apiKeyEnv}`], host);
  const api = new HoldfastApi(options.url, { apiKey });
  const events: OfflineEvent[] = [];
  for (const channel of options.channel) {
    const read = await history(api, channel, EVENTS_MAX - events.length);
    if (typeof read === "string") return refuse([read], host);
    for (const event of read)
      events.push({ ...event, params: paramsOf(chosen.source.pattern, channel) });
  }
  events.sort((a, b) => (a.timeMs ?? 0) - (b.timeMs ?? 0));
  show(runOffline(chosen, events, { staysOpen: options.open === true }), host);
  return EXIT.ok;
}

/** What the channel keeps, oldest first; or why it cannot be read. */
async function history(
  api: HoldfastApi,
  channel: string,
  max: number,
): Promise<OfflineEvent[] | string> {
  const events: OfflineEvent[] = [];
  const onGap = (): void => {};
  try {
    for await (const one of api.historyStream(channel, { onGap })) {
      const { timeMs, data, key, user } = one;
      events.push({
        channel,
        timeMs,
        value: data,
        ...(key === undefined ? {} : { key }),
        ...(user === undefined ? {} : { user }),
      });
      if (events.length > max) return `Cannot replay ${channel}: found more than ${max} events`;
    }
  } catch (error) {
    return `Cannot read ${channel}: ${error instanceof Error ? error.message : String(error)}`;
  }
  return events;
}

/** Parameters that a name gives a pattern, where it fits; for `about.params` of the steps. */
export function paramsOf(pattern: string, channel: string): Readonly<Record<string, string>> {
  const names: string[] = [];
  const escaped = pattern.replace(/[.*+?^$()|[\]\\]|\{([^}]+)\}/g, (match, name?: string) => {
    if (name === undefined) return `\\${match}`;
    names.push(name.replace(/\*$/, ""));
    return name.endsWith("*") ? "(.+)" : "([^:]+)";
  });
  const found = new RegExp(`^${escaped}$`).exec(channel);
  return Object.fromEntries(names.map((name, i) => [name, found?.[i + 1] ?? ""]));
}
