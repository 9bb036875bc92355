// Owns: what a sample imports without saying so.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

export const imported = [Holdfast<typeof contract>];
// sample
