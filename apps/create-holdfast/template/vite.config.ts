// Owns: how the page is built, and where its calls go in development.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const { PORT = "5173", SERVER_PORT = "3000", HOLDFAST_PORT = "8000" } = process.env;

export default defineConfig({
  plugins: [react()],
  build: { outDir: "dist/client", target: "es2022" },
  server: {
    port: Number(PORT),
    strictPort: true,
    // In production a proxy or an Ingress does the same: one origin, two services.
    proxy: {
      "/api": `http://localhost:${SERVER_PORT}`,
      "/connect": { target: `http://localhost:${HOLDFAST_PORT}`, ws: true },
    },
  },
});
