// Owns: the check that figures in the documents are measured: each lies within what the rounds of the benchmark gave.
import { expect, test } from "bun:test";
import { lineAt, pages, ROOT } from "./pages.ts";

/** `2.6 <!-- measured: idleBytes kB -->`: a figure of Holdfast in docs/benchmarks/micro.json. */
const FIGURE = /([\d.,]+) <!-- measured: ([\w.]+)( kB)? -->/g;
/** Figures are rounded. */
const ROUNDING = 0.1;

test("figures lie within what the rounds of the benchmark gave", async () => {
  const { peers } = await Bun.file(`${ROOT}docs/benchmarks/micro.json`).json();
  const figures = (await pages()).flatMap(({ path, text }) =>
    [...text.matchAll(FIGURE)].map((match) => ({
      at: `${path}:${lineAt(text, match.index)}`,
      stated: Number(match[1]) * (match[3] === undefined ? 1 : 1024),
      measured: seriesAt(peers.holdfast, match[2] ?? ""),
    })),
  );
  expect(figures.length).toBeGreaterThan(5);
  const wrong = figures.filter(
    ({ stated, measured: { least, most } }) => !(stated >= least * (1 - ROUNDING) && stated <= most * (1 + ROUNDING)),
  );
  expect(wrong).toEqual([]);
});

interface Series {
  readonly least: number;
  readonly most: number;
}

function seriesAt(result: unknown, path: string): Series {
  const found = path.split(".").reduce<unknown>((value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key], result);
  return (found as Series | undefined) ?? { least: Number.NaN, most: Number.NaN };
}
