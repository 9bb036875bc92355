// Owns: the manifests of the corpus, read, and how a finding is written in the table of what is
// expected.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { diagnose, type Finding, findingsOf } from "@holdfast/doctor";
import { type KubeObject, readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));

export interface Case {
  readonly name: string;
  readonly path: string;
  readonly text: string;
}

export function casesOf(kind: "good" | "bad"): readonly Case[] {
  return readdirSync(`${FOLDER}${kind}`)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .map((name) => ({
      name,
      path: `${FOLDER}${kind}/${name}`,
      text: readFileSync(`${FOLDER}${kind}/${name}`, "utf8"),
    }));
}

export function objectsOf({ name, text }: Pick<Case, "name" | "text">): readonly KubeObject[] {
  const { objects, unread } = readManifests(text, name);
  if (unread.length > 0) throw new Error(`${name}: ${JSON.stringify(unread)}`);
  return objects;
}

export function findingsIn(objects: readonly KubeObject[]): readonly Finding[] {
  return findingsOf(diagnose(objects, { nodeOptions: NODE_OPTIONS }));
}

/** `error grace-too-short Deployment/chat:12`. */
export function brief({ severity, id, object, place }: Finding): string {
  return `${severity} ${id} ${object.kind}/${object.name}:${place.line}`;
}
