// Owns: checks of what a node serves as the page.
import { beforeAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { buildConsole, CONSOLE_CSP, type ConsoleFile } from "./build.ts";

let files: ReadonlyMap<string, ConsoleFile>;
beforeAll(async () => {
  files = await buildConsole();
});

const bytes = (path: string) => Buffer.from(files.get(path)?.body ?? "");

describe("the built page", () => {
  test("has the document and every file that the document names", () => {
    const html = bytes("/").toString();
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? "");
    expect(named.length).toBe(4);
    for (const path of named) expect(files.has(path)).toBe(true);
  });

  test("says how many nodes serve it", async () => {
    expect(bytes("/").toString()).toContain('<meta name="holdfast-nodes" content="1" />');
    const ofThree = (await buildConsole({ nodes: 3 })).get("/")?.body;
    expect(ofThree).toContain('<meta name="holdfast-nodes" content="3" />');
  });

  test("runs under its policy: no inline script or style, nothing from elsewhere", () => {
    const html = bytes("/").toString();
    expect(html).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son\w+=/);
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    expect(CONSOLE_CSP).not.toContain("unsafe");
    expect(bytes("/assets/page.css").toString()).not.toMatch(/@import|url\((?!['"]?data:)/);
  });

  test("leaves the contract's schemas on the server and stays small", () => {
    const main = bytes("/assets/main.js");
    expect(main.toString()).not.toMatch(/zod/i);
    expect(gzipSync(main).length).toBeLessThan(130_000);
  });
});
