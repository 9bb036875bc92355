// Owns: the client of the Kubernetes API that the operator writes and watches with.
import type { ClusterAccess } from "../cluster/kubeconfig.ts";
import { at, isRecord, type Json, list as listOf, text } from "../reading.ts";
import type { CredentialsSource } from "./credentials-source.ts";
import { KubeApiError, refusal, unanswered } from "./kube-api-error.ts";
import { Lines } from "./lines.ts";
import { createTransport, type KubeRequest, type Transport } from "./transport.ts";

export interface RemoveOptions {
  /** Precondition: the object that is removed is this one. */
  readonly uid?: string;
  /** Precondition: nobody has changed it since. */
  readonly resourceVersion?: string;
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly graceSeconds?: number;
}

export interface KubeList {
  readonly items: readonly Json[];
  readonly resourceVersion: string;
}

export interface Selectors {
  readonly labelSelector?: string | undefined;
  /** Such as `status.podIP=10.0.0.7`: each kind has a few fields that servers select by. */
  readonly fieldSelector?: string | undefined;
}

/** Paths as in "/apis/apps/v1/namespaces/x/replicasets/y". All reject with KubeApiError alone. */
export interface KubeApi {
  get(path: string): Promise<Json>;
  /** In pages of 500; the objects have their kind and apiVersion. */
  list(path: string, query?: Selectors): Promise<KubeList>;
  create(path: string, body: Json): Promise<Json>;
  /** What `create` would store, with the server's defaults. Nothing is stored. */
  preview(path: string, body: Json): Promise<Json>;
  /** A merge patch. A metadata.resourceVersion in it is a precondition. */
  merge(path: string, patch: Json): Promise<Json>;
  /** Server-side apply under the field manager of this client. */
  apply(path: string, body: Json, force?: boolean): Promise<Json>;
  /** The whole object. Its metadata.resourceVersion is a precondition. */
  replace(path: string, body: Json): Promise<Json>;
  remove(path: string, options?: RemoveOptions): Promise<void>;
}

export interface KubeWatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: Json;
}

export interface WatchRequest {
  readonly labelSelector?: string | undefined;
  readonly resourceVersion: string;
  /** After this the server ends the watch. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** The server has accepted the watch. */
  readonly onOpen: () => void;
  /** What it throws ends the watch. */
  readonly onEvent: (event: KubeWatchEvent) => void;
}

export interface PagesRequest extends Selectors {
  readonly signal?: AbortSignal | undefined;
  /** More objects are refused as `TooLarge`; default 100,000. */
  readonly objectsMax?: number | undefined;
  /** What is kept of an object, page by page. */
  readonly keep?: ((object: Json) => Json) | undefined;
}

/** What a Reflector needs. */
export interface KubeWatcher {
  listAll(path: string, request: PagesRequest): Promise<KubeList>;
  /**
   * Resolves when the server ends the watch between two events. Rejects with KubeApiError if it
   * says ERROR, breaks off, or sends a line that is none or longer than the limit.
   */
  watch(path: string, request: WatchRequest): Promise<void>;
}

export interface KubeApiOptions {
  /** Owner of the fields that are written. */
  readonly fieldManager: string;
  /** Of one request, and of the first sign of a watch; default 15 s. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
  /** Of one line of a watch, which is one object; default 8 MiB. */
  readonly lineBytesMax?: number;
}

const TIMEOUT_MS = 15_000;
const PAGE_SIZE = 500;
const OBJECTS_MAX = 100_000;
/** An object has 1.5 MiB in etcd at most; JSON escapes make it longer. */
const LINE_BYTES_MAX = 8 * 1024 * 1024;
const APPLY = "application/apply-patch+yaml";
const MERGE = "application/merge-patch+json";

export function createKubeApi(
  access: ClusterAccess,
  source: CredentialsSource,
  options: KubeApiOptions,
): KubeApi & KubeWatcher {
  const { fieldManager, timeoutMs = TIMEOUT_MS, lineBytesMax = LINE_BYTES_MAX } = options;
  const transport = createTransport(access, source, options.userAgent ?? fieldManager);
  const ask = async (request: Omit<KubeRequest, "timeoutMs">): Promise<Json> => {
    const body = await transport.ask({ ...request, timeoutMs });
    if (!isRecord(body)) throw unanswered(`${request.method} ${request.path}`, "Malformed");
    return body;
  };
  const listAll = (path: string, request: PagesRequest): Promise<KubeList> =>
    listPages({ ask, path, request });
  const query = { fieldManager };
  return {
    get: (path) => ask({ method: "GET", path }),
    list: (path, selectors = {}) => listAll(path, selectors),
    create: (path, body) => ask({ method: "POST", path, query, body }),
    preview: (path, body) =>
      ask({ method: "POST", path, query: { fieldManager, dryRun: "All" }, body }),
    merge: (path, body) => ask({ method: "PATCH", path, query, body, contentType: MERGE }),
    apply: (path, body, force = false) =>
      ask({
        ...{ method: "PATCH", path, body, contentType: APPLY },
        query: { fieldManager, force: String(force) },
      }),
    replace: (path, body) => ask({ method: "PUT", path, query, body }),
    remove: async (path, wanted) => {
      await ask({ method: "DELETE", path, body: deleteOptions(wanted) });
    },
    listAll,
    watch: (path, request) => watch({ transport, timeoutMs, lineBytesMax }, path, request),
  };
}

