// Owns: the stream processors that are compared: their names, and how each is set up, in the words
// of the page.

export const ENGINE_NAMES = ["benthos", "holdfast", "holdfast-redis"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export const ENGINE_TEXTS: Readonly<
  Record<EngineName, { readonly title: string; readonly setup: string }>
> = {
  benthos: {
    title: "Benthos",
    setup:
      "Written in Go (MIT). Version 4.27.0 is the last one whose components for Kafka have that licence. It is built from the module `github.com/benthosdev/benthos/v4` with its own components. `kafka_franz` reads, a mapping filters, and `system_window` keeps the events of a window in memory. `group_by_value` and a mapping give one result for each device, and `kafka_franz` writes them in batches. Positions go to Kafka once a second. After a crash Benthos reads the events of open windows again.",
  },
  holdfast: {
    title: "Holdfast",
    setup:
      "`holdfast serve` with a source and a pipeline in YAML, and with everything in memory. The source publishes each event to a channel with a history of 200,000. Clients could subscribe to it. The pipeline reads the channel.",
  },
  "holdfast-redis": {
    title: "Holdfast over Redis",
    setup:
      "The same with `broker.url`: every event is in Redis once, and positions, windows and results are committed there together. Any other node could go on. Redis' CPU is in a row of its own.",
  },
};
