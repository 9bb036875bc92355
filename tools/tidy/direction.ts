// Owns: which package may import which. protocol <- config, core <- client, server <- apps.
import type { Finding } from "./rules.ts";
import { importsOf, isScript, isTest, type SourceFile } from "./source-file.ts";

/**
 * For each package, the packages of ours that its sources may import. A package without a row is an
 * error.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | "any">> = {
  "packages/protocol": [],
  "packages/contract": ["protocol"],
  "packages/config": [],
  "packages/core": ["protocol", "contract"],
  "packages/brokers/redis": ["protocol", "contract", "core"],
  "packages/brokers/link": ["protocol", "contract", "core"],
  "packages/doors/native": ["protocol", "core"],
  "packages/pipelines": ["protocol", "contract", "core"],
  "packages/doors/sse": ["protocol", "core"],
  "packages/doors/mqtt": ["protocol", "contract", "core"],
  "packages/sinks": ["protocol", "contract", "core", "pipelines"],
  "packages/kube": [],
  "packages/doctor": ["config", "kube", "operator"],
  "packages/relay": ["protocol", "core", "rehoming"],
  "packages/rehoming": [],
  "packages/gateway": ["config", "core", "kube", "rehoming", "relay"],
  "packages/handoff": ["rehoming"],
  "packages/api": ["contract"],
  "packages/client": ["protocol", "contract"],
  "packages/server": [
    "protocol",
    "contract",
    "core",
    "config",
    "broker-redis",
    "broker-link",
    "door-native",
    "door-sse",
    "door-mqtt",
    "pipelines",
  ],
  "packages/plan": ["core", "client", "operator"],
  // Its simulation draws from the core's random source; its decisions import nothing.
  "packages/operator": ["core"],
  "packages/operator-runtime": ["operator", "kube"],
  "packages/load": ["protocol", "core", "client"],
  "packages/observability": [],
  "packages/testkit": [
    "protocol",
    "contract",
    "core",
    "client",
    "server",
    "door-native",
    "pipelines",
  ],
  // What it writes for users may name what users install.
  "apps/create-holdfast": ["client", "contract", "api"],
  "apps/demo": ["protocol", "contract", "client"],
  "apps/holdfast": [
    "api",
    "pipelines",
    "protocol",
    "contract",
    "config",
    "core",
    "client",
    "broker-link",
    "server",
    "sinks",
    "kube",
    "doctor",
    "relay",
    "gateway",
    "load",
    "plan",
    "operator",
    "operator-runtime",
    "demo",
  ],
  "examples/chat": "any",
  "examples/telemetry": "any",
  "examples/factory": "any",
  "examples/leaderboard": "any",
  // Never published: it may look into everything.
  lab: "any",
};

/** Packages whose name is not their folder's. */
const NAMES: Readonly<Record<string, string>> = {
  "packages/brokers/redis": "broker-redis",
  "packages/brokers/link": "broker-link",
  "packages/doors/native": "door-native",
  "packages/doors/sse": "door-sse",
  "packages/doors/mqtt": "door-mqtt",
};

/** Imports from outside that pure packages may have: the wire's codec and the schema interface. */
const PURE_OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  "packages/protocol": ["msgpackr"],
  "packages/contract": ["@standard-schema/spec"],
  "packages/core": [],
  "packages/doors/native": [],
  "packages/doors/sse": [],
  "packages/doors/mqtt": [],
  "packages/plan": [],
  "packages/operator": [],
  "packages/rehoming": [],
  "packages/pipelines": ["@standard-schema/spec", "@bufbuild/cel", "@bufbuild/re2"],
};

/**
 * Imports that point the wrong way, cross packages by path, or bring something impure into a pure
 * package.
 */
export function direction(file: SourceFile): readonly Finding[] {
  return importsOf(file).flatMap(({ from, line }) => {
    const wrong = from.startsWith(".") ? crossing(file.path, from) : byName(file.path, from);
    return wrong === undefined ? [] : [{ path: file.path, line, rule: "direction", text: wrong }];
  });
}

function crossing(path: string, from: string): string | undefined {
  const target = new URL(from, `file:///${path}`).pathname.slice(1);
  const [here, there] = [packageOf(path), packageOf(target)];
  // A package generates files with a separate script, which the tools run.
  if (path.startsWith("tools/") && isScript(target)) return undefined;
  if (here !== there && there !== undefined)
    return `imports ${from}: packages import each other by name`;
  // What is built lies in dist; only a package's command takes it from there.
  if (isSource(path) && !/\.(tsx?|mts|mjs|css|json)$/.test(from) && !from.startsWith("./dist/"))
    return `imports ${from}: relative imports have their extension`;
  return undefined;
}

function byName(path: string, from: string): string | undefined {
  const here = packageOf(path);
  if (here === undefined || isTest(path) || isScript(path)) return undefined;
  const [scope = "", name = ""] = from.split("/");
  if (scope === "@holdfast") {
    const allowed = MAY_IMPORT[here];
    if (allowed === undefined)
      return `${here} has no row in tools/tidy/direction.ts: say what it may import`;
    // An entry beside the main one takes the main one by name, so that a program has it once.
    if (allowed === "any" || name === (NAMES[here] ?? here.split("/").at(-1))) return undefined;
    return allowed.includes(name)
      ? undefined
      : `imports @holdfast/${name}: ${here} may import ${allowed.join(", ") || "nothing of ours"}`;
  }
  const outside = PURE_OUTSIDE[here];
  return outside !== undefined &&
    !outside.includes(scope.startsWith("@") ? `${scope}/${name}` : scope)
    ? `imports ${from}: a pure package`
    : undefined;
}

function packageOf(path: string): string | undefined {
  return /^(lab|packages\/(brokers|doors)\/[^/]+|(packages|apps|examples)\/[^/]+)(?=\/)/.exec(
    path,
  )?.[0];
}

function isSource(path: string): boolean {
  return packageOf(path) !== undefined;
}
