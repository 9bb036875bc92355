// Owns: a load process: its share of the clients of one application.
import { answerCommands } from "@holdfast/load/processes";
import { sumOf } from "./account.ts";
import type { Account, AppClient, DocumentState } from "./app.ts";
import { APPS } from "./apps/apps.ts";

export interface WorkerStart {
  readonly app: string;
  readonly url: string;
  readonly clients: number;
  readonly firstId: number;
  readonly everyMs: number;
  readonly connectsPerSecond: number;
}

let clients: readonly AppClient[] = [];

const commands = {
  async start(options: WorkerStart): Promise<void> {
    const { url, everyMs, firstId, connectsPerSecond } = options;
    const app = APPS.find(({ name }) => name === options.app);
    if (app === undefined) throw new RangeError(`Cannot start: there is no app ${options.app}`);
    clients = Array.from({ length: options.clients }, (_, index) =>
      app.client({ url, everyMs, id: firstId + index }),
    );
    const opening: Promise<void>[] = [];
    for (const client of clients) {
      opening.push(client.open());
      await Bun.sleep(1000 / connectsPerSecond);
    }
    await Promise.all(opening);
  },
  begin(): void {
    for (const client of clients) client.begin();
  },
  async account({ waitMs }: { readonly waitMs: number }): Promise<Account> {
    return sumOf(await Promise.all(clients.map((client) => client.account(waitMs))));
  },
  documents(): readonly DocumentState[] {
    return clients.flatMap((client) => client.document?.() ?? []);
  },
  close(): void {
    for (const client of clients) client.close();
  },
};

export type WorkerCommands = typeof commands;
answerCommands(process, commands);
