import { expect, test } from "bun:test";
import { refusalOf } from "./refusals.ts";
import { ReplyError } from "./reply.ts";

test.each([
  ["OOM", "full", "maxmemory"],
  ["NOREPLICAS", "unavailable", "replicas"],
  ["READONLY", "unavailable", "replica"],
  ["MASTERDOWN", "unavailable", "primary"],
  ["LOADING", "unavailable", "reading its data"],
  ["MISCONF", "unavailable", "disk"],
  ["BUSY", "unavailable", "script"],
  ["CLUSTERDOWN", "unavailable", "cluster"],
  ["TRYAGAIN", "unavailable", "moving"],
  ["MOVED", "unavailable", "redis+cluster://"],
  ["NOPERM", "refused", "right"],
  ["NOAUTH", "refused", "password"],
  ["WRONGPASS", "refused", "password"],
  ["CROSSSLOT", "internal", "slots"],
  ["HFLIMIT", "limit", "members"],
  ["ERR", "internal", "why"],
] as const)("%s is told as %s, with words and without the server's text", (first, code, words) => {
  const error = refusalOf(new ReplyError(`${first} something with a secret in it`));
  expect(error.code).toBe(code);
  expect(error.message).toContain(words);
  expect(error.message).toContain(`(${first})`);
  expect(error.message).not.toContain("secret");
});
