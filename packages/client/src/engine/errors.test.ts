import { expect, test } from "bun:test";
import { CODES, type CodeName } from "@holdfast/protocol";
import { errorFromWire, finalErrorOf, HoldfastError, isFinal, retryOf } from "./errors.ts";

const names = Object.keys(CODES) as CodeName[];

test("the client's advice on every code is the protocol's", () => {
  for (const name of names)
    expect([name, retryOf(CODES[name].number)]).toEqual([name, CODES[name].retry]);
});

test("numbers of errors that the client itself makes are the protocol's", () => {
  for (const name of names) {
    const { number } = new HoldfastError(name, "");
    if (number !== 0) expect([name, number]).toEqual([name, CODES[name].number]);
  }
  for (const name of names.filter((name) => CODES[name].number >= 300))
    expect([name, new HoldfastError(name, "").number]).toEqual([name, CODES[name].number]);
});

test("a goodbye means stop exactly when its close code does", () => {
  for (const name of names) {
    const row: { readonly number: number; readonly close?: number } = CODES[name];
    const stops = row.close !== undefined && row.close >= 4500 && row.close <= 4999;
    expect([name, isFinal(row.number)]).toEqual([name, stops]);
    const closed =
      row.close === undefined ? undefined : finalErrorOf({ closeCode: row.close, reason: "" });
    expect([name, closed?.number]).toEqual([name, stops ? row.number : undefined]);
  }
});

test("an error of the wire keeps its name, number, path and hint", () => {
  const error = errorFromWire({
    code: 204,
    name: "payload_invalid",
    msg: "no",
    path: "a.b",
    retryMs: 5,
  });
  expect(error).toMatchObject({
    code: "payload_invalid",
    number: 204,
    path: "a.b",
    retryAfterMs: 5,
    retry: "never",
  });
  expect(errorFromWire({ code: 999, name: "of_tomorrow", msg: "?" })).toMatchObject({
    code: "of_tomorrow",
    number: 999,
    retry: "never",
  });
});

test("the cause is kept, and logs name the kind of error", () => {
  const cause = new TypeError("x");
  const error = new HoldfastError("timeout", "late", { cause });
  expect([error.cause, error.name]).toEqual([cause, "HoldfastError"]);
});
