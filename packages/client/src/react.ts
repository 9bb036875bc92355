// Owns: React hooks over a client: connection state, a channel's messages, its latest by key,
// presence, RPC.
import type {
  Holdfast,
  HoldfastError,
  Member,
  Message,
  MethodInput,
  MethodOutput,
  Methods,
  Names,
  PresenceData,
  Received,
  State,
} from "@holdfast/client";
import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { ChannelStore, type ChannelView, type LatestView, PresenceStore } from "./react-stores.ts";

const HoldfastContext = createContext<Holdfast<never> | undefined>(undefined);

/**
 * Makes a client available to the hooks below. It does not close the client: whoever made it does.
 */
export function HoldfastProvider<C>({
  client,
  children,
}: {
  readonly client: Holdfast<C>;
  readonly children?: ReactNode;
}): ReactNode {
  return createElement(
    HoldfastContext.Provider,
    { value: client as unknown as Holdfast<never> },
    children,
  );
}

/** The client of the nearest provider. Throws a TypeError without one. */
export function useHoldfast<C = unknown>(): Holdfast<C> {
  const client = useContext(HoldfastContext) ?? missing();
  // Which contract the provider's client has is the application's to say.
  return client as unknown as Holdfast<C>;
}

/** The connection's state; on a server `connecting`. */
export function useConnectionState<C = unknown>(client?: Holdfast<C>): State {
  const provided = useContext(HoldfastContext);
  const hf = client ?? (provided as unknown as Holdfast<C> | undefined) ?? missing();
  const subscribe = useCallback((changed: () => void) => hf.on("state", changed), [hf]);
  return useSyncExternalStore(
    subscribe,
    () => hf.state,
    () => "connecting",
  );
}

/** How many messages `useChannel` keeps, and with how many kept publications it begins. */
export interface UseChannelOptions {
  /** Messages kept, the newest. Default 100. */
  readonly limit?: number;
  /** Publications of the history to begin with, at most `limit`. Default 0. */
  readonly history?: number;
}

/**
 * The newest messages of a channel, oldest first, without doubles between history and the live
 * stream; `gap` is the last one that was declared. On a server: empty.
 */
export function useChannel<C = unknown, N extends Names<C> = Names<C>>(
  channel: N,
  options: UseChannelOptions = {},
): ChannelView<Received<C, N>> {
  const hf = useHoldfast<C>();
  const { limit = 100, history = 0 } = options;
  const store = useMemo(
    () => new ChannelStore<Received<C, N>>(hf.channel(channel), { limit, history, byKey: false }),
    [hf, channel, limit, history],
  );
  return useSyncExternalStore(store.subscribe, store.view, store.serverView);
}

/**
 * The newest message for each key of a `latest` channel, beginning with what the node keeps; at
 * most `limit` keys (default 1,000), beyond which the oldest go. On a server: empty.
 */
export function useLatest<C = unknown, N extends Names<C> = Names<C>>(
  channel: N,
  options: { readonly limit?: number } = {},
): LatestView<Received<C, N>> {
  const hf = useHoldfast<C>();
  const { limit = 1_000 } = options;
  const store = useMemo(
    () =>
      new ChannelStore<Received<C, N>>(hf.channel(channel), {
        limit,
        history: Math.min(limit, 1_000),
        byKey: true,
      }),
    [hf, channel, limit],
  );
  return useSyncExternalStore(store.subscribe, store.latestView, store.latestServerView);
}

/**
 * Members of a channel. With `data` the component's session is a member itself for as long as the
 * component is mounted, and changed data updates it (compared as JSON). What the node refuses is
 * told by the client's `error` event. On a server: empty.
 */
