// Owns: rules of things that nodes share: Redis among the manifests, and our own options (broker,
// resume secret, values that a node refuses).

import { at, list, record, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import type { ClusterSnapshot } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import type { OwnOptions } from "../own-options.ts";
import { environmentPatch } from "../patches.ts";
import { isRedis, type Workload, workloadsOf } from "../workload.ts";

/** Rules of our own nodes' options. */
export function ownRules(clientPath: ClientPath): readonly Finding[] {
  const { workload, load } = clientPath;
  return load.own === undefined
    ? []
    : [
        ...refused(clientPath, load.own),
        ...alone(workload, load.own),
        ...resume(workload, load.own),
      ];
}

function refused({ workload }: ClientPath, own: OwnOptions): readonly Finding[] {
  return own.problems.map(({ option, where, found, allowed }) =>
    finding("options-refused", {
      object: workload.object,
      path: workload.main.path,
      found: `${option} (${where}): found ${found}`,
      fix: allowed.startsWith("did you mean")
        ? `Correct its name (${allowed}) or leave it out.`
        : `Expected ${allowed}.`,
    }),
  );
}

const isGiven = (own: OwnOptions, name: string): boolean =>
  own.hidden.has(name) || own.hidden.has("*");

function alone(workload: Workload, own: OwnOptions): readonly Finding[] {
  if (
    workload.replicas < 2 ||
    isGiven(own, "HOLDFAST_BROKER_URL") ||
    !own.config.broker.url.startsWith("memory:")
  )
    return [];
  return [
    finding("broker-alone", {
      object: workload.object,
      path: workload.main.path,
      found: `${workload.replicas} pods, and broker.url is memory:`,
      fix: "Give them a Redis or Valkey by HOLDFAST_BROKER_URL, from a Secret.",
      patch: environmentPatch(workload, { HOLDFAST_BROKER_URL: "redis://redis:6379/0" }),
    }),
  ];
}

function resume(workload: Workload, own: OwnOptions): readonly Finding[] {
  if (
    workload.replicas < 2 ||
    isGiven(own, "HOLDFAST_AUTH_RESUME_SECRET") ||
    own.config.auth.resumeSecret !== undefined
  )
    return [];
  return [
    finding("resume-secret-missing", {
      object: workload.object,
      path: workload.main.path,
      found: `${workload.replicas} pods, and auth.resumeSecret is random in each`,
      fix: "Give all of them the same HOLDFAST_AUTH_RESUME_SECRET (at least 32 characters) from a Secret.",
    }),
  ];
}

/** Every Redis (or Valkey) among the manifests; sentinels and exporters have names of their own. */
export function redisRules(snapshot: ClusterSnapshot): readonly Finding[] {
  return workloadsOf(snapshot)
    .filter(isRedis)
    .flatMap((workload) => [
      ...singleRedis(workload),
      ...persistence(workload),
      ...eviction(workload),
    ]);
}

function singleRedis(workload: Workload): readonly Finding[] {
  if (workload.replicas > 1) return [];
  return [
    finding("redis-single", {
      object: workload.object,
      path: ["spec", "replicas"],
      found: `${workload.object.kind} ${workload.object.name} has one pod`,
      fix: "Run a replica with Sentinel, a cluster, or a managed service; without one of these, nobody promotes a replica.",
    }),
  ];
}

/** Words of the command lines of its containers. */
function wordsOf(workload: Workload): readonly string[] {
  return workload.containers.flatMap(({ body }) =>
    [...list(body.command), ...list(body.args)].map((word) => text(word) ?? ""),
  );
}

function wordAfter(words: readonly string[], flag: string): string | undefined {
  const index = words.indexOf(flag);
  return index < 0 ? undefined : (words[index + 1] ?? "");
}

function persistence(workload: Workload): readonly Finding[] {
  const words = wordsOf(workload);
  const claims = list(at(workload.object.body, "spec", "volumeClaimTemplates")).length > 0;
  const isKept = (volume: unknown): boolean =>
    at(volume, "persistentVolumeClaim") !== undefined || at(volume, "hostPath") !== undefined;
  const mounted = claims || list(workload.podSpec.volumes).some(isKept);
  const off =
    wordAfter(words, "--save")?.replaceAll('"', "") === "" &&
    wordAfter(words, "--appendonly") !== "yes";
  if (mounted && !off) return [];
  return [
    finding("redis-no-persistence", {
      object: workload.object,
      path: mounted ? workload.main.path : [...workload.podPath, "volumes"],
      found: mounted
        ? "snapshots are off, and appendonly is not on"
        : "no persistent volume is mounted",
      fix: "Give it a volume and --appendonly yes, if histories matter more than a restart's time.",
    }),
  ];
}

function eviction(workload: Workload): readonly Finding[] {
  const policy = wordAfter(wordsOf(workload), "--maxmemory-policy");
  if (policy === undefined || policy === "noeviction") return [];
  const args = list(workload.main.body.args).map((word) => text(word) ?? "");
  return [
    finding("redis-evicts", {
      object: workload.object,
      path: [
        ...workload.main.path,
        record(workload.main.body).args === undefined ? "command" : "args",
      ],
      found: `maxmemory-policy is ${policy}`,
      fix: `Use noeviction${args.length > 0 ? " in the arguments" : ""}, and monitor its memory.`,
    }),
  ];
}
