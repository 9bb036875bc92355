// Owns: a server's side of the account: each frame that it takes is a line in a file, written at
// once, so that it outlives a SIGKILL.
import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const { LEDGER = "" } = process.env;
mkdirSync(LEDGER, { recursive: true });
const file = openSync(join(LEDGER, `${process.pid}.log`), "a");

/** @param {string} frame `CLIENT NUMBER` */
export const took = (frame) => void writeSync(file, `${frame}\n`);
