import { equal } from "node:assert/strict";
import { type LogOptions, readLog } from "./log_reader.ts";

const LINES = [
  "2026-01-01T00:00:01.000000001Z stdout F one",
  "2026-01-01T00:00:02.000000002Z stderr F two",
  "2026-01-01T00:00:03.000000003Z stdout P thr",
  "2026-01-01T00:00:03.000000004Z stdout F ee",
  "2026-01-01T00:00:04.000000005Z stdout F ",
];

async function read(
  options: Partial<LogOptions>,
  over: { write?: (path: string) => Promise<void>; live?: () => boolean } = {},
): Promise<string> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, LINES.map((line) => `${line}\n`).join(""));
    const writing = over.write?.(path);
    let text = "";
    const decoder = new TextDecoder();
    const all = { follow: false, timestamps: false, ...options };
    for await (
      const chunk of readLog(path, all, () => Promise.resolve(over.live?.() ?? false), AbortSignal.timeout(10_000))
    ) {
      text += decoder.decode(chunk);
    }
    await writing;
    return text;
  } finally {
    await Deno.remove(path);
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

Deno.test("whoever follows sees what comes, and the end", async () => {
  let live = true;
  const write = async (path: string) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Deno.writeTextFile(path, "2026-01-01T00:00:05Z stdout F late\n", { append: true });
    live = false;
  };
  equal(await read({ follow: true, tailLines: 0 }, { write, live: () => live }), "late\n");
});
