import { equal } from "node:assert/strict";
import { type LogOptions, readLog } from "./log_reader.ts";

const LINES = [
  "2026-01-01T00:00:01.000000001Z stdout F one",
  "2026-01-01T00:00:02.000000002Z stderr F two",
  "2026-01-01T00:00:03.000000003Z stdout P thr",
  "2026-01-01T00:00:03.000000004Z stdout F ee",
  "2026-01-01T00:00:04.000000005Z stdout F ",
];

/** @param later what is written once the reader has come to the end for the first time */
async function read(options: Partial<LogOptions>, later?: (path: string) => Promise<void>): Promise<string> {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/0.log`;
  try {
    await Deno.writeTextFile(path, LINES.map((line) => `${line}\n`).join(""));
    let writing: Promise<void> | undefined;
    let isWritten = later === undefined;
    const isLive = () => {
      const live = !isWritten;
      writing ??= later?.(path).then(() => void (isWritten = true));
      return Promise.resolve(live);
    };
    let text = "";
    const decoder = new TextDecoder();
    const all = { follow: false, timestamps: false, ...options };
    for await (const chunk of readLog(path, all, isLive, AbortSignal.timeout(10_000))) text += decoder.decode(chunk);
    await writing;
    return text;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a log is its text, partial lines joined", async () => {
  equal(await read({}), "one\ntwo\nthree\n\n");
});

Deno.test("tailLines counts lines of the file from its end", async () => {
  equal(await read({ tailLines: 1 }), "\n");
  equal(await read({ tailLines: 4 }), "two\nthree\n\n");
  equal(await read({ tailLines: 0 }), "");
  equal(await read({ tailLines: 100 }), "one\ntwo\nthree\n\n");
});

Deno.test("times, streams and limits are as they are asked for", async () => {
  equal(await read({ since: Date.parse("2026-01-01T00:00:03Z") }), "three\n\n");
  equal(await read({ stream: "stderr", timestamps: true }), "2026-01-01T00:00:02.000000002Z two\n");
  equal(await read({ limitBytes: 6 }), "one\ntw");
});

Deno.test("whoever follows goes on in the new file when a log is rotated", async () => {
  const rotate = async (path: string) => {
    await Deno.rename(path, `${path}.1`);
    await Deno.writeTextFile(path, "2026-01-01T00:00:05Z stdout F fresh\n");
  };
  equal(await read({ follow: true, tailLines: 0 }, rotate), "fresh\n");
});

Deno.test("whoever follows sees what comes, and the end", async () => {
  const write = (path: string) => Deno.writeTextFile(path, "2026-01-01T00:00:05Z stdout F late\n", { append: true });
  equal(await read({ follow: true, tailLines: 0 }, write), "late\n");
});
