// Owns: what a sample of the client that imports its contract leaves out.
import type { Holdfast } from "@holdfast/client";

export type Client = Holdfast;
// sample
