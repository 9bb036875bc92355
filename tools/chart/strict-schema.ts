// Owns: turning what Kubernetes publishes (OpenAPI v3, CustomResourceDefinitions) into JSON schemas
// that refuse unknown fields.

export type JsonSchema = Readonly<Record<string, unknown>>;

const DROPPED = new Set(["description", "example", "externalDocs", "title"]);
const REF = "#/components/schemas/";
/**
 * Rules between fields, in CEL; a JSON schema does not know them, and test/chart evaluates them.
 */
const RULES = "x-kubernetes-validations";

/** The schema of a kind (`apps/v1/Deployment`) with everything that it refers to. */
export function strictKindSchema(openapi: unknown, kind: string): JsonSchema {
  const schemas = recordOf(recordOf(recordOf(openapi).components).schemas);
  const parts = kind.split("/");
  const [name = "", version = "", group = ""] = [parts.at(-1), parts.at(-2), parts.at(-3)];
  const found = Object.keys(schemas).find((key) =>
    listOf(recordOf(schemas[key])["x-kubernetes-group-version-kind"]).some((gvk) => {
      const { group: itsGroup, version: itsVersion, kind: itsKind } = recordOf(gvk);
      return itsGroup === group && itsVersion === version && itsKind === name;
    }),
  );
  if (found === undefined) throw new Error(`Cannot find ${kind} in the OpenAPI document`);
  const definitions = new Map<string, JsonSchema>();
  const take = (key: string) => {
    if (definitions.has(key)) return;
    definitions.set(key, {});
    definitions.set(key, strict(recordOf(schemas[key]), take));
  };
  take(found);
  return {
    $ref: `#/$defs/${found}`,
    $defs: Object.fromEntries([...definitions].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** The schema of a kind (`keda.sh/v1alpha1/ScaledObject`) from one of several definitions. */
export function strictCrdSchema(definitions: readonly unknown[], kind: string): JsonSchema {
  const [group, version, name] = kind.split("/");
  for (const definition of definitions) {
    const spec = recordOf(recordOf(definition).spec);
    if (spec.group !== group || recordOf(spec.names).kind !== name) continue;
    const served = listOf(spec.versions).find((entry) => recordOf(entry).name === version);
    const schema = recordOf(recordOf(recordOf(served).schema).openAPIV3Schema);
    const properties = recordOf(schema.properties);
    // Every object has these; definitions leave them to the API server.
    const head = {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
    };
    return strict({ ...schema, properties: { ...properties, ...head } }, () => undefined);
  }
  throw new Error(`Cannot find ${kind} in the definitions`);
}

/** Without prose; objects that state their properties allow no others. */
function strict(schema: JsonSchema, refers: (name: string) => void): JsonSchema {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === RULES) {
      out[key] = listOf(value).map((rule) => ({
        rule: recordOf(rule).rule,
        message: recordOf(rule).message,
      }));
      continue;
    }
    if (key.startsWith("x-") || DROPPED.has(key)) continue;
    if (key === "$ref" && typeof value === "string") {
      const name = value.slice(REF.length);
      refers(name);
      out.$ref = `#/$defs/${name}`;
    } else if (key === "properties") {
      out.properties = Object.fromEntries(
        Object.entries(recordOf(value)).map(([name, inner]) => [
          name,
          strict(recordOf(inner), refers),
        ]),
      );
    } else if (Array.isArray(value)) {
      out[key] = value.map((inner: unknown) =>
        typeof inner === "object" && inner !== null ? strict({ ...inner }, refers) : inner,
      );
    } else {
      out[key] =
        typeof value === "object" && value !== null && key !== "default"
          ? strict({ ...value }, refers)
          : value;
    }
  }
  // A part of anyOf or oneOf without a type only adds to the object around it.
  const closed = "properties" in out && out.type === "object" && !("additionalProperties" in out);
  if (closed && schema["x-kubernetes-preserve-unknown-fields"] !== true)
    out.additionalProperties = false;
  if (schema["x-kubernetes-int-or-string"] === true)
    out.anyOf ??= [{ type: "integer" }, { type: "string" }];
  return out;
}

function recordOf(value: unknown): JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
