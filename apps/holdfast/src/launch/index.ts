// Re-exports of what runs on Node: the launcher of the command.
export { launch } from "./launch.ts";
