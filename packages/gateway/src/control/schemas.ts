// Owns: what the control API takes and answers, as JSON Schema. Bodies are read by it, the OpenAPI
// document and its page are made from it.

export type SchemaType = "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";

/** The part of JSON Schema 2020-12 that the control API needs. */
export interface Schema {
  readonly type?: SchemaType | readonly SchemaType[];
  readonly description?: string;
  readonly enum?: readonly (string | null)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

type Bounds = Pick<Schema, "minimum" | "maximum" | "default">;

export const text = (description: string, more: Schema = {}): Schema => ({
  ...{ type: "string", description },
  ...more,
});
export const whole = (description: string, bounds: Bounds = {}): Schema => ({
  ...{ type: "integer", description },
  ...bounds,
});
export const number = (description: string): Schema => ({ type: "number", description });
export const flag = (description: string): Schema => ({ type: "boolean", description });
export const listOf = (items: Schema, more: Schema = {}): Schema => ({
  ...{ type: "array", items },
  ...more,
});
/** Members whose names are in `optional` may be absent. */
export const object = (
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema => ({
  ...{ type: "object", properties },
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
export const orNull = (schema: Schema): Schema => ({
  ...schema,
  ...(schema.enum === undefined ? {} : { enum: [...schema.enum, null] }),
  type: [schema.type as SchemaType, "null"],
});

/** Whether a value of a body is one. Bodies have whole numbers, texts, lists of them and flags. */
export function fits(schema: Schema, found: unknown): boolean {
  const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
  switch (schema.type) {
    case "integer":
      return (
        typeof found === "number" &&
        Number.isSafeInteger(found) &&
        found >= minimum &&
        found <= maximum
      );
    case "boolean":
      return typeof found === "boolean";
    case "string":
      return typeof found === "string" && found.length <= (schema.maxLength ?? found.length);
    case "array":
      return (
        Array.isArray(found) &&
        found.length <= (schema.maxItems ?? found.length) &&
        found.every((one) => fits(schema.items ?? {}, one))
      );
    default:
      return false;
  }
}

/** What `fits` wants, for people. */
export function expectedText({ type, minimum = 0, maximum, maxItems }: Schema): string {
  if (type === "boolean") return "true or false";
  if (type === "array") return `a list of at most ${maxItems} texts`;
  if (type === "string") return "a text";
  return `a whole number from ${minimum}${maximum === undefined ? "" : ` to ${maximum}`}`;
}
