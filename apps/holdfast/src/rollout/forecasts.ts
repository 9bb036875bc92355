// Owns: `holdfast rollout plan`, and `--dry-run` of the commands that write: what would be written,
// and what it would cause.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { at, isRecord, type Json, readManifests, record, text } from "@holdfast/kube";
import { memoryOf, revisionOf } from "@holdfast/operator";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { forecastJson, forecastText } from "./forecast-text.ts";
import { type ReleaseForecast, releaseForecast } from "./release-forecast.ts";
import { Refusal, type SetApi } from "./set-api.ts";

export interface ForecastFlags {
  readonly filename?: string;
  readonly json?: boolean;
}

/** What people read, and the exit status. */
export interface Outcome {
  readonly text: string;
  readonly code: number;
}

/** Of a template that nobody has written yet. */
const NEXT = "next";

/** The release to the next template, to the one of a manifest, or the rest of one under way. */
export async function planned(
  set: Json,
  cluster: SetApi,
  { filename, json }: ForecastFlags,
  host: Host,
): Promise<Outcome> {
  const name = text(at(set, "metadata", "name")) ?? "";
  const memory = memoryOf(set);
  const status = memory.ok ? memory.value : undefined;
  const asked =
    filename === undefined
      ? { set, revision: status?.release?.to ?? NEXT }
      : await fromManifest(set, filename, host);
  if (asked.revision === status?.stable && status.release === undefined)
    return {
      text: `Nothing is released: the template is the one of revision ${asked.revision}.`,
      code: EXIT.ok,
    };
  return said(name, await releaseForecast(asked, cluster), json === true);
}

function said(name: string, found: ReleaseForecast | string, isJson: boolean): Outcome {
  if (typeof found === "string") throw new Refusal(`Cannot plan: ${found}`);
  const { isOver, endRevision } = found.forecast;
  const isThere = isOver && endRevision === found.desired.revision;
  return {
    text: isJson ? forecastJson(name, found) : forecastText(name, found),
    code: isThere ? EXIT.ok : EXIT.failed,
  };
}

/** The live set with the spec of a manifest, such as what a chart renders. */
async function fromManifest(set: Json, filename: string, host: Host) {
  const name = text(at(set, "metadata", "name"));
  const content =
    filename === "-"
      ? await Bun.stdin.text()
      : await readFile(resolve(host.cwd, filename), "utf8").catch(() => undefined);
  if (content === undefined) throw new Refusal(`Cannot read ${filename}: expected a manifest`);
  const { objects } = readManifests(content, filename);
  const found = objects.find((one) => one.kind === "RealtimeSet" && one.name === name);
  if (found === undefined)
    throw new Refusal(`Cannot plan: found no RealtimeSet ${name} in ${filename}`);
  const spec = record(found.body.spec);
  // What the API server and others fill in stays, such as a number that an autoscaler writes.
  const { replicas } = record(set.spec);
  const after = { ...set, spec: { ...(replicas === undefined ? {} : { replicas }), ...spec } };
  return { set: after, revision: revisionOf(spec.template) };
}

/** Does nothing, and says what the same command would write and cause. */
export async function dryRun(
  set: Json,
  cluster: SetApi,
  act: (cluster: SetApi) => Promise<string>,
): Promise<Outcome> {
  let after = set;
  let written = "nothing";
  const told = await act({
    ...cluster,
    api: {
      ...cluster.api,
      merge: async (path, patch) => {
        written = `into ${path}: ${JSON.stringify(patch)}`;
        after = merged(set, patch);
        return after;
      },
      replace: async (path, body) => {
        written = `into ${path}: the template of revision ${revisionOf(at(body, "spec", "template"))}`;
        after = body;
        return body;
      },
    },
  });
  const lines = ["Nothing was written.", `It would write ${written}`, `Then: ${told}`];
  const found = await releaseForecast({ set: after, revision: wishedBy(after, set) }, cluster);
  const name = text(at(set, "metadata", "name")) ?? "";
  const forecast = typeof found === "string" ? found : forecastText(name, found);
  return { text: [...lines, "", forecast].join("\n"), code: EXIT.ok };
}

/** The operator has told the revision of the template, if that stays. */
function wishedBy(after: Json, set: Json): string {
  const template = at(after, "spec", "template");
  const told = text(at(set, "status", "updatedRevision"));
  const isSame = template === at(set, "spec", "template");
  return isSame && told !== undefined ? told : revisionOf(template);
}

/** A JSON merge patch (RFC 7386) applied. */
function merged(target: Json, patch: Json): Json {
  const entries = Object.entries(patch).map(([key, value]): [string, unknown] => [
    key,
    isRecord(value) ? merged(record(target[key]), value) : value,
  ]);
  const all = { ...target, ...Object.fromEntries(entries) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
}
