// Owns: a dashboard in the terminal: the newest reading of every sensor, at once and whenever one
// changes.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const [url = "ws://localhost:8000/connect"] = process.argv.slice(2);
const readings = new Map<string, string>();
new Holdfast<typeof contract>(url).channel("telemetry:boiler").subscribe(({ key = "", data }) => {
  readings.set(key, `${key} ${data.value.toFixed(2)} ${data.unit}`);
  console.log([...readings.values()].join("   "));
});
