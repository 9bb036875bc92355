import { expect, test } from "bun:test";
import { type Json, KubeApiError } from "@holdfast/kube";
import { TemplateCheck } from "./template-check.ts";

const OWNER = {
  ...{ name: "rt", namespace: "live", uid: "u", revision: "r2" },
  selector: { app: "rt" },
  template: { metadata: { labels: { app: "rt" } }, spec: { containers: [] } },
};
const THERE: Json = { metadata: { labels: { "pod-template-hash": "r2" } } };

function stage(answers: readonly (KubeApiError | undefined)[]) {
  let nowMs = 0;
  const asked: string[] = [];
  const check = new TemplateCheck(
    {
      preview: async (path) => {
        const answer = answers[asked.length];
        asked.push(path);
        if (answer !== undefined) throw answer;
        return {};
      },
    },
    () => nowMs,
  );
  return {
    asked,
    look: (sets: readonly Json[] = []) => check.problem(OWNER, "r2", sets),
    later: (ms: number) => {
      nowMs += ms;
    },
  };
}
const refused = (status: number, reason: string) =>
  new KubeApiError("env.value: expected a text", { status, reason });

test("a revision that is there is not asked for, and another one once", async () => {
  const { asked, look } = stage([]);
  expect(await look([THERE])).toBeUndefined();
  expect(asked).toEqual([]);
  await look();
  await look();
  expect(asked).toEqual(["/apis/apps/v1/namespaces/live/replicasets"]);
});

test.each([
  [400, "BadRequest"],
  [403, "Forbidden"],
  [422, "Invalid"],
])("a refusal with %d is the template's, and asked again after a while", async (status, reason) => {
  const { asked, look, later } = stage([refused(status, reason), undefined]);
  expect(await look()).toContain("revision r2: env.value: expected a text");
  expect(await look()).toContain("env.value");
  expect(asked).toHaveLength(1);
  later(30_000);
  expect(await look()).toBeUndefined();
});

test("a name that is taken is no problem of the template", async () => {
  expect(await stage([refused(409, "AlreadyExists")]).look()).toBeUndefined();
});

test.each([0, 401, 429, 503])(
  "an API server that answers %d says nothing of it",
  async (status) => {
    await expect(stage([refused(status, "x")]).look()).rejects.toThrow("env.value");
  },
);
