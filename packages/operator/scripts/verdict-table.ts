// Owns: printing the table of verdicts of docs/design/operator.md:
// `npx bun packages/operator/scripts/verdict-table.ts [releases for each row]`.
import { rowsOf, tableOf } from "../src/testing/verdict-table.ts";

console.log(tableOf(rowsOf(Number(process.argv[2] ?? 100))));
