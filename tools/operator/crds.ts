// Owns: the CustomResourceDefinitions of the operator, made from its table of fields.
import {
  DECISION,
  type Field,
  GROUP,
  RELEASE_SPEC,
  RELEASE_STATUS,
  type Rule,
  SET_NAME_MAX,
  SET_SPEC,
  SET_STATUS,
  type SectionField,
  VERSION,
} from "@holdfast/operator/resource";
import { stringify } from "yaml";

type Json = Readonly<Record<string, unknown>>;

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description?: string;
  /** Shown with `-o wide` alone. */
  readonly isWide?: true;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly short: string;
  readonly description: string;
  readonly spec: SectionField;
  readonly status: SectionField;
  readonly rules: readonly Json[];
  readonly columns: readonly Column[];
  readonly scale?: Json;
}

/** `-REVISION`: a dash and 10 characters. */
const SUFFIX = 11;
const LABEL_MAX = SET_NAME_MAX + SUFFIX;

export const KINDS: readonly Kind[] = [
  {
    kind: "RealtimeSet",
    plural: "realtimesets",
    short: "rts",
    description: "Pods of a real-time workload, whose releases and drains follow the connections.",
    spec: SET_SPEC,
    status: SET_STATUS,
    rules: [
      {
        rule: `size(self.metadata.name) <= ${SET_NAME_MAX}`,
        messageExpression: `'the name has %d characters, and -REVISION has ${SUFFIX}: %d is more than the ${LABEL_MAX} of a label'.format([size(self.metadata.name), size(self.metadata.name) + ${SUFFIX}])`,
      },
    ],
    scale: {
      specReplicasPath: ".spec.replicas",
      statusReplicasPath: ".status.replicas",
      labelSelectorPath: ".status.selector",
    },
    columns: [
      { name: "Desired", type: "integer", jsonPath: ".status.desiredReplicas" },
      { name: "Ready", type: "integer", jsonPath: ".status.readyReplicas" },
      { name: "Connections", type: "integer", jsonPath: ".status.connections" },
      { name: "Revision", type: "string", jsonPath: ".status.updatedRevision" },
      { name: "Status", type: "string", jsonPath: ".status.decision.condition" },
      { name: "Message", type: "string", jsonPath: ".status.message", isWide: true },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ],
  },
  {
    kind: "RealtimeRelease",
    plural: "realtimereleases",
    short: "rtr",
    description: "The record of one release of a RealtimeSet. The operator writes it.",
    spec: RELEASE_SPEC,
    status: RELEASE_STATUS,
    rules: [],
    columns: [
      { name: "Set", type: "string", jsonPath: ".spec.set" },
      { name: "From", type: "string", jsonPath: ".spec.from" },
      { name: "To", type: "string", jsonPath: ".spec.to" },
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Step", type: "integer", jsonPath: ".status.step" },
      { name: "Ended", type: "date", jsonPath: ".status.endedAt" },
      { name: "Because", type: "string", jsonPath: ".status.because", isWide: true },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ],
  },
];

const HEAD = "# Made from packages/operator/src/resource by `npm run generate`.\n";

/** The text of a CRD's file. `annotations`: what the chart adds. */
export function crdFile(kind: Kind, annotations: Json = {}): string {
  return `${HEAD}${stringify(definition(kind, annotations), { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

/** A CRD as an object. */
export function definition(kind: Kind, annotations: Json): Json {
  const { plural, short } = kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${GROUP}`,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular: kind.kind.toLowerCase(),
        shortNames: [short],
        categories: ["holdfast"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {}, ...(kind.scale === undefined ? {} : { scale: kind.scale }) },
          additionalPrinterColumns: kind.columns.map(({ isWide, ...column }) => ({
            ...column,
            ...(isWide ? { priority: 1 } : {}),
          })),
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: kind.description,
              required: ["spec"],
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: schemaOf(kind.spec),
                status: schemaOf(kind.status),
              },
              ...(kind.rules.length === 0 ? {} : { "x-kubernetes-validations": kind.rules }),
            },
          },
        },
      ],
    },
  };
}

function schemaOf(field: Field): Json {
  return {
    description: field.description,
    ...typeOf(field),
    ...(field.default === undefined ? {} : { default: defaultOf(field) }),
    ...(field.rules === undefined ? {} : { "x-kubernetes-validations": field.rules.map(ruleOf) }),
  };
}

/** Rules are checked against a default as it is written, before the fields in it get theirs. */
function defaultOf(field: Field): unknown {
  if (field.is !== "section") return field.default;
  const fields = Object.entries(field.fields as Readonly<Record<string, Field>>);
  return Object.fromEntries(
    fields
      .filter(([, inner]) => inner.default !== undefined)
      .map(([name, inner]) => [name, defaultOf(inner)]),
  );
}

const ruleOf = ({ cel, message, isFixed }: Rule): Json => ({
  rule: cel,
  ...(isFixed ? { message } : { messageExpression: message }),
});

function typeOf(field: Field): Json {
  switch (field.is) {
    case "integer":
      return {
        type: "integer",
        format: "int64",
        minimum: field.min,
        ...(field.max >= Number.MAX_SAFE_INTEGER ? {} : { maximum: field.max }),
      };
    case "decimal":
      return { type: "number" };
    case "boolean":
      return { type: "boolean" };
    case "text":
      return {
        type: "string",
        ...(field.choices === undefined ? {} : { enum: field.choices }),
        ...(field.format === undefined ? {} : { format: field.format }),
        ...(field.pattern === undefined ? {} : { pattern: field.pattern }),
        ...(field.lengthMin === undefined ? {} : { minLength: field.lengthMin }),
        ...(Number.isFinite(field.lengthMax) && field.format === undefined
          ? { maxLength: field.lengthMax }
          : {}),
      };
    case "texts":
      return {
        type: "object",
        additionalProperties: { type: "string", maxLength: field.lengthMax },
        maxProperties: field.countMax,
        ...(field.countMin > 0 ? { minProperties: field.countMin } : {}),
      };
    case "list":
      return {
        type: "array",
        items: schemaOf(field.items),
        maxItems: field.countMax,
        ...(field.countMin > 0 ? { minItems: field.countMin } : {}),
        ...(field.key === undefined
          ? { "x-kubernetes-list-type": "atomic" }
          : { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [field.key] }),
      };
    case "section":
      return sectionOf(field);
  }
}

function sectionOf(field: SectionField): Json {
  const fields = Object.entries(field.fields as Readonly<Record<string, Field>>);
  return {
    type: "object",
    ...(field.required.length === 0 ? {} : { required: field.required }),
    ...(field.isOpen ? { "x-kubernetes-preserve-unknown-fields": true } : {}),
    properties: Object.fromEntries(fields.map(([name, inner]) => [name, schemaOf(inner)])),
  };
}

/** The operator's memory is not documented field by field: it is nobody's interface. */
export const isMemory = (field: Field): boolean => field === DECISION;
