// Owns: the measurements of a comparison of telemetry, from its arguments.
import { parseArgs } from "node:util";
import { ArgumentError } from "../compare/plan.ts";
import { SUBJECT_NAMES, type Subject, type SubjectName, type Turn } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";

export interface Plan {
  readonly name: SubjectName;
  readonly rounds: number;
  readonly quick: boolean;
  readonly scenarios: readonly string[];
  readonly rivals: readonly string[];
  readonly resume: boolean;
  readonly sizes: unknown;
}

const FLAGS = SUBJECT_NAMES.map((name) => `--${name}`).join(", ");
const listed = (name: SubjectName): string =>
  `    scenarios: ${SUBJECTS[name].scenarios.join(", ")}\n    servers: ${SUBJECTS[name].rivals.join(", ")}`;

export const HELP = `bench:compare -- --mqtt: messages of QoS 1 and idle connections on Holdfast and other MQTT brokers
${listed("mqtt")}
bench:compare -- --pipelines: a filter, a window of 10 s and Kafka on both sides, on Holdfast and Benthos
${listed("pipelines")}
  --quick        one short round; docs are left alone
  --rounds N     rounds (default 3); each measures every server once
  --resume       go on with an interrupted run
  --only a,b     some of the scenarios
  --rivals a,b   some of the servers
`;

/** Undefined: help is wanted. Throws ArgumentError. */
export function planFrom(args: readonly string[]): Plan | undefined {
  const values = read(args);
  if (values.help === true) return undefined;
  const names = SUBJECT_NAMES.filter((name) => values[name] === true);
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new ArgumentError(`Cannot measure: found ${names.length} of ${FLAGS}, expected one`);
  const { scenarios, rivals, sizes }: Subject = SUBJECTS[name];
  const quick = values.quick === true;
  return {
    name,
    quick,
    rounds: roundsOf(values.rounds ?? (quick ? "1" : "3")),
    scenarios: chosen("--only", values.only, scenarios),
    rivals: chosen("--rivals", values.rivals, rivals),
    resume: values.resume === true,
    sizes: sizes(quick),
  };
}

/** Servers take turns within a scenario, scenarios within a round. */
export function turnsOf({
  name,
  rounds,
  scenarios,
  rivals,
}: Pick<Plan, "name" | "rounds" | "scenarios" | "rivals">): readonly Turn[] {
  return Array.from({ length: rounds }, (_, place) =>
    scenarios.flatMap((scenario) =>
      rivals.map((rival): Turn => ({ scenario, rival, round: place + 1 })),
    ),
  )
    .flat()
    .filter((turn) => SUBJECTS[name].takesPart(turn));
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        mqtt: { type: "boolean" },
        pipelines: { type: "boolean" },
        quick: { type: "boolean" },
        rounds: { type: "string" },
        resume: { type: "boolean" },
        only: { type: "string" },
        rivals: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError(
      `Cannot read the arguments: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new ArgumentError(
      `Cannot measure: found --rounds ${text}, expected a whole number from 1 to 100`,
    );
  return rounds;
}

function chosen(
  flag: string,
  text: string | undefined,
  names: readonly string[],
): readonly string[] {
  if (text === undefined) return names;
  const wanted = text.split(",");
  for (const name of wanted)
    if (!names.includes(name))
      throw new ArgumentError(
        `Cannot measure: found ${flag} ${name}, expected some of ${names.join(", ")}`,
      );
  return names.filter((name) => wanted.includes(name));
}
