// Owns: a Hocuspocus client: several documents over one socket, each with its login.
import { bytesOf, type Frame } from "../frame.ts";
import type { ProfileOut, ProfileSession } from "../profile.ts";
import { HocuspocusDocument } from "./hocuspocus-document.ts";
import { areEqual, joined, keyOf, Lib0Reader } from "./lib0.ts";
import type { LiveClients } from "./yjs-awareness.ts";
import { SYNC, type YjsMessage } from "./yjs-document.ts";

/** Kinds of messages that only Hocuspocus has. */
const AUTH = 2;
const CLOSE = 7;
const SYNC_STATUS = 8;
/** Kinds of login messages. */
const LOGIN = 0;
const DENIED = 1;
const GRANTED = 2;
/** Why a document is closed: a server wants clients to connect anew, or the client closed it. */
const RESET = ascii("Reset Connection");
const OF_CLIENT = ascii("provider_initiated");
/** Codes for the same, and for a server that got no message: then its socket is not well. */
const RESET_CONNECTION = 4205;
const CONNECTION_TIMEOUT = 4408;

const SERVICE_RESTART = 1012;
/** Servers in a row that may refuse a login which another had accepted. */
const DENIALS_MAX = 2;

export interface HocuspocusOptions {
  readonly live: LiveClients;
  readonly unacknowledgedBytesMax: number;
}

interface Named extends YjsMessage {
  /** What stands before the type: the document's name. */
  readonly prefix: Uint8Array;
  readonly key: string;
}

export class Hocuspocus implements ProfileSession {
  readonly #options: HocuspocusOptions;
  readonly #out: ProfileOut;
  readonly #documents = new Map<string, HocuspocusDocument>();
  /** Documents that the next server was told of. */
  #onNext = new Map<string, HocuspocusDocument>();
  /** Those of them whose login it has not answered. */
  #loggingIn = new Set<string>();
  /** Documents whose login the gateway repeats, although the client has its answer. */
  readonly #repeated = new Set<string>();
  /** What the next server said on its own. */
  #early: Uint8Array[] = [];
  #denials = 0;

  constructor(options: HocuspocusOptions, out: ProfileOut) {
    this.#options = options;
    this.#out = out;
  }

