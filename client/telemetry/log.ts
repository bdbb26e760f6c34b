/** What a process says, a line an event, in logfmt: `time=… level=info msg="…" error="…"`. */

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = typeof LEVELS[number];

/** More about an event: names and values, in the order given. */
export type Fields = Readonly<Record<string, string | number | boolean>>;

export interface Log {
  /** What is below it is not said. */
  readonly level: Level;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  /** With the error and what led to it. */
  error(message: string, error?: unknown, fields?: Fields): void;
  /** A level that is only known when something is to be said. */
  say(level: Level, message: string, fields?: Fields): void;
}

export interface LogOptions {
  /** What is below it is not said. @default "info" */
  level?: Level;
}

/** Names the least level that a process of ours says, the native ones too; "info" where it does not. */
export const LOG_LEVEL_VARIABLE = "K3TS_LOG_LEVEL";

/** On standard error, at the level that the environment names. @throws {TypeError} for a level that is none */
export function processLog(): Log {
  const level = Deno.env.get(LOG_LEVEL_VARIABLE) || undefined;
  return createLog((line) => console.error(line), Date.now, level === undefined ? {} : { level: levelOf(level) });
}

/** @param write may throw: what cannot be said is counted, and the number said as soon as it can be */
export function createLog(write: (line: string) => void, now: () => number, { level = "info" }: LogOptions = {}): Log {
  const least = LEVELS.indexOf(level);
  let lost = 0;
  const head = (level: Level) => `time=${new Date(now()).toISOString()} level=${level}`;
  // Nothing is to end because a disk has no room for its log.
  const tryToWrite = (line: string) => {
    try {
      if (lost > 0) write(`${head("warn")} msg="lines of this log could not be written" lines=${lost}`);
      lost = 0;
      write(line);
    } catch {
      lost++;
    }
  };
  const say = (level: Level, message: string, fields: Fields = {}) => {
    if (LEVELS.indexOf(level) < least) return;
    const more = Object.entries(fields).map(([name, value]) => ` ${name}=${quoted(String(value))}`).join("");
    tryToWrite(`${head(level)} msg=${quoted(message)}${more}`);
  };
  return {
    level,
    say,
    debug: (message, fields) => say("debug", message, fields),
    info: (message, fields) => say("info", message, fields),
    warn: (message, fields) => say("warn", message, fields),
    error: (message, error, fields) =>
      say("error", message, { ...(error !== undefined && { error: explain(error) }), ...fields }),
  };
}

/** @throws {TypeError} for what is none */
export function levelOf(text: string): Level {
  const level = LEVELS.find((level) => level === text);
  if (level === undefined) {
    throw new TypeError(`Cannot log at level "${text}" as it must be one of ${LEVELS.join(", ")}`);
  }
  return level;
}

/** Of causes of causes; they may go round in circles. */
const CAUSES_MAX = 8;
/** What Connect puts before the message of an error. */
const CODE = /^\[[a-z_]+\] /;

/** An error's message followed by those of its causes, as far as they say more. */
export function explain(error: unknown): string {
  const messages: string[] = [];
  for (let one: unknown = error, depth = 0; one !== undefined && depth < CAUSES_MAX; depth++) {
    const message = one instanceof Error ? one.message : String(one);
    // One that wraps another often says what that has said: in its own words after a colon, or no more than it.
    const words = message.replace(CODE, "");
    const last = messages.at(-1);
    if (last !== undefined && words !== last && hasWords(words, last)) messages[messages.length - 1] = message;
    else if (!messages.some((said) => hasWords(said, words))) messages.push(message);
    one = one instanceof Error ? one.cause : undefined;
  }
  return messages.join(": ");
}

/** Whether a text is in another one, and neither its first nor its last word is only a part of one there. */
function hasWords(text: string, words: string): boolean {
  for (let at = text.indexOf(words); at !== -1; at = text.indexOf(words, at + 1)) {
    const [before, after] = [text[at - 1] ?? " ", text[at + words.length] ?? " "];
    if (!/\w\w/.test(before + words.slice(0, 1)) && !/\w\w/.test(words.slice(-1) + after)) return true;
  }
  return false;
}

/** As it is where that is one word, else as a JSON string, in which nothing ends the line. */
function quoted(value: string): string {
  return /^[\w./:@-]+$/.test(value)
    ? value
    : JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
