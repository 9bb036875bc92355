// Owns: reading a live cluster: lists and single objects by GET, page by page, within bounds. It
// never writes.
import { type KubeObject, kubeObject } from "../manifests.ts";
import { at, isRecord, list, record, text } from "../reading.ts";
import { type Ask, asker, notKubernetes, reasonOf } from "./ask.ts";
import type { Credentials } from "./credentials.ts";
import {
  ADDED_KINDS,
  CORE_KINDS,
  type ListedKind,
  OPERATOR_KINDS,
  WELL_KNOWN_MAPS,
} from "./kinds.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

export interface ClusterSelection {
  /** Absent: all namespaces. */
  readonly namespace?: string;
  /** Of one request; default 30 s. */
  readonly timeoutMs?: number;
}

export interface ClusterRead {
  readonly objects: readonly KubeObject[];
  /** Reads that were not allowed or failed, for people; the rest was read. */
  readonly partial: readonly string[];
}

const TIMEOUT_MS = 30_000;
const PAGE_SIZE = 500;
const PAGES_MAX = 100;
const REQUESTS_AT_ONCE = 4;

/**
 * Reads everything that the doctor needs. Rejects with ClusterError if nothing can be read:
 * `unreachable` (network, TLS), `unauthorized` (401), `not_kubernetes`. A kind that is not allowed
 * (403) or fails is named in `partial`.
 */
export async function readCluster(
  access: ClusterAccess,
  credentials: Credentials,
  selection: ClusterSelection = {},
): Promise<ClusterRead> {
  const ask = asker(access, credentials, selection.timeoutMs ?? TIMEOUT_MS);
  const partial: string[] = [];
  const objects: KubeObject[] = [];
  const jobs = [
    ...CORE_KINDS.map((kind) => () => listKind(kind, { ask, selection, core: true })),
    ...ADDED_KINDS.map((kind) => () => listKind(kind, { ask, selection, core: false })),
    ...(selection.namespace === undefined
      ? []
      : WELL_KNOWN_MAPS.map(
          ([namespace, name]) =>
            () =>
              oneMap(ask, namespace, name),
        )),
  ];
  const place = { file: access.context, line: 0 };
  const take = (results: readonly Result[]): void => {
    for (const result of results) {
      objects.push(...result.bodies.map((body) => kubeObject(body, () => place)));
      partial.push(...result.partial);
    }
  };
  take(await inTurns(jobs));
  if (objects.some(({ kind }) => kind === "RealtimeSet"))
    take(
      await inTurns(
        OPERATOR_KINDS.map((kind) => () => listKind(kind, { ask, selection, core: false })),
      ),
    );
  return { objects, partial };
}

interface Result {
  readonly bodies: readonly Readonly<Record<string, unknown>>[];
  readonly partial: readonly string[];
}

/** Runs jobs in order, a few at once; the results are in the order of the jobs. */
async function inTurns(jobs: readonly (() => Promise<Result>)[]): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++)
      results[index] = (await jobs[index]?.()) ?? { bodies: [], partial: [] };
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, work));
  return results;
}

interface Listing {
  readonly ask: Ask;
  readonly selection: ClusterSelection;
  readonly core: boolean;
}

async function listKind(kind: ListedKind, { ask, selection, core }: Listing): Promise<Result> {
  for (const apiVersion of kind.apiVersions) {
    const bodies: Readonly<Record<string, unknown>>[] = [];
    let token = "";
    let page = 0;
    for (; page < PAGES_MAX; page++) {
      const answer = await ask(
        `${pathOf(kind, apiVersion, selection)}?limit=${PAGE_SIZE}${kind.query === undefined ? "" : `&${kind.query}`}${token === "" ? "" : `&continue=${encodeURIComponent(token)}`}`,
      );
      if (answer.status === 404 && page === 0) break;
      if (answer.status !== 200)
        return { bodies, partial: [`${kind.plural} (${apiVersion}): ${reasonOf(answer)}`] };
      if (!Array.isArray(at(answer.body, "items")))
        throw notKubernetes(`the list of ${kind.plural} has no items`);
      // Items of a list come without their own kind.
      bodies.push(
        ...list(at(answer.body, "items")).map((item) => ({
          ...(kind.keep?.(record(item)) ?? record(item)),
          apiVersion,
          kind: kind.kind,
        })),
      );
      token = text(at(answer.body, "metadata", "continue")) ?? "";
      if (token === "") return { bodies, partial: [] };
    }
    if (page === PAGES_MAX)
      return {
        bodies,
        partial: [
          `${kind.plural} (${apiVersion}): more than ${PAGES_MAX * PAGE_SIZE}, the rest was left out`,
        ],
      };
  }
  if (core) throw notKubernetes(`404 for ${kind.plural}`);
  return { bodies: [], partial: [] };
}

function pathOf(
  { plural, namespaced }: ListedKind,
  apiVersion: string,
  { namespace }: ClusterSelection,
): string {
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  if (!namespaced || namespace === undefined) return `${root}/${plural}`;
  return `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

async function oneMap(ask: Ask, namespace: string, name: string): Promise<Result> {
  const answer = await ask(`/api/v1/namespaces/${namespace}/configmaps/${name}`);
  if (answer.status === 200 && isRecord(answer.body))
    return { bodies: [{ ...answer.body, apiVersion: "v1", kind: "ConfigMap" }], partial: [] };
  return {
    bodies: [],
    partial: answer.status === 404 ? [] : [`ConfigMap ${namespace}/${name}: ${reasonOf(answer)}`],
  };
}
