import { expect, test } from "bun:test";
import {
  ClientClosedError,
  ConnectionTimeoutError,
  ErrorReply,
  SocketClosedUnexpectedlyError,
} from "@redis/client";
import { reasonOf } from "./socket-reasons.ts";

test("errors of the library are told in words, whatever their classes are called", () => {
  expect(reasonOf(new ConnectionTimeoutError())).toContain("no connection in time");
  expect(reasonOf(new SocketClosedUnexpectedlyError())).toBe("the socket closed");
  expect(reasonOf(new ClientClosedError())).toBe("the connection was ended here");
  class Mangled extends Error {}
  expect(reasonOf(new Mangled("with a secret"))).toBe("an error without a code");
  expect(reasonOf("with a secret")).toBe("an error without a code");
});

test("of the system its code, of the server the first word alone", () => {
  expect(reasonOf(Object.assign(new Error("x"), { code: "ECONNREFUSED" }))).toBe("ECONNREFUSED");
  expect(reasonOf(new ErrorReply("WRONGPASS with a secret"))).toBe("WRONGPASS");
});
