// Owns: records on their way from the engine to the sinks: first committed, then handed over, then
// confirmed and forgotten.
import { hash32 } from "../aggregate/hash.ts";
import type { Output } from "../engine/compile.ts";
import type { Emitted } from "../engine/run.ts";
import type { SinkRecord } from "../sink.ts";
import { type Outbox, recordText, type WrittenOutbox } from "./checkpoint.ts";

/** The way into one sink; `SinkDelivery` is one. */
export interface DeliveryPort {
  readonly isFull: boolean;
  /** `bytes`: of its value as JSON. */
  push(record: SinkRecord, bytes: number): void;
  flush(withinMs: number): Promise<boolean>;
  close(withinMs: number): Promise<boolean>;
}

interface Box {
  readonly output: Output;
  readonly prefix: string;
  sequence: number;
  /** Of the newest record that `save` or `changes` told. */
  told: number;
  /** Not confirmed, oldest first. */
  records: SinkRecord[];
  /** Each as it is committed, maybe several times, and the bytes of its value in it. */
  texts: string[];
  bytes: number[];
  /** How many of them, from the first, the delivery has. */
  handed: number;
  delivery: DeliveryPort | undefined;
}

export class Outboxes {
  /** Bytes of all records as JSON, roughly. */
  bytes = 0;
  readonly #boxes: readonly Box[];

  constructor(outputs: readonly Output[], idPrefix: string) {
    this.#boxes = outputs.map((output) => ({
      output,
      prefix: `${idPrefix}/${hash32(output.id).toString(36)}`,
      sequence: 0,
      told: 0,
      records: [],
      texts: [],
      bytes: [],
      handed: 0,
      delivery: undefined,
    }));
  }

  get records(): number {
    return this.#boxes.reduce((sum, { records }) => sum + records.length, 0);
  }

  /** Whether a sink has so much to do that nothing more should be made for it. */
  get isFull(): boolean {
    return this.#boxes.some(({ delivery }) => delivery?.isFull === true);
  }

  /** Takes over what an earlier owner kept. Answers records of outputs that are no more. */
  load(kept: readonly Outbox[]): Emitted[] {
    const gone: Emitted[] = [];
    for (const { id, sequence, records } of kept) {
      const box = this.#boxes.find(({ output }) => output.id === id);
      if (box === undefined) gone.push(...records.map((record) => ({ ...record, output: 0 })));
      else {
        box.sequence = sequence;
        for (const record of records) this.#put(box, record);
      }
    }
    return gone;
  }

  save(): WrittenOutbox[] {
    return this.#boxes.map((box) => {
      const { output, sequence, texts } = box;
      box.told = sequence;
      return { id: output.id, sequence, records: texts };
    });
  }

  /** Records since `save` or `changes`, and up to which all are confirmed. */
  changes(): WrittenOutbox[] {
    return this.#boxes.map((box) => {
      const { output, sequence, records, texts, told } = box;
      const confirmed = (records[0]?.sequence ?? sequence + 1) - 1;
      let from = records.length;
      while (from > 0 && (records[from - 1]?.sequence ?? 0) > told) from -= 1;
      box.told = sequence;
      return { id: output.id, sequence, confirmed, records: texts.slice(from) };
    });
  }

  add({ output, key, timeMs, value, params }: Emitted): void {
    const box = this.#boxes[output] as Box;
    box.sequence += 1;
    this.#put(box, { sequence: box.sequence, key, timeMs, value, params });
  }

  open(deliveryOf: (output: Output, index: number) => DeliveryPort): void {
    for (const [index, box] of this.#boxes.entries()) box.delivery = deliveryOf(box.output, index);
  }

  /** Sequence of each output up to now. */
  marks(): readonly number[] {
    return this.#boxes.map(({ sequence }) => sequence);
  }

  /** What is committed up to these marks goes to the sinks. */
  hand(marks: readonly number[]): void {
    for (const [index, box] of this.#boxes.entries()) {
      for (;;) {
        const record = box.records[box.handed];
        if (record === undefined || record.sequence > (marks[index] ?? 0)) break;
        const bytes = box.bytes[box.handed] ?? 0;
        box.handed += 1;
        box.delivery?.push(record, bytes);
      }
    }
  }

  /** The sink has every record up to this one, or refused it. */
  confirm(index: number, sequence: number): void {
    const box = this.#boxes[index] as Box;
    let count = 0;
    while ((box.records[count]?.sequence ?? Number.POSITIVE_INFINITY) <= sequence) {
      this.bytes -= sizeOf(box.texts[count]);
      count += 1;
    }
    box.records.splice(0, count);
    box.texts.splice(0, count);
    box.bytes.splice(0, count);
    box.handed = Math.max(0, box.handed - count);
  }

  async flush(withinMs: number): Promise<void> {
    await Promise.all(this.#boxes.map(({ delivery }) => delivery?.flush(withinMs)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#boxes.map(({ delivery }) => delivery?.close(0)));
  }

  #put(box: Box, record: Omit<SinkRecord, "id">): void {
    const value = JSON.stringify(record.value) ?? "null";
    const text = recordText(record, value);
    box.records.push({ ...record, id: `${box.prefix}/${record.sequence}` });
    box.texts.push(text);
    box.bytes.push(value.length);
    this.bytes += sizeOf(text);
  }
}

/** Roughly: it is there as an object as well. */
const sizeOf = (text = ""): number => text.length + 64;
