#!/usr/bin/env node
// Owns: the command of the installed package: it runs on Bun, which it brings, whoever starts it.
import { launch } from "./dist/launch/index.js";

process.exitCode = await launch(process);
