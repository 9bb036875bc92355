// Owns: React components without output, mounted by the real React DOM on a client of a small node.
// For tests only.
import { Holdfast } from "@holdfast/client";
import { act, createElement, type ReactNode, StrictMode } from "react";
import { patience } from "../../../../test/patience.ts";
import { HoldfastProvider } from "../react.ts";
import type { NodeLike } from "./socket-node.ts";

/** React DOM asks `window` which event is being handled. The result takes it away again. */
export function installReactGlobals(): () => void {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true, window: {} });
  return () => {
    Reflect.deleteProperty(globalThis, "IS_REACT_ACT_ENVIRONMENT");
    Reflect.deleteProperty(globalThis, "window");
  };
}

/** React DOM needs little of a document for components that render nothing. */
function container(): Element {
  const element = {
    nodeType: 1,
    tagName: "DIV",
    namespaceURI: "http://www.w3.org/1999/xhtml",
    addEventListener() {},
    removeEventListener() {},
  };
  const defaultView = { HTMLIFrameElement: class {} };
  const ownerDocument = {
    nodeType: 9,
    addEventListener() {},
    removeEventListener() {},
    defaultView,
    documentElement: element,
  };
  return Object.assign(element, {
    ownerDocument,
    childNodes: [],
    lastChild: null,
    firstChild: null,
    textContent: "",
  }) as unknown as Element;
}

/** Renders the tree under StrictMode, which mounts everything twice. */
export async function mount(node: NodeLike, tree: ReactNode) {
  const { createRoot } = await import("react-dom/client");
  const client = new Holdfast(node.url);
  const root = createRoot(container());
  const render = (next: ReactNode) => {
    const page = createElement(HoldfastProvider, { client }, next);
    return act(async () => root.render(createElement(StrictMode, null, page)));
  };
  await render(tree);
  return {
    client,
    render,
    /** When this is over, what was asked before has its answer, and what that asked for too. */
    settle: () =>
      act(async () => {
        for (let turn = 0; turn < 4; turn++) await client.rpc("echo", turn);
      }),
    unmount: () => act(async () => root.unmount()),
  };
}

/** Waits, inside of `act`, until the condition holds; gives up after 10 s. */
export const until = (condition: () => boolean): Promise<void> =>
  act(async () => {
    const deadlineMs = performance.now() + patience(10_000);
    while (!condition() && performance.now() < deadlineMs) await Bun.sleep(5);
  });
