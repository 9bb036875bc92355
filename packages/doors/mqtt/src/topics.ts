// Owns: topics and channels: which channel a topic is in, which topic a publication of a channel
// has, and in which channels a filter looks. Declared by option mqtt.topics.
import { utf8 } from "./bytes.ts";
import { hasWildcard, matchesTopic } from "./topic-names.ts";

/** How a topic's payload becomes data: `auto`: JSON if it is JSON, or else a byte string. */
export type PayloadForm = "auto" | "json" | "bytes";

/**
 * One row of the map: `topic` is a topic whose levels may be parameters, `+name`, or at its end
 * `#name`, which takes the rest, with its slashes. `channel` is a name with `{name}` in it.
 */
export interface TopicRow {
  readonly topic: string;
  readonly channel: string;
  /** A channel of class `latest` that keeps the retained messages, by topic. Absent: none. */
  readonly retained?: string;
  readonly payload?: PayloadForm;
}

/** Every topic is the channel of the same name. */
export const SAME_NAMES: readonly TopicRow[] = [{ topic: "#topic", channel: "{topic}" }];

/** Where a topic goes. */
export interface Place {
  readonly channel: string;
  readonly retained: string | undefined;
  readonly payload: PayloadForm;
  /** The channel's name alone says which topic it is. */
  readonly isPlain: boolean;
}

/** Where a filter looks: in channels whose names are known, and in all that fit a template. */
export interface Reach {
  readonly channels: readonly string[];
  readonly open: readonly OpenReach[];
}

/** Channels that are not known by name: those that begin with `prefix` and for which `fits`. */
export interface OpenReach {
  readonly prefix: string;
  fits(channel: string): boolean;
}

interface Level {
  /** Plain text, if it is no parameter. */
  readonly text?: string;
  readonly param?: string;
  readonly isRest?: boolean;
}

interface Template {
  /** Plain text and names of parameters in turn: text, name, text, name, text. */
  readonly parts: readonly string[];
}

interface Row {
  readonly levels: readonly Level[];
  readonly channel: Template;
  readonly retained: Template | undefined;
  readonly payload: PayloadForm;
  /** Parameters of the topic that are not in the channel's name. */
  readonly isPlain: boolean;
}

const PARAM = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
export const TOPIC_ROWS_MAX = 1000;

