import { expect, test } from "bun:test";
import {
  boolean,
  duration,
  effectiveConfig,
  integer,
  list,
  loadConfig,
  type OptionTable,
  optionalText,
  optionRows,
  optionsReference,
  takeLive,
  type ValuesOf,
} from "./index.ts";

const OPTIONS = {
  port: integer({ default: 1, min: 0, max: 9, description: "Where it listens." }),
  key: optionalText({ secret: true, allowed: "text", description: "What nobody may see." }),
  pipe: {
    isOpen: boolean({ default: false, live: true, description: "Whether it is open." }),
    maxMs: duration({ default: 10, min: 1, max: 99_000, description: "How long it may take." }),
  },
};
type Config = ValuesOf<typeof OPTIONS>;
/** Another program's options: nothing in this package knows them. */
const TABLE: OptionTable<Config> = {
  options: OPTIONS,
  envPrefix: "PIPER_",
  page: "docs/piper.md",
  broken: ({ port, pipe }) =>
    pipe.isOpen && port === 0
      ? [{ option: "pipe.isOpen", found: "port 0", allowed: "a port" }]
      : [],
};

test("a program's own table gives names, values and sources", () => {
  expect(optionRows(TABLE).map(({ name, env, flag }) => [name, env, flag])).toEqual([
    ["port", "PIPER_PORT", "--port"],
    ["key", "PIPER_KEY", undefined],
    ["pipe.isOpen", "PIPER_PIPE_IS_OPEN", "--pipe-is-open"],
    ["pipe.maxMs", "PIPER_PIPE_MAX_MS", "--pipe-max-ms"],
  ]);
  const loaded = loadConfig(TABLE, {
    file: "piper.yaml",
    text: "port: 4\npipe:\n  maxMs: 2s\n",
    env: { PIPER_PORT: "5", PIPER_KEY: "hush", HOLDFAST_PORT: "7", PATH: "/bin" },
    flags: { "pipe.isOpen": "true" },
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  expect(loaded.config).toEqual({ port: 5, key: "hush", pipe: { isOpen: true, maxMs: 2000 } });
  const shown = effectiveConfig(TABLE, loaded.config, loaded.sources);
  expect(shown.map(({ value, source }) => [value, source.where])).toEqual([
    [5, "PIPER_PORT"],
    ["(hidden)", "PIPER_KEY"],
    [true, "--pipe-is-open"],
    [2000, "piper.yaml:3"],
  ]);
});

test("its prefix, its page and its relations are in what is refused", () => {
  const loaded = loadConfig(TABLE, {
    text: "nonsense: 1\npipe: {isOpen: true}\n",
    env: { PIPER_PORT: "0", PIPER_PROT: "1" },
  });
  expect(loaded.ok ? [] : loaded.problems.map(({ option, allowed }) => [option, allowed])).toEqual([
    ["PIPER_PROT", "did you mean PIPER_PORT?"],
    ["nonsense", "an option of docs/piper.md"],
    ["pipe.isOpen", "a port"],
  ]);
});

test("what is live is taken, the rest waits, and the page has every row", () => {
  const before = { port: 1, key: undefined, pipe: { isOpen: false, maxMs: 10 } };
  const after = { port: 2, key: undefined, pipe: { isOpen: true, maxMs: 10 } };
  expect(takeLive(TABLE, before, after)).toEqual({
    config: { ...before, pipe: { isOpen: true, maxMs: 10 } },
    taken: ["pipe.isOpen"],
    waiting: ["port"],
  });
  const page = optionsReference(TABLE, "# Options\n");
  for (const { name, env } of optionRows(TABLE)) {
    expect(page).toContain(`| \`${name}\` |`);
    expect(page).toContain(`\`${env}\``);
  }
});

test("a refused item of a secret list is not shown", () => {
  const keys = list<string>({
    ...{
      default: [],
      secret: true,
      allowed: "8 characters",
      countMax: 2,
      description: "What seals.",
    },
    check: (found): found is string => found.length === 8,
  });
  const table = { ...TABLE, options: { keys }, broken: () => [] };
  const loaded = loadConfig(table, { env: { PIPER_KEYS: "12345678,hush-hush" } });
  const { option, found, allowed } = (loaded.ok ? [] : loaded.problems)[0] ?? {};
  expect({ option, found, allowed }).toEqual({
    option: "keys[1]",
    found: "a hidden text of 9 characters",
    allowed: "8 characters",
  });
});
