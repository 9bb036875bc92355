// Owns: starting the page: one client of the node that served it.
import { Holdfast } from "@holdfast/client";
import { HoldfastProvider } from "@holdfast/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import type { DemoContract } from "../contract.ts";
import { App } from "./app.tsx";

const root = document.getElementById("root");
if (root) {
  const client = new Holdfast<DemoContract>(new URL("/connect", location.href));
  createRoot(root).render(
    <StrictMode>
      <HoldfastProvider client={client}>
        <App />
      </HoldfastProvider>
    </StrictMode>,
  );
}
