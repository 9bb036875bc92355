// Checks how the Dockerfile is read, and what ours promises.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { USER_ID } from "./confined.ts";
import { copiesOf, parseDockerfile, settingOf } from "./dockerfile.ts";
import { ROOT } from "./root.ts";

describe("a Dockerfile", () => {
  test("is read with its arguments, flags, comments and continued lines", () => {
    const { stages, final } = parseDockerfile(
      [
        "# a comment",
        "ARG BASE=node:24@sha256:1=",
        "FROM --platform=amd64 $BASE AS build",
        "RUN a && \\",
        "  # between",
        "    b",
        "",
        "FROM scratch",
        "copy --from=build --chown=1:1 /a /b/* /c/",
      ].join("\n"),
    );
    expect(stages[0]).toMatchObject({
      base: "node:24@sha256:1=",
      name: "build",
      flags: { platform: "amd64" },
    });
    expect(stages[0]?.instructions).toEqual([{ name: "RUN", flags: {}, text: "a && b", line: 4 }]);
    expect(copiesOf(final)).toEqual([
      { from: "build", sources: ["/a", "/b/*"], target: "/c/", line: 9 },
    ]);
  });

  const refused: readonly (readonly [string, string, string])[] = [
    ["without a stage", "ARG A=1", "found no FROM"],
    ["with an instruction before any stage", "RUN a", "line 1"],
    ["with a stage that is named strangely", "FROM a IS b", "FROM image AS name"],
    ["that ends in the middle of a line", "FROM a\nRUN b \\", "end of the file"],
  ];
  for (const [what, text, expected] of refused) {
    test(`${what} is refused`, () => expect(() => parseDockerfile(text)).toThrow(expected));
  }
  for (const copy of [
    "COPY /a /b",
    "COPY --from=x a /b",
    "COPY --from=x /a",
    "ADD --from=x /a /b",
  ]) {
    test(`with ${copy} is refused where its copies are wanted`, () => {
      const { final } = parseDockerfile(`FROM scratch\n${copy}`);
      expect(() => copiesOf(final)).toThrow("line 2");
    });
  }
});

describe("ours", () => {
  const { stages, final } = parseDockerfile(
    readFileSync(join(ROOT, "deploy/image/Dockerfile"), "utf8"),
  );

  test("starts every stage from an image that is pinned by its digest, the last from nothing", () => {
    expect(final.base).toBe("scratch");
    for (const { base } of stages.slice(0, -1))
      expect(base).toMatch(/^[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
  });

  test("runs nothing in the last stage, and in none of another processor", () => {
    expect(settingOf(final, "RUN")).toBeUndefined();
    const foreign = stages.filter(({ flags }) => flags.platform !== "$BUILDPLATFORM");
    expect(
      foreign.flatMap(({ instructions }) => instructions).filter(({ name }) => name === "RUN"),
    ).toEqual([]);
  });

  test("is a user by number, without a health check of its own, started without a shell, drained by SIGTERM", () => {
    expect(settingOf(final, "USER")).toBe(`${USER_ID}:${USER_ID}`);
    expect(settingOf(final, "HEALTHCHECK")).toBe("NONE");
    expect(settingOf(final, "ENTRYPOINT")).toBe('["/holdfast"]');
    expect(settingOf(final, "CMD")).toBe('["serve"]');
    expect(settingOf(final, "STOPSIGNAL")).toBe("SIGTERM");
  });

  test("builds where it copies from, and is labelled with the version of the command", async () => {
    const manifest = await Bun.file(join(ROOT, "apps/holdfast/package.json")).json();
    const build = stages.find(({ name }) => name === "build");
    expect(build?.instructions.map(({ text }) => text).join("\n")).toContain("--out=/out ");
    expect(copiesOf(final).filter(({ from }) => from === "build")).toMatchObject([
      { sources: ["/out/"], target: "/" },
    ]);
    const version = final.instructions.find(
      ({ name, text }) => name === "ARG" && text.startsWith("VERSION="),
    );
    expect(version?.text).toBe(`VERSION=${manifest.version}`);
    for (const label of ["title", "description", "licenses", "version", "revision"])
      expect(settingOf(final, "LABEL")).toContain(`org.opencontainers.image.${label}="`);
  });
});
