// Owns: a check that the chat example works as its README says: two programs, one node.
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { patience } from "../../test/patience.ts";
import { exampleNode, linesOf } from "../example-node.ts";
import contract from "./holdfast.config.ts";

setDefaultTimeout(patience(15_000));

const start = (name: string, url: string) =>
  Bun.spawn([process.execPath, join(import.meta.dir, "chat.ts"), name, url], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });

test("what one says the other hears, and a newcomer reads what was said", async () => {
  await using node = await exampleNode(contract);
  const ada = start("Ada", node.url);
  const adaHears = linesOf(ada.stdout);
  ada.stdin.write("hello\n");
  ada.stdin.flush();
  expect(await adaHears.next()).toBe("Ada: hello");

  const grace = start("Grace", node.url);
  const graceHears = linesOf(grace.stdout);
  expect(await graceHears.next()).toBe("Ada: hello");
  grace.stdin.write("good morning\n");
  grace.stdin.flush();
  expect(await adaHears.next()).toBe("Grace: good morning");

  for (const program of [ada, grace]) program.stdin.end();
  expect(await Promise.all([ada.exited, grace.exited])).toEqual([0, 0]);
});
