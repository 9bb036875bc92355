// Owns: how a log line looks, for machines and for people. Pure.
import type { LogLevel, LogLine } from "./logger.ts";

/**
 * `{"time":...,"level":...,"event":...}`, then the fields. A field cannot overwrite those three.
 */
export function formatJson({ timeMs, level, event, fields }: LogLine): string {
  const { time: _time, level: _level, event: _event, ...rest } = fields;
  return JSON.stringify({ time: new Date(timeMs).toISOString(), level, event, ...rest });
}

const COLORS: Readonly<Record<LogLevel, string>> = {
  debug: "90",
  info: "36",
  warn: "33",
  error: "31",
};

/**
 * `12:00:00.123 info  node_ready port=8000`; an error's stack goes below. Everything from outside
 * is escaped: no line can forge another or move the cursor.
 */
export function formatPretty({ timeMs, level, event, fields }: LogLine, colors: boolean): string {
  const paint = (code: string, text: string): string =>
    colors ? `\u001b[${code}m${text}\u001b[0m` : text;
  const parts = [
    paint("90", new Date(timeMs).toISOString().slice(11, 23)),
    paint(COLORS[level], level.padEnd(5)),
    printable(event),
  ];
  const below: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const error = isError(value) ? value : undefined;
    parts.push(
      `${paint("90", `${printable(name)}=`)}${plain(error === undefined ? value : errorChain(error))}`,
    );
    for (const line of error?.stack?.split("\n") ?? [])
      below.push(`\n    ${paint("90", printable(line))}`);
  }
  return parts.join(" ") + below.join("");
}

interface WrittenError {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string;
  readonly cause?: unknown;
}

/** What redact makes of an Error. */
function isError(value: unknown): value is WrittenError {
  if (typeof value !== "object" || value === null) return false;
  const { name, message, stack } = value as Partial<Record<keyof WrittenError, unknown>>;
  return (
    typeof name === "string" &&
    typeof message === "string" &&
    (stack === undefined || typeof stack === "string")
  );
}

/** Causes are as deep as redact leaves them. */
function errorChain({ name, code, message, cause }: WrittenError): string {
  const own = `${name}${code === undefined ? "" : ` ${code}`}: ${message}`;
  return isError(cause) ? `${own} <- ${errorChain(cause)}` : own;
}

/** A word is written as it is, everything else as JSON. */
function plain(value: unknown): string {
  if (typeof value === "string" && /^[\w.:/@+-]+$/.test(value)) return value;
  return printable(JSON.stringify(value) ?? "");
}

/** Escapes control characters, the C1 range, and characters that change the direction of text. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