function deleteOptions(options: RemoveOptions = {}): Json {
  const { uid, resourceVersion, propagation, graceSeconds } = options;
  return {
    kind: "DeleteOptions",
    apiVersion: "v1",
    ...(uid === undefined && resourceVersion === undefined
      ? {}
      : { preconditions: { uid, resourceVersion } }),
    ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
    ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
  };
}

interface Listing {
  readonly ask: (request: Omit<KubeRequest, "timeoutMs">) => Promise<Json>;
  readonly path: string;
  readonly request: PagesRequest;
}

/** If the rest of a list is forgotten meanwhile, one more try asks for all at once. */
async function listPages(listing: Listing): Promise<KubeList> {
  try {
    return await pages(listing, String(PAGE_SIZE));
  } catch (error) {
    if (!(error instanceof KubeApiError && error.isGone)) throw error;
    return await pages(listing, undefined);
  }
}

async function pages(
  { ask, path, request }: Listing,
  limit: string | undefined,
): Promise<KubeList> {
  const { labelSelector, fieldSelector, signal, objectsMax = OBJECTS_MAX } = request;
  const { keep = (object) => object } = request;
  const items: Json[] = [];
  for (let rest: string | undefined; ; ) {
    const query = { labelSelector, fieldSelector, limit, continue: rest };
    const page = await ask({ method: "GET", path, query, signal });
    const resourceVersion = text(at(page, "metadata", "resourceVersion"));
    if (resourceVersion === undefined || !Array.isArray(page.items))
      throw unanswered(`GET ${path}`, "Malformed");
    // The objects of a list do not say what they are.
    const kind = (text(page.kind) ?? "").replace(/List$/, "");
    for (const item of listOf(page.items))
      if (isRecord(item)) items.push(keep({ apiVersion: page.apiVersion, kind, ...item }));
    if (items.length > objectsMax) throw unanswered(`GET ${path}`, "TooLarge");
    rest = text(at(page, "metadata", "continue"));
    if (rest === undefined || rest === "") return { items, resourceVersion };
  }
}

interface Watching {
  readonly transport: Transport;
  readonly timeoutMs: number;
  readonly lineBytesMax: number;
}

async function watch(
  { transport, timeoutMs, lineBytesMax }: Watching,
  path: string,
  { labelSelector, resourceVersion, timeoutSeconds, signal, onOpen, onEvent }: WatchRequest,
): Promise<void> {
  const act = `watch ${path}`;
  const { body } = await transport.open({
    ...{ method: "GET", path, signal, timeoutMs },
    query: {
      ...{ watch: "true", allowWatchBookmarks: "true", labelSelector, resourceVersion },
      timeoutSeconds: String(timeoutSeconds),
    },
  });
  onOpen();
  if (body === null) return;
  const lines = new Lines(lineBytesMax);
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await nextChunk(reader, act, signal);
      if (done || value === undefined) break;
      if (!lines.push(value, (line) => onEvent(eventOf(act, line))))
        throw unanswered(act, "TooLarge");
    }
    if (lines.isInside) throw unanswered(act, "Cut");
  } finally {
    reader.cancel().catch(() => {});
  }
}

interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

async function nextChunk(reader: ChunkReader, act: string, signal: AbortSignal) {
  try {
    return await reader.read();
  } catch (cause) {
    throw signal.aborted ? unanswered(act, "Stopped") : unanswered(act, "Cut", cause);
  }
}

function eventOf(act: string, line: string): KubeWatchEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    throw unanswered(act, "Malformed");
  }
  const [type, object] = [at(event, "type"), at(event, "object")];
  if (type === "ERROR") {
    const status = at(object, "code");
    throw refusal(act, { status: typeof status === "number" ? status : 500, body: object });
  }
  if (
    (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED" && type !== "BOOKMARK") ||
    !isRecord(object)
  )
    throw unanswered(act, "Malformed");
  return { type, object };
}
