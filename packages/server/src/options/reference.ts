// Owns: docs/reference/options.md: the text above the table of a node's options.
import { optionsReference } from "@holdfast/config";
import { NODE_OPTIONS } from "./node-table.ts";

/** The page of all options of a node, as markdown. */
export const nodeOptionsReference = (): string => optionsReference(NODE_OPTIONS, HEAD);

const HEAD = `# Options

<!-- Generated from packages/server/src/options by \`npm run generate\`; a check compares the two. -->

An option can be given in a file (\`--config holdfast.yaml\`, YAML or JSON, nested as the names are), in the environment, or as a flag; a flag wins over
the environment, the environment over the file, the file over the default. Unknown names, values out of range and combinations that cannot work are
refused at start, all at once. \`holdfast config\` prints what is in force and where each value came from.

Times are numbers of milliseconds or texts like \`30s\` and \`5m\`; sizes are bytes or texts like \`64KiB\`. Lists are separated by commas in the environment
and in flags. Secrets have no flag, because a process's arguments are public. A running node takes new values of "live" options when it gets SIGHUP: it reads file and environment again and logs what it took and what needs a new process.

\`HOLDFAST_CONFIG\` names the file if \`--config\` does not.
`;
