#!/usr/bin/env node
// Owns: the command of the installed package. It always runs on the Bun that the package brings.
import { launch } from "./dist/launch/index.js";

process.exitCode = await launch(process);