/** What is wrong with a row; undefined: nothing. */
export function topicRowProblem(row: TopicRow): string | undefined {
  const levels = row.topic.split("/");
  const params = new Set<string>();
  for (const [at, level] of levels.entries()) {
    const isParam = level.startsWith("+") || level.startsWith("#");
    if (!isParam) {
      if (/[+#]/.test(level)) return `level "${level}"`;
      continue;
    }
    const name = level.slice(1);
    if (!PARAM.test(name)) return `"${level}", expected + or # and a parameter's name`;
    if (level.startsWith("#") && at < levels.length - 1) return `"${level}" before the end`;
    if (params.has(name)) return `parameter ${name} twice`;
    params.add(name);
  }
  for (const template of [row.channel, row.retained ?? ""]) {
    const parts = partsOf(template);
    if (parts === undefined) return `"${template}", expected a name with {parameters}`;
    for (let at = 1; at < parts.length; at += 2)
      if (!params.has(parts[at] as string)) return `{${parts[at]}}, which the topic does not have`;
    for (let at = 2; at < parts.length - 1; at += 2)
      if (parts[at] === "") return `"${template}", expected text between two parameters`;
  }
  return undefined;
}

function partsOf(template: string): string[] | undefined {
  const parts = template.split(/\{([^{}]*)\}/);
  return parts.some((part, at) => (at % 2 === 0 ? /[{}]/.test(part) : !PARAM.test(part)))
    ? undefined
    : parts;
}

/** Level of a topic that is not known: its channel came from a client of another door. */
const UNKNOWN_LEVEL = "_";

/** Names that answers are remembered for, and how long such a name may be. */
const REMEMBERED_MAX = 10_000;
const REMEMBERED_LENGTH_MAX = 200;

/** Answers to the names of late. When they are too many, all are forgotten. */
class Remembered<V> {
  readonly #found = new Map<string, V>();

  of(name: string, find: (name: string) => V): V {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found = find(name);
    if (found === undefined || name.length > REMEMBERED_LENGTH_MAX) return found;
    if (this.#found.size >= REMEMBERED_MAX) this.#found.clear();
    this.#found.set(name, found);
    return found;
  }
}

export class Topics {
  readonly #rows: readonly Row[];
  readonly #places = new Remembered<Place | undefined>();
  readonly #topics = new Remembered<string | undefined>();
  readonly #bytes = new Remembered<Uint8Array>();
  readonly #findPlace = (topic: string): Place | undefined => this.#placeOf(topic);
  readonly #findTopic = (channel: string): string | undefined => this.#topicOf(channel, undefined);
  readonly keepsRetained: boolean;

  /** The rows MUST be without a problem. The first that matches a topic decides. */
  constructor(rows: readonly TopicRow[]) {
    this.#rows = rows.map(compile);
    this.keepsRetained = rows.some(({ retained }) => retained !== undefined);
  }

  /** The channel of a topic name; undefined: none is declared for it. */
  placeOf(topic: string): Place | undefined {
    return this.#places.of(topic, this.#findPlace);
  }

  /** The topic of a publication that carries none, by its channel and key. */
  topicOf(channel: string, key: string | undefined): string | undefined {
    return key === undefined
      ? this.#topics.of(channel, this.#findTopic)
      : this.#topicOf(channel, key);
  }

  /** The topic as UTF-8; the same array each time, which nobody may change. */
  bytesOf(topic: string): Uint8Array {
    return this.#bytes.of(topic, utf8);
  }

  #placeOf(topic: string): Place | undefined {
    const names = topic.split("/");
    for (const row of this.#rows) {
      const values = valuesOf(row, names);
      if (values === undefined) continue;
      const channel = fill(row.channel, values);
      // A level that looks like the text between two parameters would be read as another topic.
      const back = read(row.channel, channel);
      if (back === undefined) return undefined;
      for (const [name, value] of back) if (values.get(name) !== value) return undefined;
      return {
        channel,
        retained: row.retained === undefined ? undefined : fill(row.retained, values),
        payload: row.payload,
        isPlain: row.isPlain,
      };
    }
    return undefined;
  }

  #topicOf(channel: string, key: string | undefined): string | undefined {
    for (const row of this.#rows) {
      const values = read(row.channel, channel);
      if (values === undefined) continue;
      const topic = row.levels
        .map(({ text, param }) => text ?? values.get(param as string) ?? key ?? UNKNOWN_LEVEL)
        .join("/");
      if (this.placeOf(topic)?.channel === channel) return topic;
    }
    return undefined;
  }

  /** Where a filter, not shared, finds its messages. */
  reachOf(filter: string): Reach {
    if (!hasWildcard(filter)) {
      const place = this.placeOf(filter);
      return { channels: place === undefined ? [] : [place.channel], open: [] };
    }
    const names = filter.split("/");
    const channels = new Set<string>();
    const open: OpenReach[] = [];
    for (const row of this.#rows) {
      const found = overlap(row.levels, names);
      if (found === undefined) continue;
      if (isFilled(row.channel, found)) channels.add(fill(row.channel, found.values));
      else open.push(this.#openReach(row, found, filter));
    }
    return { channels: [...channels], open };
  }

  /** The retained channels of a filter, in the same way. */
  retainedReachOf(filter: string): Reach {
    const names = filter.split("/");
    const channels = new Set<string>();
    const open: OpenReach[] = [];
    for (const row of this.#rows) {
      const { retained } = row;
      const found = retained === undefined ? undefined : overlap(row.levels, names);
      if (found === undefined || retained === undefined) continue;
      if (isFilled(retained, found)) channels.add(fill(retained, found.values));
      else open.push(openReach(retained, found));
    }
    return { channels: [...channels], open };
  }

  #openReach(row: Row, found: Overlap, filter: string): OpenReach {
    const reach = openReach(row.channel, found);
    if (!row.isPlain) return reach;
    return {
      prefix: reach.prefix,
      fits: (channel) => {
        if (!reach.fits(channel)) return false;
        const topic = this.topicOf(channel, undefined);
        return topic !== undefined && matchesTopic(filter, topic);
      },
    };
  }
}

type Values = ReadonlyMap<string, string>;

/** What a filter says of a row's parameters: their values, or how a rest begins. */
interface Overlap {
  readonly values: Values;
  readonly beginnings: Values;
}

const isFilled = ({ parts }: Template, { values }: Overlap): boolean =>
  parts.every((name, at) => at % 2 === 0 || values.has(name));

function openReach(template: Template, { values, beginnings }: Overlap): OpenReach {
  let prefix = "";
  for (const [at, part] of template.parts.entries()) {
    const text = at % 2 === 0 ? part : values.get(part);
    prefix += text ?? beginnings.get(part) ?? "";
    if (text === undefined) break;
  }
  return {
    prefix,
    fits(channel) {
      const found = read(template, channel);
      if (found === undefined) return false;
      for (const [name, value] of found)
        if (values.has(name) && values.get(name) !== value) return false;
      return true;
    },
  };
}

function compile({ topic, channel, retained, payload = "auto" }: TopicRow): Row {
  const levels = topic.split("/").map((text): Level => {
    if (text.startsWith("+")) return { param: text.slice(1) };
    if (text.startsWith("#")) return { param: text.slice(1), isRest: true };
    return { text };
  });
  const template = { parts: partsOf(channel) ?? [channel] };
  return {
    levels,
    channel: template,
    retained: retained === undefined ? undefined : { parts: partsOf(retained) ?? [retained] },
    payload,
    isPlain: levels.every(({ param }) => param === undefined || template.parts.includes(param)),
  };
}

/** The parameters' values if the row's topic matches the name. A rest takes one level or more. */
function valuesOf({ levels }: Row, names: readonly string[]): Values | undefined {
  const values = new Map<string, string>();
  for (const [at, level] of levels.entries()) {
    const name = names[at];
    if (name === undefined) return undefined;
    if (level.isRest === true) {
      if (names[0]?.startsWith("$") === true && at === 0) return undefined;
      values.set(level.param as string, names.slice(at).join("/"));
      return values;
    }
    if (level.param === undefined) {
      if (level.text !== name) return undefined;
    } else if (name === "" || (at === 0 && name.startsWith("$"))) return undefined;
    else values.set(level.param, name);
  }
  return names.length === levels.length ? values : undefined;
}

/**
 * The values that a filter gives to a row's parameters, if some topic may match both. A parameter
 * without a value may have any.
 */
function overlap(levels: readonly Level[], names: readonly string[]): Overlap | undefined {
  const values = new Map<string, string>();
  const beginnings = new Map<string, string>();
  const found = { values, beginnings };
  for (const [at, level] of levels.entries()) {
    const name = names[at];
    if (name === "#") return found;
    if (level.isRest === true) {
      if (name === undefined) return undefined;
      const rest = names.slice(at);
      const free = rest.findIndex((one) => one === "+" || one === "#");
      if (free === -1) values.set(level.param as string, rest.join("/"));
      else beginnings.set(level.param as string, rest.slice(0, free).join("/"));
      return found;
    }
    if (name === undefined) return undefined;
    if (name === "+") continue;
    if (level.param !== undefined) values.set(level.param, name);
    else if (level.text !== name) return undefined;
  }
  const isWhole = names.length === levels.length;
  // `a/#` matches `a` itself.
  return isWhole || (names.length === levels.length + 1 && names.at(-1) === "#")
    ? found
    : undefined;
}

function fill({ parts }: Template, values: Values): string {
  return parts.map((part, at) => (at % 2 === 0 ? part : (values.get(part) ?? ""))).join("");
}

/** The values that make a channel's name of the template; undefined: there are none. */
function read({ parts }: Template, channel: string): Map<string, string> | undefined {
  const [first = ""] = parts;
  if (!channel.startsWith(first)) return undefined;
  const values = new Map<string, string>();
  let at = first.length;
  for (let index = 1; index < parts.length; index += 2) {
    const behind = parts[index + 1] ?? "";
    const isLast = index + 2 >= parts.length;
    const end = isLast ? channel.length - behind.length : channel.indexOf(behind, at + 1);
    if (end <= at || (isLast && !channel.endsWith(behind))) return undefined;
    values.set(parts[index] as string, channel.slice(at, end));
    at = end + behind.length;
  }
  return at === channel.length ? values : undefined;
}
