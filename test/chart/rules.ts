// Owns: the rules between fields that definitions state in CEL (x-kubernetes-validations),
// evaluated as the API server does: defaults first, then each rule at its place.
import { fileURLToPath } from "node:url";
import { type CelInput, CelScalar, celEnv, celMethod, listType, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { type KubeObject, keyOf } from "./helm.ts";

const SCHEMAS = fileURLToPath(new URL("../../deploy/schemas/", import.meta.url));

export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly default?: unknown;
  readonly "x-kubernetes-validations"?: readonly {
    readonly rule: string;
    readonly message?: string;
  }[];
}

export interface Judged {
  /** Sentences about rules that do not hold or cannot be evaluated. */
  readonly broken: readonly string[];
  readonly evaluated: number;
}

/** Rules of an object's kind; kinds of Kubernetes itself have none here. */
export async function judge(object: KubeObject): Promise<Judged> {
  const file = Bun.file(
    `${SCHEMAS}${[object.kind, ...object.apiVersion.split("/")].join("-").toLowerCase()}.json`,
  );
  if (!(await file.exists())) return { broken: [], evaluated: 0 };
  const found = judgeBy(await file.json(), object);
  return { ...found, broken: found.broken.map((text) => `${keyOf(object)}: ${text}`) };
}

export function judgeBy(schema: Schema, object: unknown): Judged {
  const broken: string[] = [];
  let evaluated = 0;
  const walk = (at: Schema, value: unknown, path: string) => {
    for (const { rule, message } of at["x-kubernetes-validations"] ?? []) {
      // It compares with the object before, and a rendering has none.
      if (rule.includes("oldSelf")) continue;
      evaluated += 1;
      const holds = evaluate(rule, toCel(value, at));
      if (holds !== true)
        broken.push(`${path}: ${message ?? rule}${holds === false ? "" : ` (${holds})`}`);
    }
    for (const [name, inner, below] of children(at, value)) walk(below, inner, `${path}${name}`);
  };
  walk(schema, withDefaults(object, schema), "");
  return { broken, evaluated };
}

function children(schema: Schema, value: unknown): readonly (readonly [string, unknown, Schema])[] {
  if (Array.isArray(value))
    return value.map((item, index) => [`[${index}]`, item, schema.items ?? {}]);
  if (!isRecord(value)) return [];
  return Object.entries(value).map(([name, inner]) => [`.${name}`, inner, schemaAt(schema, name)]);
}

function schemaAt({ properties, additionalProperties }: Schema, name: string): Schema {
  return (
    properties?.[name] ?? (typeof additionalProperties === "object" ? additionalProperties : {})
  );
}

function withDefaults(value: unknown, schema: Schema): unknown {
  if (Array.isArray(value)) return value.map((item) => withDefaults(item, schema.items ?? {}));
  if (!isRecord(value)) return value;
  const missing = Object.entries(schema.properties ?? {}).filter(
    ([name, inner]) => value[name] === undefined && inner.default !== undefined,
  );
  const whole = {
    ...value,
    ...Object.fromEntries(missing.map(([name, inner]) => [name, inner.default])),
  };
  return Object.fromEntries(
    Object.entries(whole).map(([name, inner]) => [
      name,
      withDefaults(inner, schemaAt(schema, name)),
    ]),
  );
}

/** Of Kubernetes' own functions, those that rules here use. */
const isSorted = celMethod("isSorted", listType(CelScalar.INT), [], CelScalar.BOOL, function () {
  const items = [...this].map(Number);
  return items.every((item, at) => at === 0 || item >= (items[at - 1] ?? item));
});
const env = celEnv({ funcs: [...strings, isSorted] });
const plans = new Map<string, ReturnType<typeof plan>>();

/** True, false, or why it cannot be told. */
function evaluate(rule: string, self: CelInput): boolean | string {
  const planned = plans.get(rule) ?? plan(env, parse(rule));
  plans.set(rule, planned);
  const result = planned({ self });
  return typeof result === "boolean" ? result : `not evaluated: ${String(result)}`;
}

/** Whole numbers are integers to CEL unless the schema says `number`. */
function toCel(value: unknown, schema: Schema): CelInput {
  if (Array.isArray(value)) return value.map((item) => toCel(item, schema.items ?? {}));
  if (isRecord(value))
    return new Map(
      Object.entries(value).map(([name, inner]) => [name, toCel(inner, schemaAt(schema, name))]),
    );
  if (typeof value === "number")
    return Number.isInteger(value) && schema.type !== "number" ? BigInt(value) : value;
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
