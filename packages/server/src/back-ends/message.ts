// Owns: the bodies of holdfast.back-end.v1: what a back end is asked, and what it may answer
// (spec/back-end.md).
import type { SessionView } from "@holdfast/contract";

/** What a back end is asked. */
export type Question =
  | { readonly type: "connect"; readonly session: SessionView }
  | { readonly type: "disconnect"; readonly session: SessionView; readonly reason: string }
  | {
      readonly type: "subscribe";
      readonly session: SessionView;
      readonly channel: string;
      readonly params: Readonly<Record<string, string>>;
    }
  | {
      readonly type: "publish";
      readonly session: SessionView | undefined;
      readonly channel: string;
      readonly params: Readonly<Record<string, string>>;
      readonly key?: string;
      readonly data: unknown;
    }
  | {
      readonly type: "rpc";
      readonly session: SessionView;
      readonly method: string;
      readonly data: unknown;
    };

/** What it answered. `data` absent: it answered none. */
export interface BackEndAnswer {
  readonly reject?: string;
  readonly hasData: boolean;
  readonly data?: unknown;
}

const REJECT_LENGTH_MAX = 1000;

/** JSON. Data of bytes is `b` in base64, anything else `data`. Throws TypeError if JSON cannot. */
export function bodyOf(question: Question): string {
  if (!("data" in question)) return JSON.stringify({ v: 1, ...question });
  const { data, ...rest } = question;
  return JSON.stringify({ v: 1, ...rest, ...membersOf(data) });
}

function membersOf(data: unknown): { readonly b: string } | { readonly data: unknown } | {} {
  if (data === undefined) return {};
  if (data instanceof Uint8Array) return { b: Buffer.from(data).toString("base64") };
  return { data };
}

/** Undefined if the text is no answer. An empty text is one without anything. */
export function answerOf(text: string): BackEndAnswer | undefined {
  if (text.trim() === "") return { hasData: false };
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) return undefined;
  const { reject, data, b } = found as { reject?: unknown; data?: unknown; b?: unknown };
  if (reject !== undefined)
    return typeof reject === "string"
      ? { hasData: false, reject: reject.slice(0, REJECT_LENGTH_MAX) }
      : undefined;
  if (b === undefined) return data === undefined ? { hasData: false } : { hasData: true, data };
  if (typeof b !== "string" || !BASE64.test(b)) return undefined;
  return { hasData: true, data: new Uint8Array(Buffer.from(b, "base64")) };
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
