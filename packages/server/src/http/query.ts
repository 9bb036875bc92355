// Owns: a query string as the input of a route: numbers where its schema has numbers.
import type { Outcome } from "@holdfast/contract";
import { z } from "zod";
import { done, fail, type Route } from "./route.ts";

/** The query's members, each given once. Types only; the route's schema checks the rest. */
export function readQuery(
  query: URLSearchParams,
  route: Pick<Route, "input">,
): Outcome<Record<string, unknown>> {
  const integers = integerMembers(route);
  const input: Record<string, unknown> = Object.create(null);
  for (const [name, text] of query) {
    if (Object.hasOwn(input, name)) return fail("request_invalid", "is given twice", name);
    // Other text stays text, which the schema refuses with the member's name.
    input[name] = integers.has(name) && /^\d{1,15}$/.test(text) ? Number(text) : text;
  }
  return done(input);
}

function integerMembers(route: Pick<Route, "input">): ReadonlySet<string> {
  const { shape } = route.input as unknown as z.ZodObject;
  return new Set(
    Object.entries(shape).flatMap(([name, schema]) => (isInteger(schema) ? [name] : [])),
  );
}

function isInteger(schema: unknown): boolean {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional)
    return isInteger(schema.unwrap());
  return schema instanceof z.ZodNumber;
}
