// Re-exports: the page, its contract and its device, for the command that serves them.
export {
  buildConsole,
  buildPipelinesPage,
  CONSOLE_CSP,
  ConsoleBuildError,
  type ConsoleFile,
} from "./build.ts";
export { type DemoContract, demoContract } from "./contract.ts";
export { type DemoDevice, startDemoDevice } from "./device.ts";
export * from "./live.ts";
export { type FleetNode, NODES_PATH } from "./names.ts";