  get isQuiet(): boolean {
    for (const { isLoggingIn } of this.#documents.values()) if (isLoggingIn) return false;
    return true;
  }

  get bytes(): number {
    let bytes = 0;
    for (const frame of this.#early) bytes += bytesOf(frame);
    for (const document of this.#documents.values()) bytes += document.bytes;
    return bytes;
  }

  isGone(code: number): true | undefined {
    return code === RESET_CONNECTION || code === CONNECTION_TIMEOUT ? true : undefined;
  }

  fromClient(frame: Frame): void {
    const message = namedOf(frame);
    if (message === undefined) return this.#out.toUpstream(frame);
    const { key, type, body } = message;
    if (type === CLOSE) {
      this.#forget(key);
      return this.#out.toUpstream(frame);
    }
    const document = this.#documentOf(message);
    if (type === AUTH && body.uint() === LOGIN) document.logsIn(message.frame);
    document.fromClient(message);
    this.#forgetSome(document);
  }

  fromUpstream(frame: Frame): void {
    const message = namedOf(frame);
    const document = message && this.#documents.get(message.key);
    if (message === undefined || document === undefined) this.#out.toClient(frame);
    else if (message.type === AUTH) this.#loginAnswered(message, document);
    else if (message.type === SYNC_STATUS) this.#acknowledged(message, document);
    else if (message.type === CLOSE) this.#closes(message);
    else document.fromUpstream(message);
  }

  attach(): void {
    this.#early = [];
    this.#onNext = new Map();
    for (const [key, document] of this.#documents)
      if (document.login !== undefined) this.#onNext.set(key, document);
    // The client waits for the others' answers, as this server gives them.
    const answered = [...this.#onNext].filter(([, { isLoggingIn }]) => !isLoggingIn);
    this.#loggingIn = new Set(answered.map(([key]) => key));
    for (const { login } of this.#onNext.values()) if (login !== undefined) this.#out.toNext(login);
    if (this.#loggingIn.size === 0) this.#out.attached();
  }

  fromNext(frame: Frame): void {
    const message = namedOf(frame);
    // It will be asked for the documents once it is the current one, and answers with all of them.
    if (message === undefined || message.type === SYNC) return;
    const document = this.#onNext.get(message.key);
    if (message.type !== AUTH || document === undefined) this.#early.push(message.frame);
    else this.#nextAnswered(message, document);
  }

  switched(): void {
    this.#denials = 0;
    for (const [key, document] of this.#documents) {
      if (document.login !== undefined && this.#onNext.get(key) !== document) {
        // The client opened it while the next server was attached.
        if (!document.isLoggingIn) this.#repeated.add(key);
        this.#out.toUpstream(document.login);
      }
      document.reattach();
    }
    // The client closed it meanwhile.
    for (const [key, { prefix }] of this.#onNext)
      if (!this.#documents.has(key)) this.#out.toUpstream(joined(prefix, CLOSE));
    this.#onNext = new Map();
    for (const frame of this.#early.splice(0)) this.fromUpstream(frame);
  }

  ended(): void {
    for (const document of this.#documents.values()) document.ended();
  }

  #documentOf(message: Named): HocuspocusDocument {
    const known = this.#documents.get(message.key);
    if (known !== undefined) return known;
    const document = new HocuspocusDocument(message, this.#options.live, this.#out);
    this.#documents.set(message.key, document);
    return document;
  }

  /** The next server will ask the client for what is dropped. */
  #forgetSome(document: HocuspocusDocument): void {
    let bytes = 0;
    for (const { framesBytes } of this.#documents.values()) bytes += framesBytes;
    while (bytes > this.#options.unacknowledgedBytesMax) {
      const forgotten = document.forgetOldest();
      if (forgotten === 0) return;
      bytes -= forgotten;
    }
  }

  #loginAnswered({ key, body, frame }: Named, document: HocuspocusDocument): void {
    const kind = body.uint();
    if (kind === GRANTED) {
      const isNews = document.granted(frame);
      if (this.#repeated.delete(key) && !isNews) return;
    } else if (kind === DENIED) this.#forget(key);
    this.#out.toClient(frame);
  }

  #nextAnswered({ key, body, frame }: Named, document: HocuspocusDocument): void {
    const kind = body.uint();
    if (kind !== GRANTED && kind !== DENIED) return void this.#early.push(frame);
    if (!this.#loggingIn.has(key)) return void this.#early.push(frame);
    if (kind === DENIED) return this.#denied();
    if (document.granted(frame)) this.#early.push(frame);
    if (this.#loggingIn.delete(key) && this.#loggingIn.size === 0) this.#out.attached();
  }

  /** A token may have expired: then the client has to bring another, and must connect anew. */
  #denied(): void {
    this.#denials += 1;
    if (this.#denials < DENIALS_MAX) this.#out.refused("it refused the login of a document");
    else this.#out.end(SERVICE_RESTART, "Servers refuse the login of a document");
  }

  #acknowledged({ body, frame }: Named, document: HocuspocusDocument): void {
    for (let left = document.acknowledged(body.uint() === 1); left > 0; left--)
      this.#out.toClient(frame);
  }

  /** A server that ends closes each document, and leaves its socket open until it is gone. */
  #closes({ key, body, frame }: Named): void {
    const reason = body.bytes();
    if (areEqual(reason, RESET)) return this.#out.lost("it resets connections");
    if (!areEqual(reason, OF_CLIENT)) this.#forget(key);
    this.#out.toClient(frame);
  }

  #forget(key: string): void {
    this.#documents.get(key)?.ended();
    this.#documents.delete(key);
    this.#repeated.delete(key);
  }
}

/** Undefined: it is no message of a document. */
function namedOf(frame: Frame): Named | undefined {
  if (typeof frame === "string") return undefined;
  const body = new Lib0Reader(frame);
  const name = body.bytes();
  const prefix = frame.subarray(0, body.at);
  const type = body.uint();
  return body.isBroken ? undefined : { frame, type, body, prefix, key: keyOf(name) };
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
