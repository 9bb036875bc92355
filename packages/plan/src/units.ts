// Owns: how figures of a plan are written for people.

export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
export const percent = (share: number): string =>
  `${share < 0.0995 && share > 0 ? (share * 100).toFixed(1) : Math.round(share * 100)} %`;

export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)),
  );
  const scaled = value / 1000 ** power;
  return `${scaled < 10 && power > 0 ? scaled.toFixed(1) : Math.round(scaled)} ${units[power]}`;
}

export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

/** A bar of at most `width` signs; a value above 0 is seen. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
  if (eighths === 0) return share > 0 ? "▏" : "";
  return "█".repeat(Math.floor(eighths / 8)) + (parts[eighths % 8] ?? "");
}

/** One sign for each value from 0 to 1. */
export const sparkline = (shares: readonly number[]): string =>
  shares
    .map((share) => " ▁▂▃▄▅▆▇█"[Math.min(8, Math.max(0, Math.ceil(share * 8 - 1e-9)))] ?? " ")
    .join("");
