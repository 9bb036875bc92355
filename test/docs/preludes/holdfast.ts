// Owns: the lines that a sample of the client, which imports its contract, leaves out.
import { Holdfast } from "@holdfast/client";

export const imported = [Holdfast];
// sample
