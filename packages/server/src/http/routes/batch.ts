// Owns: the operation that carries many: its commands run one after another, results in order.

import type { Outcome } from "@holdfast/contract";
import { KEY_LENGTH_MAX } from "@holdfast/protocol";
import { z } from "zod";
import type { ApiScope } from "../../options/index.ts";
import { RawJson, writeJson } from "../json.ts";
import { checkInput, done, fail, type Route, type RouteContext } from "../route.ts";
import { partFailure } from "../schemas.ts";
import { partOf } from "./publish.ts";

const COMMANDS_MAX = 1000;
/** Characters of results after which further commands are not carried out. */
const RESULT_LENGTH_MAX = 16 * 1024 * 1024;

export const BATCH_PATH = "/batch";
export const batchInput = z.strictObject({
  commands: z
    .array(z.looseObject({ op: z.string().meta({ description: "Name of an operation." }) }))
    .min(1)
    .max(COMMANDS_MAX),
});
export const batchOutput = z.object({
  results: z.array(
    z.object({
      ok: z.boolean(),
      value: z.unknown().optional().meta({ description: "What the operation answers." }),
      error: partFailure.optional(),
    }),
  ),
});

interface Command {
  readonly route: Route;
  readonly input: unknown;
}

/**
 * All commands are checked, and the caller's scopes with them, before the first is carried out.
 * Then each runs, whether the one before it succeeded or not.
 */
export async function runBatch(
  routes: readonly Route[],
  input: z.infer<typeof batchInput>,
  deps: {
    readonly context: RouteContext;
    readonly may: (scope: ApiScope) => boolean;
    readonly audit: (route: Route) => void;
  },
): Promise<Outcome<z.infer<typeof batchOutput>>> {
  const commands: Command[] = [];
  for (const [index, given] of input.commands.entries()) {
    const command = prepare(routes, given, `commands[${index}]`, deps.may);
    if (!command.ok) return command;
    commands.push(command.value);
  }
  const { idempotencyKey } = deps.context;
  if (
    idempotencyKey !== undefined &&
    `${idempotencyKey}/${commands.length}`.length > KEY_LENGTH_MAX
  ) {
    return fail(
      "request_invalid",
      `the header Idempotency-Key leaves no room for /n within ${KEY_LENGTH_MAX} characters`,
    );
  }
  const results: RawJson[] = [];
  let length = 0;
  for (const [index, { route, input: checked }] of commands.entries()) {
    if (length > RESULT_LENGTH_MAX) {
      results.push(
        new RawJson(
          resultText(
            fail(
              "payload_too_large",
              "not carried out: the results before it are too large for one answer",
            ),
          ),
        ),
      );
      continue;
    }
    if (route.audited) deps.audit(route);
    // Each command has a key of its own, so that the same batch again repeats none of them.
    const key = idempotencyKey === undefined ? undefined : `${idempotencyKey}/${index}`;
    const text = resultText(
      await route.handle(checked, { ...deps.context, idempotencyKey: ownKey(checked) ?? key }),
    );
    length += text.length;
    results.push(new RawJson(text));
  }
  // Written already, in the shape of the schema.
  return done({ results: results as unknown as z.infer<typeof batchOutput>["results"] });
}

function prepare(
  routes: readonly Route[],
  given: { readonly op: string },
  path: string,
  may: (scope: ApiScope) => boolean,
): Outcome<Command> {
  const { op, ...rest } = given;
  const route = routes.find((one) => one.batchable && one.name === op);
  if (route === undefined) {
    const names = routes.filter((one) => one.batchable).map((one) => one.name);
    return fail("request_invalid", `expected one of ${names.join(", ")}`, `${path}.op`);
  }
  if (!may(route.scope))
    return fail("permission_denied", `the API key lacks the scope ${route.scope}`, path);
  const input = checkInput(route.input, rest, path);
  return input.ok ? done({ route, input: input.value }) : input;
}

function ownKey(input: unknown): string | undefined {
  const { idempotencyKey } = input as { readonly idempotencyKey?: unknown };
  return typeof idempotencyKey === "string" ? idempotencyKey : undefined;
}

function resultText(outcome: Outcome<unknown>): string {
  return writeJson(
    outcome.ok ? { ok: true, value: outcome.value } : { ok: false, error: partOf(outcome) },
  );
}
