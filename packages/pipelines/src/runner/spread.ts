// Owns: which node runs which partition: rendezvous hashing over the nodes that are there.
import { hash32 } from "../aggregate/hash.ts";

/** What a node says of itself, each second. */
export interface RunnerMember {
  readonly node: string;
  /** False: it starts, drains or stops, and takes nothing. */
  readonly isReady: boolean;
  /** Versions of the pipelines that it can run, by name. */
  readonly runs: Readonly<Record<string, number>>;
}

/**
 * The node for a partition: of the ready nodes that have the highest version of the pipeline, the
 * one with the highest hash (D. G. Thaler, C. V. Ravishankar, "Using name-based mappings to
 * increase hit rates", 1998). A node that comes or goes moves its own share alone.
 */
export function nodeFor(
  members: readonly RunnerMember[],
  name: string,
  partition: number,
): string | undefined {
  const versions = members.flatMap(({ isReady, runs }) => (isReady ? [runs[name] ?? 0] : []));
  const newest = Math.max(0, ...versions);
  let best: { readonly node: string; readonly weight: number } | undefined;
  for (const { node, isReady, runs } of members) {
    if (!isReady || newest === 0 || runs[name] !== newest) continue;
    const weight = hash32(`${name} ${partition} ${node}`, 7);
    if (best === undefined || weight > best.weight || (weight === best.weight && node > best.node))
      best = { node, weight };
  }
  return best?.node;
}

/** Which partition a channel belongs to. */
export function partitionOf(
  params: Readonly<Record<string, string>>,
  {
    partitions,
    partitionBy,
  }: { readonly partitions: number; readonly partitionBy: readonly string[] | undefined },
): number {
  if (partitions === 1) return 0;
  const by = partitionBy ?? Object.keys(params).sort();
  return hash32(by.map((name) => params[name] ?? "").join("\u0000")) % partitions;
}
