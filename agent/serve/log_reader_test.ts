import { deepEqual as assertEquals, equal } from "node:assert/strict";
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

Deno.test("who does not follow comes to an end though more is written all the time", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/0.log`;
  try {
    await Deno.writeTextFile(path, LINES.map((line) => `${line}\n`).join(""));
    const options = { follow: false, timestamps: false, tailLines: 3 };
    let lines = 0;
    for await (const _ of readLog(path, options, () => Promise.resolve(true), AbortSignal.timeout(10_000))) {
      lines++;
      await Deno.writeTextFile(path, "2026-01-01T00:00:05Z stdout F more\n", { append: true });
    }
    equal(lines, 3);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
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

Deno.test("what was rotated away belongs to the log", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/0.log`;
  const line = (second: number) => `2026-01-01T00:00:0${second}.000000000Z stdout F ${second}\n`;
  const all = async (options: Partial<LogOptions>) => {
    let text = "";
    const given = { follow: false, timestamps: false, ...options };
    const log = readLog(path, given, () => Promise.resolve(false), AbortSignal.timeout(10_000));
    for await (const chunk of log) text += new TextDecoder().decode(chunk);
    return text.replaceAll("\n", "");
  };
  try {
    await Deno.writeTextFile(`${path}.20260101000002000`, line(1) + line(2));
    await Deno.writeTextFile(`${path}.20260101000004000`, line(3) + line(4));
    await Deno.writeTextFile(path, line(5));
    equal(await all({}), "12345");
    equal(await all({ follow: true }), "12345");
    for (let lines = 0; lines <= 6; lines++) {
      equal(await all({ tailLines: lines }), "12345".slice(Math.max(0, 5 - lines)), `tail ${lines}`);
    }
    equal(await all({ since: Date.parse("2026-01-01T00:00:04Z") }), "45");
    await Deno.remove(path);
    equal(await all({ tailLines: 1 }), "4");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("whoever is slower than the rotation loses and repeats nothing", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/0.log`;
  const line = (number: number) => `2026-01-01T00:00:00.000000000Z stdout F ${number}\n`;
  const LINES = 400;
  let isWritten = false;
  // As the shim and the rotation do it: a file is renamed, may still get a line, and the next one begins a new one.
  const write = async () => {
    let file = await Deno.open(path, { create: true, append: true });
    for (let number = 0; number < LINES; number++) {
      if (number % 100 === 99) {
        await Deno.rename(path, `${path}.${String(number).padStart(17, "0")}`);
        await file.write(new TextEncoder().encode(line(number)));
        file.close();
        file = await Deno.open(path, { create: true, append: true });
      } else await file.write(new TextEncoder().encode(line(number)));
      if (number % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    file.close();
    isWritten = true;
  };
  try {
    await Deno.writeTextFile(path, "");
    const writing = write();
    const seen: number[] = [];
    const options = { follow: true, timestamps: false };
    const signal = AbortSignal.timeout(30_000);
    for await (const chunk of readLog(path, options, () => Promise.resolve(!isWritten), signal)) {
      seen.push(Number(new TextDecoder().decode(chunk)));
      if (seen.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await writing;
    assertEquals(seen, Array.from({ length: LINES }, (_, index) => index));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
