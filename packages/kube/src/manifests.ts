// Owns: manifests as the doctor reads them: YAML or JSON text becomes objects that know their file
// and line.
import {
  type Document,
  isDocument,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type ParsedNode,
  parseAllDocuments,
} from "yaml";
import { at, isRecord, type Json, list, type Path, record, text } from "./reading.ts";

export interface Place {
  /** Name of the file, `stdin`, or the address of a cluster. */
  readonly file: string;
  /** From 1; 0 if there are no lines, as in a cluster. */
  readonly line: number;
  /** The template of a chart that made it, as `helm template` says. */
  readonly template?: string;
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** Empty if the manifest does not name one. */
  readonly namespace: string;
  readonly body: Json;
  readonly place: Place;
  /** The place of the deepest part of the path that exists. */
  placeOf(path: Path): Place;
}

/** Something that could not be read; the rest was. */
export interface Unread {
  /** `foreign`: it was read, and is not a manifest. */
  readonly code: "syntax" | "template" | "foreign" | "size";
  readonly place: Place;
  readonly reason: string;
}

export interface Manifests {
  readonly objects: readonly KubeObject[];
  readonly unread: readonly Unread[];
}

/** Above this a file is refused: rendered manifests are a hundredth of it. */
const TEXT_LENGTH_MAX = 32 * 1024 * 1024;
const OBJECTS_MAX = 50_000;

/** Reads every document of one text. Never throws: it reports documents that are no manifests. */
export function readManifests(content: string, file: string): Manifests {
  if (content.length > TEXT_LENGTH_MAX)
    return {
      objects: [],
      unread: [
        {
          code: "size",
          place: { file, line: 1 },
          reason: `${content.length} characters, expected at most ${TEXT_LENGTH_MAX}`,
        },
      ],
    };
  const lines = new LineCounter();
  const objects: KubeObject[] = [];
  const unread: Unread[] = [];
  let documents: readonly unknown[];
  try {
    documents = parseAllDocuments(content, { lineCounter: lines, merge: true, uniqueKeys: false });
  } catch (error) {
    return {
      objects,
      unread: [{ code: "syntax", place: { file, line: 1 }, reason: messageOf(error) }],
    };
  }
  for (const document of documents) {
    if (!isDocument(document)) continue;
    const read = readDocument(document, { file, lines, content });
    objects.push(...read.objects.slice(0, OBJECTS_MAX - objects.length));
    unread.push(...read.unread);
  }
  return { objects, unread };
}

interface Content {
  readonly file: string;
  readonly lines: LineCounter;
  readonly content: string;
}

function brokenAt(place: Place, reason: string, content: string): Unread {
  return content.includes("{{")
    ? { code: "template", place, reason: "a template, expected what helm template makes of it" }
    : { code: "syntax", place, reason };
}

function readDocument(document: Document, { file, lines, content }: Content): Manifests {
  const [first] = list(at(document.contents, "items"));
  const comments = [
    document.commentBefore,
    document.contents?.commentBefore,
    at(first, "key", "commentBefore"),
  ];
  const template = /Source: (\S+)/.exec(
    comments.map((comment) => text(comment) ?? "").join("\n"),
  )?.[1];
  const placeAt = (offset: number | undefined): Place => ({
    file,
    line: offset === undefined ? 1 : Math.max(1, lines.linePos(offset).line),
    ...(template === undefined ? {} : { template }),
  });
  const start = placeAt(document.contents?.range?.[0] ?? document.range?.[0]);
  const [broken] = document.errors;
  if (broken !== undefined)
    return {
      objects: [],
      unread: [brokenAt(placeAt(broken.pos[0]), firstLine(broken.message), content)],
    };
  let body: unknown;
  try {
    body = document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    return { objects: [], unread: [{ code: "syntax", place: start, reason: messageOf(error) }] };
  }
  if (body === null || body === undefined) return { objects: [], unread: [] };
  const place = (path: Path): Place =>
    placeAt(offsetOf(document.contents, path) ?? document.contents?.range?.[0]);
  return objectsOf(body, place);
}

/** The object, or those of a List. */
function objectsOf(body: unknown, place: (path: Path) => Place): Manifests {
  const kind = text(at(body, "kind"));
  const items = at(body, "items");
  if (kind?.endsWith("List") && Array.isArray(items)) {
    const read = items.map((item: unknown, index) =>
      objectsOf(item, (path) => place(["items", index, ...path])),
    );
    return {
      objects: read.flatMap(({ objects }) => objects),
      unread: read.flatMap(({ unread }) => unread),
    };
  }
  const apiVersion = text(at(body, "apiVersion"));
  if (!isRecord(body) || kind === undefined || apiVersion === undefined)
    return {
      objects: [],
      unread: [
        { code: "foreign", place: place([]), reason: "no manifest: expected apiVersion and kind" },
      ],
    };
  return { objects: [kubeObject(body, place)], unread: [] };
}

/** An object from its content. `place` says where a path of it stands. */
export function kubeObject(body: Json, place: (path: Path) => Place): KubeObject {
  return {
    apiVersion: text(body.apiVersion) ?? "",
    kind: text(body.kind) ?? "",
    name: text(at(body, "metadata", "name")) ?? "",
    namespace: text(at(body, "metadata", "namespace")) ?? "",
    body,
    place: place([]),
    placeOf: place,
  };
}

/** Offset of the key (or item) that the deepest existing part of the path leads to. */
function offsetOf(root: unknown, path: Path): number | undefined {
  let node = root;
  let found = offset(root);
  for (const key of path) {
    if (isMap<ParsedNode, ParsedNode>(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(key),
      );
      if (pair === undefined) return found;
      found = offset(pair.key) ?? found;
      node = pair.value;
    } else {
      const next: unknown = list(at(node, "items"))[Number(key)];
      if (next === undefined) return found;
      found = offset(next) ?? found;
      node = next;
    }
  }
  return found;
}

function offset(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

export const annotationsOf = (object: KubeObject): Json =>
  record(at(object.body, "metadata", "annotations"));
export const labelsOf = (object: KubeObject): Json => record(at(object.body, "metadata", "labels"));

function messageOf(error: unknown): string {
  return firstLine(error instanceof Error ? error.message : String(error));
}

function firstLine(message: string): string {
  return message.split("\n")[0] ?? "";
}
