import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { createLog, explain, levelOf } from "./log.ts";

function said(level: "debug" | "info" | "warn" = "info"): { lines: string[]; log: ReturnType<typeof createLog> } {
  const lines: string[] = [];
  return { lines, log: createLog((line) => void lines.push(line), () => 0, { level }) };
}

Deno.test("an event is one line with its time, level, words and fields", () => {
  const { lines, log } = said();
  log.info("pod started", { pod: "a/b", tries: 2 });
  log.error("Cannot pull", new Error("no", { cause: new Error("refused") }));
  equal(lines[0], `time=1970-01-01T00:00:00.000Z level=info msg="pod started" pod=a/b tries=2`);
  equal(lines[1], `time=1970-01-01T00:00:00.000Z level=error msg="Cannot pull" error="no: refused"`);
});

Deno.test("an error is explained by its causes, and what one of them has said already is not said again", () => {
  const refused = new Error("connection refused");
  const of = (message: string, cause: unknown) => explain(new Error(message, { cause }));
  equal(of("Cannot pull", refused), "Cannot pull: connection refused");
  equal(of("Cannot pull: connection refused", refused), "Cannot pull: connection refused");
  equal(of("[unavailable] connection refused", refused), "[unavailable] connection refused");
  equal(
    of("Cannot sync", new Error("Cannot pull: connection refused", { cause: refused })),
    "Cannot sync: Cannot pull: connection refused",
  );
  equal(
    of("Cannot pull: connection refused, tried 3 times", refused),
    "Cannot pull: connection refused, tried 3 times",
  );
  equal(of("Cannot pull", new Error("")), "Cannot pull");
  equal(of("connection refused", new Error("[unavailable] connection refused")), "connection refused");
  // One that has all of the words before it takes their place.
  equal(
    of("Cannot pull: no room", new Error("[internal] Cannot pull: no room: os error 28")),
    "[internal] Cannot pull: no room: os error 28",
  );
  // A part of a word is another word.
  equal(of("exit 10", new Error("exit 1")), "exit 10: exit 1");
  equal(of("unable", "able"), "unable: able");
  const round = new Error("a");
  round.cause = new Error("b", { cause: round });
  equal(explain(round), "a: b");
});

Deno.test("what is below the level is not said", () => {
  const { lines, log } = said("warn");
  log.debug("a");
  log.info("b");
  log.warn("c");
  equal(lines.length, 1);
});

Deno.test("whatever is said stays on its line", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (message, value) => {
    const { lines, log } = said();
    log.info(message, { value });
    equal(/[\n\r\u2028\u2029]/.test(lines[0]!), false);
  }));
});

Deno.test("a log that cannot be written harms nobody, and tells later how much is missing", () => {
  const lines: string[] = [];
  let isFull = true;
  const log = createLog(
    (line) => {
      if (isFull) throw new Error("No space left on device");
      lines.push(line.replace(/^\S+ /, ""));
    },
    () => 0,
  );
  log.info("a");
  log.error("b");
  isFull = false;
  log.info("c");
  log.info("d");
  deepEqual(lines, [
    `level=warn msg="lines of this log could not be written" lines=2`,
    "level=info msg=c",
    "level=info msg=d",
  ]);
});

Deno.test("only the four levels are levels", () => {
  equal(levelOf("debug"), "debug");
  throws(() => levelOf("loud"), /must be one of debug, info, warn, error/);
});
