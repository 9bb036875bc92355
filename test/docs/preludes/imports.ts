// Owns: what a sample imports without saying so.
import type { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

export type Client = Holdfast<typeof contract>;
// sample
