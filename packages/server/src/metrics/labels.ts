// Owns: the labels of metrics and what each may say.

/** What each label may say. Every label has a bounded set of values. */
export const LABELS = {
  back_end: "name of a back end of option `backEnds`",
  change: "`joined`, `left`, `died`",
  fate: "of events: `received`, `added`, `filtered`, `duplicate`, `throttled`, `taken`, `late`, `dead`, `passed`; of records: see the description",
  pipeline: "name of a pipeline",
  sink: "kind of a sink, such as `channel` or `kafka`",
  output: "which output of the pipeline, from 0: each `to` in its order, then late, then dead",
  source: "name of a source",
  class: "delivery class of the channel: `volatile`, `latest`, `ordered`, `durable`",
  code: "name of a code of the protocol; `none` if there is none",
  method: "name of an RPC of the contract; `other` beyond 200 names",
  node: "id of the node",
  order: "`drain`, `undrain`, `shed`",
  outcome: "see the description",
  packet: "type of a packet of MQTT: `publish`, `puback` ...",
  direction: "`in`, `out`",
  protocol: "`3.1.1`, `5`",
  policy: "`disconnect`, `drop`, `conflate`, `catch-up`",
  question: "`connect`, `disconnect`, `subscribe`, `publish`, `rpc`",
  reason: "see the description",
  revision: "option `revision`",
  route: "name of an HTTP API operation, or of a part of `/events`; `none` for a path that is none",
  signal: "`lost`, `slow`, `closed_abnormally`",
  state: "`starting`, `ready`, `draining`, `stopped`",
  status: "HTTP status",
  step: "`started`, `migrate`, `goodbye`, `cut`, `finished`, `undone`, `reached`, `over`",
  version: "version of Holdfast",
  where: "part of the engine; `other` beyond 50",
} as const;
export type LabelName = keyof typeof LABELS;
