// Owns: the table of published packages: names, entries, formats, and what each contains.
import { join } from "node:path";
import { ROOT } from "../image/root.ts";

/** One package that users install. */
export interface Published {
  readonly name: string;
  /** Folder of its sources, from the root; its manifest has the name's description. */
  readonly folder: string;
  /** Source files, from the folder, by the subpath that users import. */
  readonly entries: Readonly<Record<string, string>>;
  /** What runs the built files. `bun` and `node` may import the runtime's own modules. */
  readonly target: "browser" | "node" | "bun";
  /** Source files that are built like entries and that nobody imports by name. */
  readonly programs?: readonly string[];
  /** Entries and programs that run on Node too, if `target` is `bun`. */
  readonly nodeEntries?: Readonly<Record<string, string>>;
  readonly nodePrograms?: readonly string[];
  /** Whether programs in CommonJS can `require` it. */
  readonly commonJs: boolean;
  /**
   * Packages of others that users install beside it. Everything else that it imports is inside:
   * what is ours, and what is named in `inside`.
   */
  readonly outside: readonly string[];
  /** Packages of others whose code is inside; their licences travel along. */
  readonly inside: readonly string[];
  /** Whether sources import the test runner of Bun. */
  readonly usesBunTest?: true;
  /** Commands by name, from the package's folder. They are files of `files`. */
  readonly bin?: Readonly<Record<string, string>>;
  /** Files and folders that are published as they are, from the folder. */
  readonly files?: readonly string[];
  /** One minified module with everything in it, for a page without a bundler. */
  readonly browserFile?: string;
  /** Entries of hooks and components, which run in a browser. */
  readonly clientComponents?: readonly string[];
  /** The demo page, built, for `holdfast dev`. */
  readonly hasPage?: true;
  readonly peers?: Readonly<Record<string, string>>;
  readonly keywords: readonly string[];
}

const WORDS = ["websocket", "real-time", "pubsub"];

/** In the order in which they would be published: nothing depends on what comes behind it. */
export const PUBLISHED: readonly Published[] = [
  {
    name: "@holdfast/contract",
    folder: "packages/contract",
    entries: { ".": "src/application.ts" },
    target: "browser",
    commonJs: true,
    outside: [],
    inside: [],
    keywords: [...WORDS, "contract", "standard-schema"],
  },
  {
    name: "@holdfast/client",
    folder: "packages/client",
    entries: {
      ".": "src/index.ts",
      "./core": "src/core-entry.ts",
      "./msgpack": "src/msgpack.ts",
      "./fallback": "src/fallback.ts",
      "./react": "src/react.ts",
      "./socket": "src/socket/index.ts",
    },
    target: "browser",
    commonJs: true,
    outside: ["react"],
    inside: [],
    browserFile: "src/index.ts",
    clientComponents: ["src/react.ts"],
    peers: { react: ">=18" },
    keywords: [...WORDS, "client", "react", "presence"],
  },
  {
    name: "@holdfast/api",
    folder: "packages/api",
    entries: { ".": "src/index.ts" },
    target: "browser",
    commonJs: true,
    outside: [],
    inside: [],
    keywords: [...WORDS, "http-api", "back-end"],
  },
  {
    name: "@holdfast/handoff",
    folder: "packages/handoff",
    entries: { ".": "src/index.ts" },
    target: "browser",
    commonJs: true,
    outside: [],
    inside: [],
    keywords: [...WORDS, "gateway", "handoff"],
  },
  {
    name: "@holdfast/pipelines",
    folder: "packages/pipelines",
    // The engine's runner and the expressions of YAML are part of the node.
    entries: { ".": "src/application.ts", "./sink": "src/sink.ts" },
    target: "browser",
    commonJs: true,
    outside: [],
    inside: [],
    keywords: [...WORDS, "pipelines", "windows", "stream-processing", "telemetry"],
  },
  {
    name: "@holdfast/sinks",
    folder: "packages/sinks",
    // The adapters are part of the node.
    entries: {
      ".": "src/index.ts",
      "./sources": "src/sources.ts",
      "./webhook": "src/webhook/verify.ts",
    },
    target: "node",
    commonJs: true,
    outside: [],
    inside: [],
    keywords: [...WORDS, "pipelines", "webhook", "postgresql", "kafka"],
  },
  {
    name: "@holdfast/testkit",
    folder: "packages/testkit",
    entries: {
      ".": "src/index.ts",
      "./contract": "src/contract/index.ts",
      "./sim": "src/sim/index.ts",
    },
    target: "bun",
    commonJs: false,
    outside: [],
    inside: [],
    usesBunTest: true,
    keywords: [...WORDS, "testing", "simulation"],
  },
  {
    name: "holdfast",
    folder: "apps/holdfast",
    entries: {},
    target: "bun",
    programs: ["src/main.ts"],
    nodeEntries: { "./testing": "src/launch/start-holdfast.ts" },
    nodePrograms: ["src/launch/index.ts"],
    commonJs: false,
    outside: [
      "@bufbuild/cel",
      "@bufbuild/protobuf",
      "@bufbuild/re2",
      "@grpc/grpc-js",
      "@grpc/proto-loader",
      "@nats-io/jetstream",
      "@nats-io/transport-node",
      "@platformatic/kafka",
      "@redis/client",
      "bun",
      "commander",
      "hdr-histogram-js",
      "jose",
      "mqtt",
      "msgpackr",
      "prom-client",
      "yaml",
      "zod",
    ],
    inside: [],
    bin: { holdfast: "holdfast.mjs" },
    files: ["holdfast.mjs"],
    hasPage: true,
    keywords: [...WORDS, "server", "kubernetes", "presence"],
  },
  {
    name: "create-holdfast",
    folder: "apps/create-holdfast",
    entries: {},
    target: "node",
    programs: ["src/main.ts"],
    commonJs: false,
    outside: [],
    inside: [],
    bin: { "create-holdfast": "dist/main.js" },
    files: ["template"],
    keywords: [...WORDS, "create", "template"],
  },
];

/** Where a package is put together: the folder that is packed. */
export const stagingOf = (name: string): string =>
  join(ROOT, ".cache/release/packages", name.replace("@", "").replace("/", "-"));

/** Where the tarballs are. */
export const TARBALLS = join(ROOT, ".cache/release/tarballs");
