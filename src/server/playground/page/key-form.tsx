/** Asks for an API key, after the server refused a request without one. */

import { useEffect, useRef, useState } from "preact/hooks";

export function KeyForm({ refused, onKey }: { refused: boolean; onKey: (key: string) => void }) {
  const [key, setKey] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim() !== "") onKey(key.trim());
      }}
    >
      <label for="api-key">API key</label>
      <p class="hint" id="api-key-hint">
        {refused ? "The server did not accept this key." : "This server wants a key."} It is kept until this tab is closed and
        sent to this server only.
      </p>
      <div class="row">
        <input
          id="api-key"
          ref={field}
          type="password"
          autocomplete="off"
          aria-describedby="api-key-hint"
          value={key}
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
        <button type="submit">Use key</button>
      </div>
    </form>
  );
}
