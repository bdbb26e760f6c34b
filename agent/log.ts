/** Lines for the agent's log: time, level, what. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
  /** With the error and what led to it. */
  error(message: string, error?: unknown): void;
}

export function createLog(write: (line: string) => void, now: () => number): Log {
  const line = (level: string, message: string) => write(`${new Date(now()).toISOString()} ${level} ${message}`);
  return {
    info: (message) => line("info", message),
    warn: (message) => line("warn", message),
    error: (message, error) => line("error", error === undefined ? message : `${message}: ${explain(error)}`),
  };
}

/** An error's message followed by those of its causes. */
export function explain(error: unknown): string {
  const messages: string[] = [];
  for (let one: unknown = error; one !== undefined && messages.length < 8;) {
    messages.push(one instanceof Error ? one.message : String(one));
    one = one instanceof Error ? one.cause : undefined;
  }
  return messages.join(": ");
}