export function usePresence<C = unknown, N extends Names<C> = Names<C>>(
  channel: N,
  data?: PresenceData<C, N>,
): readonly Member<PresenceData<C, N>>[] {
  const hf = useHoldfast<C>();
  const store = useMemo(
    () =>
      new PresenceStore<PresenceData<C, N>>(hf.channel(channel).presence, (error) =>
        hf.report(error),
      ),
    [hf, channel],
  );
  const newest = useRef(data);
  newest.current = data;
  const text = data === undefined ? undefined : textOf(data);
  useEffect(() => {
    // The data itself and not its text: what cannot travel is refused, and not made something else.
    if (text !== undefined) store.enter(newest.current as PresenceData<C, N>);
  }, [store, text]);
  const member = text !== undefined;
  useEffect(() => (member ? () => store.leave() : undefined), [store, member]);
  return useSyncExternalStore(store.subscribe, store.view, store.serverView);
}

/** Tells whether data changed. What JSON cannot say is refused when it is sent, not here. */
function textOf(data: unknown): string {
  try {
    return JSON.stringify(data) ?? String(data);
  } catch {
    return String(data);
  }
}

/** State of the newest call of `useRpc`. */
export interface RpcState<T> {
  readonly pending: boolean;
  readonly data?: T;
  readonly error?: HoldfastError;
}

/**
 * A function that calls a method, and the state of its newest call. Unmounting cancels what is in
 * flight. The function rejects as `rpc` does.
 */
export function useRpc<C = unknown, M extends Methods<C> = Methods<C>>(
  method: M,
): readonly [
  (input: MethodInput<C, M>) => Promise<MethodOutput<C, M>>,
  RpcState<MethodOutput<C, M>>,
] {
  const hf = useHoldfast<C>();
  // A call of another method, or of another client, is not this one's state.
  const target = useMemo(() => ({ hf, method }), [hf, method]);
  const idle: RpcState<MethodOutput<C, M>> = { pending: false };
  const [shown, setShown] = useState({ target, state: idle });
  const mounted = useRef<AbortController | undefined>(undefined);
  const newest = useRef(0);
  useEffect(() => {
    const controller = new AbortController();
    mounted.current = controller;
    return () => controller.abort();
  }, []);
  const call = useCallback(
    async (input: MethodInput<C, M>) => {
      const number = ++newest.current;
      const signal = mounted.current?.signal;
      const show = (next: RpcState<MethodOutput<C, M>>) => {
        if (number === newest.current && !signal?.aborted) setShown({ target, state: next });
      };
      show({ pending: true });
      const rpc = hf.rpc as (
        method: M,
        input: MethodInput<C, M>,
        options: { signal?: AbortSignal },
      ) => Promise<MethodOutput<C, M>>;
      try {
        const data = await rpc.call(hf, method, input, signal ? { signal } : {});
        show({ pending: false, data });
        return data;
      } catch (error) {
        show({ pending: false, error: error as HoldfastError });
        throw error;
      }
    },
    [hf, method, target],
  );
  return [call, shown.target === target ? shown.state : idle];
}

function missing(): never {
  throw new TypeError("Cannot use Holdfast here: no HoldfastProvider above, expected one");
}

/** The hooks for one contract: names are checked, and data has the channel's type. */
export interface Hooks<C> {
  useHoldfast(): Holdfast<C>;
  useConnectionState(): State;
  useChannel<N extends Names<C>>(
    channel: N,
    options?: UseChannelOptions,
  ): ChannelView<Received<C, N>>;
  useLatest<N extends Names<C>>(
    channel: N,
    options?: { readonly limit?: number },
  ): LatestView<Received<C, N>>;
  usePresence<N extends Names<C>>(
    channel: N,
    data?: PresenceData<C, N>,
  ): readonly Member<PresenceData<C, N>>[];
  useRpc<M extends Methods<C>>(
    method: M,
  ): readonly [
    (input: MethodInput<C, M>) => Promise<MethodOutput<C, M>>,
    RpcState<MethodOutput<C, M>>,
  ];
}

/**
 * The hooks above, typed by a contract: `export const { useChannel } = createHooks<typeof
 * contract>()`.
 */
export const createHooks = <C>(): Hooks<C> => ({
  useHoldfast,
  useConnectionState,
  useChannel,
  useLatest,
  usePresence,
  useRpc,
});

export type { ChannelView, LatestView, Member, Message };
