// Owns: a board in the terminal: each window as it closes, and alarms as they are raised.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const [url = "ws://localhost:8000/connect"] = process.argv.slice(2);
const holdfast = new Holdfast<typeof contract>(url);

interface Window {
  readonly key: { readonly line: string; readonly machine: string };
  readonly mean: number;
  readonly most: number;
  readonly n: number;
}

interface Alarm {
  readonly key: { readonly line: string; readonly machine: string };
  readonly state: "raised" | "cleared";
  readonly value: number;
}

for (const line of ["north", "south"] as const) {
  holdfast.channel(`heat:${line}`).subscribe(({ data }) => {
    const { key, mean, most, n } = data as Window;
    console.log(`${line} ${key.machine}: ${mean.toFixed(1)} °C, at most ${most}, of ${n} readings`);
  });
  holdfast.channel(`alarms:${line}`).subscribe(({ data }) => {
    const { key, state, value } = data as Alarm;
    console.log(`${line} ${key.machine}: ALARM ${state} at ${value} °C`);
  });
}
