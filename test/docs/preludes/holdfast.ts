// Owns: what a sample of the client that imports its contract leaves out.
import { Holdfast } from "@holdfast/client";

export const imported = [Holdfast];
// sample
