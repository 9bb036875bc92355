// Owns: a client for samples that use one.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const hf = new Holdfast<typeof contract>("ws://localhost:8000/connect");
// sample
await hf.close();
