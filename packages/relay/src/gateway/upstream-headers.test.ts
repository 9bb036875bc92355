import { expect, test } from "bun:test";
import { type ClientFacts, requestHeaders, requestIdOf } from "./upstream-headers.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const idOf = (given: string | undefined, isTrusted: boolean): string =>
  requestIdOf(new Headers(given === undefined ? {} : { "x-request-id": given }), isTrusted);

test("the id that a trusted proxy gave is kept; anybody else gets a new one", () => {
  for (const given of ["a", "0af7651916cd43dd8448eb211c80319c", "edge/1:2.3+4=5@x_y-z"])
    expect(idOf(given, true)).toBe(given);
  expect(idOf("a", false)).toMatch(UUID);
  expect(idOf(undefined, true)).toMatch(UUID);
  // What would break a log, or be two of them, is none.
  for (const given of ["", "a b", "a, b", "a\tb", '"a"', "{a}", "x".repeat(129), "\u00e9"])
    expect(idOf(given, true)).toMatch(UUID);
});

test("the server gets that id, whatever the client wrote, and no revision of the client's", () => {
  const facts: ClientFacts = {
    ...{ address: "192.0.2.1", isTls: false, isTrusted: false, requestId: "id-1" },
  };
  const from = new Headers({
    "x-request-id": "mine",
    "Holdfast-Revision": "v9",
    connection: "x-y",
  });
  const headers = requestHeaders(from, facts);
  expect(headers["x-request-id"]).toBe("id-1");
  expect(headers["holdfast-revision"]).toBeUndefined();
  // Connection may name any header: also one that the gateway writes.
  const named = new Headers({
    connection: "x-request-id, x-forwarded-for",
    "x-request-id": "mine",
  });
  expect(requestHeaders(named, facts)).toMatchObject({
    "x-request-id": "id-1",
    "x-forwarded-for": "192.0.2.1",
  });
});
