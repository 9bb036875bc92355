// Owns: the sinks that write lines of JSON: into files that are rotated, and to standard output.
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type Sink,
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
} from "@holdfast/pipelines/sink";
import { faultOf } from "../faults.ts";
import { flag, needed, type OptionRules, problemsOf, text, whole } from "../options.ts";

/** Options of `file`. */
export interface FileOptions {
  /**
   * Path of the file. `{partition}`, `{output}` and `{pipeline}` are filled in; without
   * `{partition}` the partition is put before the ending, so that each file has one writer.
   */
  readonly path: string;
  /** Whether each batch is on the disk before it counts as delivered. Default true. */
  readonly sync?: boolean;
  /** A file of at least so many bytes is followed by another. Default 128 MiB. */
  readonly rotateBytes?: number;
  /** Files that are kept beside the current one; older ones are removed. Default 8. */
  readonly keep?: number;
}

const RULES: OptionRules = {
  path: needed(text("a path")),
  sync: flag,
  rotateBytes: whole(1_024, Number.MAX_SAFE_INTEGER),
  keep: whole(0, 1_000),
};

export const fileAdapter: SinkAdapter = {
  kind: "file",
  problems: (options) => problemsOf("file", RULES, options),
  open: ({ options }, context) => new FileSink(options as unknown as FileOptions, context),
};

/** One line for each record. */
export const linesOf = ({ records }: SinkBatch): string =>
  records
    .map(
      ({ id, key, timeMs, value, params }) =>
        `${JSON.stringify({ id, key, timeMs, value, params })}\n`,
    )
    .join("");

class FileSink implements Sink {
  readonly #path: string;
  readonly #sync: boolean;
  readonly #rotateBytes: number;
  readonly #keep: number;
  #file: FileHandle | undefined;
  /** Bytes of the file. */
  #bytes = 0;

  constructor(options: FileOptions, context: SinkContext) {
    this.#path = pathFor(options.path, context);
    this.#sync = options.sync ?? true;
    this.#rotateBytes = options.rotateBytes ?? 128 * 1024 * 1024;
    this.#keep = options.keep ?? 8;
  }

  async write(batch: SinkBatch): Promise<undefined> {
    const lines = Buffer.from(linesOf(batch));
    try {
      const file = this.#file ?? (await this.#open());
      for (let done = 0; done < lines.byteLength; )
        done += (await file.write(lines, done, lines.byteLength - done)).bytesWritten;
      if (this.#sync) await file.datasync();
      this.#bytes += lines.byteLength;
    } catch (error) {
      await this.#forget();
      throw faultOf(error, "the file cannot be written");
    }
    // The batch is there, whatever becomes of the next file.
    if (this.#bytes >= this.#rotateBytes) await this.#rotate().catch(() => this.#forget());
    return undefined;
  }

  async close(): Promise<void> {
    await this.#forget();
  }

  /**
   * Whoever died in the middle of a line, or ran out of disk, left a part of one: it is cut off.
   * Its batch was not delivered and comes again.
   */
  async #open(): Promise<FileHandle> {
    await mkdir(dirname(this.#path), { recursive: true });
    const file = await open(this.#path, "a+");
    this.#file = file;
    const { size } = await file.stat();
    this.#bytes = await wholeLines(file, size);
    if (this.#bytes < size) await file.truncate(this.#bytes);
    return file;
  }

  async #rotate(): Promise<void> {
    await this.#forget();
    await rm(`${this.#path}.${this.#keep}`, { force: true });
    for (let number = this.#keep - 1; number >= 1; number--)
      await rename(`${this.#path}.${number}`, `${this.#path}.${number + 1}`).catch(ifThere);
    if (this.#keep === 0) await rm(this.#path, { force: true });
    else await rename(this.#path, `${this.#path}.1`);
  }

  async #forget(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }
}

function ifThere(error: unknown): void {
  if ((error as { readonly code?: unknown }).code !== "ENOENT") throw error;
}

function pathFor(path: string, { pipeline, partition, output }: SinkContext): string {
  const own = path.includes("{partition}") ? path : path.replace(/(\.[^./]*)?$/, "-{partition}$1");
  return own
    .replaceAll("{partition}", String(partition))
    .replaceAll("{output}", String(output))
    .replaceAll("{pipeline}", pipeline.replaceAll(/[^A-Za-z0-9_-]/g, "_"));
}

const LOOK_BYTES = 64 * 1024;

/** Bytes up to and with the last end of a line. */
async function wholeLines(file: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(LOOK_BYTES);
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - LOOK_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - from, from);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (last >= 0) return from + last + 1;
    end = from;
  }
  return 0;
}

/** `print` resolves when the reader of standard output has it. */
export function stdoutAdapter(print: (lines: string) => Promise<void>): SinkAdapter {
  return {
    kind: "stdout",
    problems: (options) => problemsOf("stdout", {}, options),
    open: (_definition, { timeoutMs }) => ({
      async write(batch) {
        const printed = print(linesOf(batch)).then(
          () => true,
          (error: unknown) => faultOf(error, "standard output cannot be written"),
        );
        let timer: ReturnType<typeof setTimeout> | undefined;
        const late = new Promise<SinkError>((resolve) => {
          timer = setTimeout(
            () => resolve(new SinkError("timeout", "nobody reads standard output")),
            timeoutMs,
          );
        });
        const outcome = await Promise.race([printed, late]);
        clearTimeout(timer);
        if (outcome instanceof SinkError) throw outcome;
        return undefined;
      },
      close: async () => {},
    }),
  };
}
