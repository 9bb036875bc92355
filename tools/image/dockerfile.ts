// Owns: reading a Dockerfile: its stages, and what the last one copies. Enough of the syntax for
// ours; what it does not know it refuses.
import { ImageError } from "./image-error.ts";

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  readonly flags: Readonly<Record<string, string>>;
  /** The rest, continuation lines joined. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

export interface Stage {
  /** What it starts from, arguments filled in. */
  readonly base: string;
  readonly name: string | undefined;
  readonly flags: Readonly<Record<string, string>>;
  readonly instructions: readonly Instruction[];
}

/** `COPY --from=stage sources... target`. */
export interface Copy {
  readonly from: string;
  /** Absolute paths in that stage; may have `*`. */
  readonly sources: readonly string[];
  /** Absolute; a folder when it ends in a slash. */
  readonly target: string;
  readonly line: number;
}

export interface Dockerfile {
  readonly stages: readonly Stage[];
  /** The stage that becomes the image. */
  readonly final: Stage;
}

/** Reads the text; throws `ImageError` with the line for what is no Dockerfile. */
export function parseDockerfile(text: string): Dockerfile {
  const args = new Map<string, string>();
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  for (const instruction of instructionsOf(text)) {
    const current = stages.at(-1);
    if (instruction.name === "FROM") {
      const [base = "", as, name] = instruction.text.split(/\s+/);
      if (base === "" || (as !== undefined && as.toUpperCase() !== "AS"))
        throw new ImageError(
          `Cannot read line ${instruction.line} of the Dockerfile: found FROM ${instruction.text}, expected FROM image AS name`,
        );
      stages.push({ base: filled(base, args), name, flags: instruction.flags, instructions: [] });
    } else if (current !== undefined) {
      current.instructions.push(instruction);
    } else if (instruction.name === "ARG") {
      const [name = "", ...value] = instruction.text.split("=");
      args.set(name, value.join("="));
    } else {
      throw new ImageError(
        `Cannot read line ${instruction.line} of the Dockerfile: found ${instruction.name} before any FROM, expected ARG or FROM`,
      );
    }
  }
  const final = stages.at(-1);
  if (final === undefined)
    throw new ImageError("Cannot read the Dockerfile: found no FROM, expected one");
  return { stages, final };
}

/**
 * The copies of a stage, in order. Throws `ImageError` for one that takes files from anywhere but
 * another stage.
 */
export function copiesOf(stage: Stage): readonly Copy[] {
  return stage.instructions
    .filter(({ name }) => name === "COPY" || name === "ADD")
    .map(({ name, flags, text, line }) => {
      const paths = text.split(/\s+/);
      const target = paths.pop();
      if (
        name === "ADD" ||
        flags.from === undefined ||
        target === undefined ||
        paths.length === 0 ||
        ![target, ...paths].every((path) => path.startsWith("/"))
      )
        throw new ImageError(
          `Cannot follow line ${line} of the Dockerfile: found ${name} ${text}, expected COPY --from=stage with absolute paths`,
        );
      return { from: flags.from, sources: paths, target, line };
    });
}

/** The argument of the last instruction of a name; undefined if there is none. */
export function settingOf(stage: Stage, name: string): string | undefined {
  return stage.instructions.findLast((instruction) => instruction.name === name)?.text;
}

function filled(text: string, args: ReadonlyMap<string, string>): string {
  return text.replaceAll(
    /\$\{(\w+)\}|\$(\w+)/g,
    (whole, braced: string | undefined, bare: string | undefined) =>
      args.get(braced ?? bare ?? "") ?? whole,
  );
}

function instructionsOf(text: string): readonly Instruction[] {
  const found: Instruction[] = [];
  const lines = text.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    let joined = lines[index]?.trim() ?? "";
    if (joined === "" || joined.startsWith("#")) continue;
    while (joined.endsWith("\\")) {
      const next = lines[++index]?.trim();
      if (next === undefined)
        throw new ImageError(
          `Cannot read line ${line} of the Dockerfile: found a \\ at the end of the file, expected another line`,
        );
      joined = joined.slice(0, -1) + (next.startsWith("#") ? "\\" : next);
    }
    const [name = "", ...words] = joined.split(/\s+/);
    const flags: Record<string, string> = {};
    while (words[0]?.startsWith("--") === true) {
      const [flag = "", ...value] = words.shift()?.slice(2).split("=") ?? [];
      flags[flag] = value.join("=");
    }
    found.push({ name: name.toUpperCase(), flags, text: words.join(" "), line });
  }
  return found;
}
