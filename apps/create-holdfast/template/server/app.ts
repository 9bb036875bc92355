// Owns: what the back end answers: tokens for users, and announcements into a room.
import { HoldfastApi, HoldfastApiError } from "@holdfast/api";
import type contract from "../holdfast.config.ts";
import { tokenFor } from "./token.ts";

export interface AppOptions {
  /** Where the node's HTTP API is, as in `http://localhost:8000`. */
  readonly nodeUrl: string;
  readonly apiKey: string;
  readonly jwtSecret: string;
}

const BODY_LENGTH_MAX = 2_000;

/** Answers requests below /api; undefined: it is none of its own. */
export function createApp({ nodeUrl, apiKey, jwtSecret }: AppOptions) {
  const api = new HoldfastApi<typeof contract>(nodeUrl, { apiKey });
  return async (request: Request): Promise<Response | undefined> => {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST" || !pathname.startsWith("/api/")) return undefined;
    const text = (await request.text()).trim();
    if (text === "" || text.length > BODY_LENGTH_MAX) return new Response(null, { status: 400 });
    switch (pathname) {
      case "/api/token":
        // Who is it? A real application asks its session here. This one believes everybody.
        return new Response(await tokenFor(text.slice(0, 32), jwtSecret));
      case "/api/announce":
        try {
          return Response.json(await api.publish("chat:lobby", { text }, { user: "the house" }));
        } catch (error) {
          if (!(error instanceof HoldfastApiError)) throw error;
          return Response.json({ code: error.code }, { status: error.status ?? 502 });
        }
      default:
        return undefined;
    }
  };
}
