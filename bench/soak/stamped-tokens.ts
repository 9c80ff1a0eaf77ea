/** A token that says when it was emitted, in µs since 1970: about as long as one of a real model, with its event's framing around it. */
function stampedToken(): string {
  return `~${Math.round((performance.timeOrigin + performance.now()) * 1000)} `;
}

/** So many tokens a second, on average, from `delayMs` on, without end; each is emitted after it is due, not when it is asked for. */
export async function* stampedTokens(tokensPerSecond: number, delayMs = 0): AsyncGenerator<string, void> {
  const startMs = performance.now() + delayMs;
  for (let i = 0; ; i++) {
    const dueMs = startMs + (i * 1000) / tokensPerSecond;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    yield stampedToken();
  }
}
