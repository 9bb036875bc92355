// Owns: what a field of a resource can be. One table of fields gives the types of TypeScript, the
// schema of the CRD, the reading of what the API server stores, and the reference.

/**
 * A rule over several fields. The API server checks `cel`; a reading checks `holds`. Tests compare
 * both. The message has the values.
 */
export interface Rule {
  readonly cel: string;
  /** The text of the refusal: CEL that makes a string, or the string itself if `isFixed`. */
  readonly message: string;
  readonly isFixed?: true;
  /** Absent: only the API server can know, because the rule compares with the object before. */
  readonly holds?: (value: never) => boolean;
}

interface About {
  readonly description: string;
  readonly rules?: readonly Rule[];
}

export interface IntegerField<D extends number | undefined = number | undefined> extends About {
  readonly is: "integer";
  readonly min: number;
  readonly max: number;
  readonly default: D;
}

/** A number that has a fraction. */
export interface DecimalField extends About {
  readonly is: "decimal";
  readonly default: undefined;
}

export interface TextField<T extends string = string, D extends T | undefined = T | undefined>
  extends About {
  readonly is: "text";
  readonly default: D;
  readonly lengthMax: number;
  readonly lengthMin?: number;
  readonly pattern?: string;
  /** `date-time`: RFC 3339. */
  readonly format?: "date-time";
  readonly choices?: readonly T[];
}

export interface BooleanField<D extends boolean | undefined = boolean | undefined> extends About {
  readonly is: "boolean";
  readonly default: D;
}

/** A map from names to texts, such as labels. */
export interface TextsField extends About {
  readonly is: "texts";
  readonly default: undefined;
  readonly countMax: number;
  readonly countMin: number;
  readonly lengthMax: number;
}

export interface ListField<T extends Field = Field> extends About {
  readonly is: "list";
  readonly default: undefined;
  readonly items: T;
  readonly countMin: number;
  readonly countMax: number;
  /** The list is a map by this field of its items, for server-side apply. */
  readonly key?: string;
}

export interface SectionField<
  F extends Fields = Fields,
  R extends string = string,
  D extends Record<string, never> | undefined = Record<string, never> | undefined,
> extends About {
  readonly is: "section";
  readonly fields: F;
  readonly required: readonly R[];
  /** `{}`: a section that is absent is there with its defaults. */
  readonly default: D;
  /** Fields that the table does not know stay, as in a pod template. */
  readonly isOpen?: true;
}

export type Fields = { readonly [name: string]: Field };
export type Field =
  | IntegerField
  | DecimalField
  | TextField
  | BooleanField
  | TextsField
  | ListField
  // biome-ignore lint/suspicious/noExplicitAny: a section of any fields; `Stored` gives its type.
  | SectionField<any, any, any>;

/** The type of a field's value as it is stored: defaults are filled in. */
export type Stored<T> =
  T extends IntegerField<infer _>
    ? number
    : T extends DecimalField
      ? number
      : T extends TextField<infer C, infer _>
        ? C
        : T extends BooleanField<infer _>
          ? boolean
          : T extends TextsField
            ? Readonly<Record<string, string>>
            : T extends ListField<infer I>
              ? readonly Stored<I>[]
              : T extends SectionField<infer F, infer R, infer _>
                ? StoredFields<F, R>
                : never;

type IsThere<T> = T extends { readonly default: infer D }
  ? D extends undefined
    ? false
    : true
  : false;
type ThereNames<F, R> = {
  [K in keyof F]: K extends R ? K : IsThere<F[K]> extends true ? K : never;
}[keyof F];
type StoredFields<F, R> = { readonly [K in ThereNames<F, R>]: Stored<F[K]> } & {
  readonly [K in Exclude<keyof F, ThereNames<F, R>>]?: Stored<F[K]>;
};

interface IntegerLimits<D> {
  readonly min: number;
  readonly max: number;
  readonly default?: D;
  readonly rules?: readonly Rule[];
}

export function integer<D extends number | undefined = undefined>(
  description: string,
  { default: value, ...limits }: IntegerLimits<D>,
): IntegerField<D> {
  return { is: "integer", description, default: value as D, ...limits };
}

export const decimal = (description: string): DecimalField => ({
  is: "decimal",
  description,
  default: undefined,
});

interface TextLimits<D> {
  readonly default?: D;
  readonly lengthMax?: number;
  readonly lengthMin?: number;
  readonly pattern?: string;
  readonly format?: "date-time";
  readonly rules?: readonly Rule[];
}

const TEXT_MAX = 253;

export function text<D extends string | undefined = undefined>(
  description: string,
  { default: value, lengthMax = TEXT_MAX, ...limits }: TextLimits<D> = {},
): TextField<string, D> {
  return { is: "text", description, default: value as D, lengthMax, ...limits };
}

export function choice<const C extends string, const D extends C | undefined = undefined>(
  description: string,
  choices: readonly C[],
  value?: D,
): TextField<C, D> {
  return { is: "text", description, default: value as D, lengthMax: TEXT_MAX, choices };
}

export function boolean<D extends boolean | undefined = undefined>(
  description: string,
  value?: D,
): BooleanField<D> {
  return { is: "boolean", description, default: value as D };
}

export function texts(
  description: string,
  limits: { readonly countMin?: number; readonly countMax: number; readonly lengthMax: number },
): TextsField {
  return { is: "texts", description, default: undefined, countMin: 0, ...limits };
}

export function list<T extends Field>(
  description: string,
  items: T,
  limits: {
    readonly countMin?: number;
    readonly countMax: number;
    readonly key?: string;
    readonly rules?: readonly Rule[];
  },
): ListField<T> {
  return { is: "list", description, default: undefined, items, countMin: 0, ...limits };
}

interface SectionParts<F extends Fields, R> {
  readonly fields: F;
  readonly required?: readonly R[];
  readonly rules?: readonly Rule[];
  readonly isOpen?: true;
}

/** A section that may be absent, unless the section around it requires it. */
export function section<F extends Fields, R extends keyof F & string = never>(
  description: string,
  { required = [], ...parts }: SectionParts<F, R>,
): SectionField<F, R, undefined> {
  return { is: "section", description, required, default: undefined, ...parts };
}

/** A section that is there with its defaults if nobody wrote it. */
export function filled<F extends Fields>(
  description: string,
  parts: Omit<SectionParts<F, never>, "required">,
): SectionField<F, never, Record<string, never>> {
  return { is: "section", description, required: [], default: {}, ...parts };
}
