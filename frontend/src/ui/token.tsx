/** Asks for the token of a protected server. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { unlock } from "../state/api";
import { Icon } from "./icons";

export function TokenPrompt({ retry }: { retry: () => void }): JSX.Element {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const accepted = await unlock(token).catch(() => null);
    if (accepted) retry();
    else setProblem(accepted === null ? "The server does not answer." : "This token is not accepted.");
  };
  return (
    <form class="token" onSubmit={(event) => void submit(event)}>
      <Icon name="lock" />
      <h1>This dashboard is protected</h1>
      <p class="muted">Enter the token that was printed when the flow started.</p>
      <label>
        <span class="hidden">Token</span>
        <input
          type="password"
          name="token"
          autocomplete="current-password"
          placeholder="Token"
          required
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
          aria-invalid={problem ? "true" : undefined}
          aria-describedby="token-problem"
        />
      </label>
      <p id="token-problem" class="problem" role="alert">{problem}</p>
      <button type="submit" class="button primary">Open</button>
    </form>
  );
}
