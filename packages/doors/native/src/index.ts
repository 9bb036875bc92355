// Re-exports of the door for holdfast.v1.
export * from "./native-door.ts";
