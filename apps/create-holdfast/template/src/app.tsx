// Owns: the page: a name, then a room with its messages and who is there.
import type { Holdfast } from "@holdfast/client";
import {
  HoldfastProvider,
  useChannel,
  useConnectionState,
  useHoldfast,
  usePresence,
} from "@holdfast/client/react";
import { type FormEvent, useState } from "react";
import { type Contract, connect } from "./connect.ts";

const ROOM = "chat:lobby";

export function App() {
  const [session, setSession] = useState<{ name: string; client: Holdfast<Contract> }>();
  if (session === undefined)
    return (
      <Ask label="Your name" onAnswer={(name) => setSession({ name, client: connect(name) })} />
    );
  return (
    <HoldfastProvider client={session.client}>
      <Room name={session.name} />
    </HoldfastProvider>
  );
}

function Room({ name }: { readonly name: string }) {
  const client = useHoldfast<Contract>();
  const state = useConnectionState();
  const { messages } = useChannel<Contract, typeof ROOM>(ROOM, { history: 50 });
  const members = usePresence<Contract, typeof ROOM>(ROOM, { name });
  const [failure, setFailure] = useState("");
  const say = (text: string) =>
    client
      .channel(ROOM)
      .publish({ text })
      .then(
        () => setFailure(""),
        (error: Error) => setFailure(error.message),
      );
  return (
    <main data-state={state}>
      <p>
        {state}; here: {members.map(({ data }) => data.name).join(", ")}
      </p>
      <ol>
        {messages.map(({ offset, user, data }) => (
          <li key={offset}>
            <b>{user}</b> {data.text}
          </li>
        ))}
      </ol>
      <Ask label="Say something" onAnswer={say} />
      <output>{failure}</output>
    </main>
  );
}

interface AskProps {
  readonly label: string;
  readonly onAnswer: (text: string) => void;
}

function Ask({ label, onAnswer }: AskProps) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("text")).trim();
    event.currentTarget.reset();
    if (text !== "") onAnswer(text);
  };
  return (
    <form onSubmit={submit}>
      <input name="text" aria-label={label} placeholder={label} maxLength={500} />
      <button type="submit">OK</button>
    </form>
  );
}
