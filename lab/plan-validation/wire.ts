// Owns: one raw connection of a returning client: its upgrade, its frames, its end.
import { RawSocket } from "@holdfast/load";

export interface WireListener {
  /** The upgrade is done. */
  opened(): void;
  /** A frame of the node that is no publication. */
  frame(frame: ServerWord): void;
  delivered(count: number): void;
  /** Called once, for any reason of the end; also if the connection could not be made. */
  closed(): void;
}

/** What a returning client reads of a frame. */
export interface ServerWord {
  readonly t: string;
  readonly resume?: string;
  readonly windowMs?: number;
  readonly retryMs?: number;
  readonly resumed?: boolean;
}

const PUBLICATION = '{"t":"pub"';

export class Wire {
  readonly port: number;
  readonly #listener: WireListener;
  readonly #socket: RawSocket;

  constructor(port: number, listener: WireListener) {
    this.port = port;
    this.#listener = listener;
    this.#socket = new RawSocket(
      {
        url: new URL(`ws://127.0.0.1:${port}/connect`),
        subprotocol: "holdfast.v1",
        verifiesTls: true,
      },
      {
        opened: () => listener.opened(),
        message: (bytes, from, to) => this.#message(bytes.toString("utf8", from, to)),
        ended: () => listener.closed(),
      },
    );
  }

  send(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }

  /** Nothing is heard of it any more. */
  close(): void {
    this.#socket.hangUp();
  }

  #message(text: string): void {
    for (const line of text.split("\n")) {
      if (line.startsWith(PUBLICATION)) this.#listener.delivered(1);
      else this.#listener.frame(JSON.parse(line) as ServerWord);
    }
  }
}
