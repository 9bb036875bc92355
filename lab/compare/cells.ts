// Owns: how the generated pages write figures, rows of tables and charts.
import type { Series } from "../micro/series.ts";

/** A row of a table. */
export const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

export const count = (value: number): string => value.toLocaleString("en");

export const number = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** The median, and the least and the most behind it. */
export function spread(found: Series | undefined, digits: number): string {
  if (found === undefined) return "";
  const { median, least, most, values } = found;
  const only = values.length === 1 || number(least, digits) === number(most, digits);
  return only
    ? number(median, digits)
    : `${number(median, digits)} (${number(least, digits)}–${number(most, digits)})`;
}

/**
 * The chart as GitHub shows it in both of its themes. `folder` is where its files are, from the
 * page.
 */
export function picture(name: string, svg: string, folder: string): string {
  const alt = /aria-label="([^"]*)"/.exec(svg)?.[1] ?? "";
  return `<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="${folder}${name}-dark.svg">\n  <img alt="${alt}" src="${folder}${name}-light.svg">\n</picture>`;
}
