// Re-exports of the door for HTTP.
export * from "./formats.ts";
export * from "./places.ts";
export * from "./request-door.ts";
export * from "./stream-door.ts";
