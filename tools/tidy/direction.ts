// Owns: who may import whom. The arrow of style.md: protocol <- config, core <- client, server <- apps.
import type { Finding } from "./rules.ts";
import { importsOf, isScript, isTest, type SourceFile } from "./source-file.ts";

/** For each package, the packages of ours that its sources may import. Absent: any (tests, tools, bench). */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "packages/protocol": [],
  "packages/config": ["@holdfast/protocol"],
  "packages/core": ["@holdfast/protocol"],
  "packages/kube": ["@holdfast/config"],
  "packages/client": ["@holdfast/protocol", "@holdfast/core"],
  "packages/server": ["@holdfast/protocol", "@holdfast/core", "@holdfast/config"],
  "packages/plan": ["@holdfast/core", "@holdfast/client"],
  "packages/testkit": ["@holdfast/protocol", "@holdfast/core", "@holdfast/client", "@holdfast/server"],
  "packages/watch": [],
  "apps/console": ["@holdfast/client", "@holdfast/core", "@holdfast/protocol"],
  "apps/holdfast": [
    "@holdfast/bench",
    "@holdfast/client",
    "@holdfast/core",
    "@holdfast/protocol",
    "@holdfast/config",
    "@holdfast/kube",
    "@holdfast/server",
    "@holdfast/console",
    "@holdfast/testkit",
    "@holdfast/plan",
  ],
};

/** Imports from outside that pure packages may have: the wire's codec and the schema interface. */
const PURE_OUTSIDE: Readonly<Record<string, readonly string[]>> = {
  "packages/protocol": ["msgpackr"],
  "packages/core": ["@standard-schema/spec"],
  "packages/plan": [],
};

/** Imports that point the wrong way, cross packages by path, or bring something impure into a pure package. */
export function direction(file: SourceFile): readonly Finding[] {
  return importsOf(file).flatMap(({ from, line }) => {
    const wrong = from.startsWith(".") ? crossing(file.path, from) : byName(file.path, from);
    return wrong === undefined ? [] : [{ path: file.path, line, rule: "direction", text: wrong }];
  });
}

function crossing(path: string, from: string): string | undefined {
  const target = new URL(from, `file:///${path}`).pathname.slice(1);
  const [here, there] = [packageOf(path), packageOf(target)];
  // What a package generates is a script of its own, which the tools run.
  if (path.startsWith("tools/") && isScript(target)) return undefined;
  if (here !== there && there !== undefined) return `imports ${from}: packages import each other by name`;
  if (isSource(path) && !/\.(tsx?|mts|mjs|css|json)$/.test(from)) return `imports ${from}: relative imports have their extension`;
  return undefined;
}

function byName(path: string, from: string): string | undefined {
  const here = packageOf(path);
  if (here === undefined || isTest(path) || isScript(path)) return undefined;
  const [scope = "", name = ""] = from.split("/");
  const module = scope.startsWith("@") ? `${scope}/${name}` : scope;
  if (module.startsWith("@holdfast/")) {
    const allowed = MAY_IMPORT[here];
    // An entry beside the main one takes the main one by name, so that a program has it once.
    if (module === `@holdfast/${here.split("/")[1]}`) return undefined;
    if (allowed !== undefined && !allowed.includes(module))
      return `imports ${module}: ${here} may import ${allowed.join(", ") || "nothing of ours"}`;
    return undefined;
  }
  const outside = PURE_OUTSIDE[here];
  return outside !== undefined && !outside.includes(module) ? `imports ${from}: a pure package` : undefined;
}

function packageOf(path: string): string | undefined {
  return /^(packages|apps|examples)\/[^/]+(?=\/)/.exec(path)?.[0];
}

function isSource(path: string): boolean {
  return packageOf(path) !== undefined;
}
