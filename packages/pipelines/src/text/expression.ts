// Owns: expressions in text: CEL's syntax, JSON's numbers. They are made into functions once, and
// cannot reach anything but their variables.
import { parse } from "@bufbuild/cel";
import { PipelineError } from "../pipeline-error.ts";
import { callOf, equal, fail, isTrue, member } from "./functions.ts";

/** Variables by name. */
export type Scope = Readonly<Record<string, unknown>>;

export type Expression = (scope: Scope) => unknown;

/** Longest text of one expression. */
const TEXT_MAX = 4000;
/** Parts of an expression inside one another. */
const DEPTH_MAX = 100;
/** Steps of the loops of one macro. */
const LOOP_MAX = 10_000;

type Expr = ReturnType<typeof parse>["expr"];

/**
 * Throws a PipelineError "definition" if the text is no expression, or uses a name that is none of
 * `variables`. The function throws an ExpressionError if the data does not fit.
 */
export function compileExpression(text: string, variables: readonly string[]): Expression {
  if (text.length > TEXT_MAX) throw refused(text, `more than ${TEXT_MAX} characters`);
  let expr: Expr;
  try {
    ({ expr } = parse(text));
  } catch (error) {
    throw refused(text, error instanceof Error ? error.message : String(error));
  }
  return new Compiler(text).make(expr, new Set(variables), 0);
}

const refused = (text: string, why: string): PipelineError =>
  new PipelineError("definition", `Cannot use expression "${text.slice(0, 200)}": ${why}`);

class Compiler {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  make(expr: Expr | undefined, names: ReadonlySet<string>, depth: number): Expression {
    if (expr === undefined || depth > DEPTH_MAX) throw refused(this.#text, "it is too deep");
    const { exprKind } = expr;
    switch (exprKind.case) {
      case "constExpr": {
        const { value } = exprKind.value.constantKind;
        const constant = typeof value === "bigint" ? Number(value) : value;
        const isNull = exprKind.value.constantKind.case === "nullValue";
        return isNull ? () => null : () => constant;
      }
      case "identExpr": {
        const { name } = exprKind.value;
        if (!names.has(name))
          throw refused(this.#text, `"${name}" is none of ${[...names].join(", ")}`);
        return (scope) => scope[name];
      }
      case "selectExpr": {
        const { operand, field, testOnly } = exprKind.value;
        const of = this.make(operand, names, depth + 1);
        return testOnly
          ? (scope) => {
              const object = of(scope);
              return typeof object === "object" && object !== null && Object.hasOwn(object, field);
            }
          : (scope) => member(of(scope), field);
      }
      case "listExpr": {
        const parts = exprKind.value.elements.map((one) => this.make(one, names, depth + 1));
        return (scope) => parts.map((part) => part(scope));
      }
      case "structExpr":
        return this.#struct(exprKind.value.entries, names, depth);
      case "callExpr":
        return this.#call(exprKind.value, names, depth);
      case "comprehensionExpr":
        return this.#loop(exprKind.value, names, depth);
      default:
        throw refused(this.#text, "it has a part that is not supported");
    }
  }

  #struct(
    entries: Extract<Expr["exprKind"], { case: "structExpr" }>["value"]["entries"],
    names: ReadonlySet<string>,
    depth: number,
  ): Expression {
    const parts = entries.map(({ keyKind, value }) => {
      const key: Expression =
        keyKind.case === "mapKey"
          ? this.make(keyKind.value, names, depth + 1)
          : () => keyKind.value;
      return { key, value: this.make(value, names, depth + 1) };
    });
    return (scope) =>
      Object.fromEntries(parts.map(({ key, value }) => [String(key(scope)), value(scope)]));
  }

  #call(
    call: Extract<Expr["exprKind"], { case: "callExpr" }>["value"],
    names: ReadonlySet<string>,
    depth: number,
  ): Expression {
    const { function: name, target } = call;
    const given = target === undefined ? call.args : [target, ...call.args];
    const args = given.map((arg) => this.make(arg, names, depth + 1));
    const [first = () => null, second = () => null, third = () => null] = args;
    switch (name) {
      case "_&&_":
        return (scope) => both(first, second, scope, false);
      case "_||_":
        return (scope) => both(first, second, scope, true);
      case "_?_:_":
        return (scope) => (isTrue(first(scope)) ? second(scope) : third(scope));
      case "_==_":
        return (scope) => equal(first(scope), second(scope));
      case "_!=_":
        return (scope) => !equal(first(scope), second(scope));
      case "_[_]":
        return (scope) => member(first(scope), second(scope));
      default: {
        const found = callOf(name, given.length, constantOf(call.args.at(-1)));
        if (typeof found === "string") throw refused(this.#text, found);
        if (args.length === 1) return (scope) => found(first(scope));
        if (args.length === 2) return (scope) => found(first(scope), second(scope));
        return (scope) => found(...args.map((arg) => arg(scope)));
      }
    }
  }

  /** What the macros all, exists, exists_one, map and filter are made of. */
  #loop(
    loop: Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"],
    names: ReadonlySet<string>,
    depth: number,
  ): Expression {
    const { iterVar, accuVar } = loop;
    const inner = new Set([...names, iterVar, accuVar]);
    const range = this.make(loop.iterRange, names, depth + 1);
    const start = this.make(loop.accuInit, names, depth + 1);
    const condition = this.make(loop.loopCondition, inner, depth + 1);
    const step = this.make(loop.loopStep, inner, depth + 1);
    const result = this.make(loop.result, inner, depth + 1);
    return (scope) => {
      const over = range(scope);
      const items: unknown = Array.isArray(over)
        ? over
        : typeof over === "object" && over !== null
          ? Object.keys(over)
          : undefined;
      if (!Array.isArray(items)) return fail(`cannot go through ${typeof over}`);
      if (items.length > LOOP_MAX) return fail(`a loop over more than ${LOOP_MAX} items`);
      const own: Record<string, unknown> = { ...scope, [accuVar]: start(scope) };
      for (const item of items) {
        own[iterVar] = item;
        if (condition(own) !== true) break;
        own[accuVar] = step(own);
      }
      return result(own);
    };
  }
}

/** As CEL says: the side that decides alone hides a fault of the other. */
function both(first: Expression, second: Expression, scope: Scope, decides: boolean): boolean {
  let fault: unknown;
  try {
    if (isTrue(first(scope)) === decides) return decides;
  } catch (error) {
    fault = error;
  }
  if (isTrue(second(scope)) === decides) return decides;
  if (fault !== undefined) throw fault;
  return !decides;
}

/** The text of a constant argument: patterns are compiled once. */
function constantOf(expr: Expr | undefined): string | undefined {
  if (expr?.exprKind.case !== "constExpr") return undefined;
  const { constantKind } = expr.exprKind.value;
  return constantKind.case === "stringValue" ? constantKind.value : undefined;
}
