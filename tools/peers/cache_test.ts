import { deepEqual, equal, rejects } from "node:assert/strict";
import { keep, megabytesOf, stateOf, withBuildLock } from "./cache.ts";

async function program(folder: string, text = "a program"): Promise<string> {
  await Deno.mkdir(`${folder}/out`, { recursive: true });
  await Deno.writeTextFile(`${folder}/out/p`, text);
  const place = `${folder}/bin/p-1.0`;
  await keep(`${folder}/out/p`, place);
  return place;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-peers-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a program that is kept is sound, and its next build takes its place", () =>
  inFolder(async (folder) => {
    const place = await program(folder);
    equal(await stateOf(place), "sound");
    await program(folder, "a newer one");
    equal(await stateOf(place, { thorough: true }), "sound");
    equal(await Deno.readTextFile(place), "a newer one");
  }));

Deno.test("a program without its record was never finished", () =>
  inFolder(async (folder) => {
    const place = await program(folder);
    await Deno.remove(`${place}.json`);
    equal(await stateOf(place), "absent");
    await Deno.writeTextFile(`${place}.json`, '{"bytes": 9, "sha'); // the machine stopped while it was written
    equal(await stateOf(place), "absent");
  }));

Deno.test("an empty, a cut-off and a changed program are damaged", () =>
  inFolder(async (folder) => {
    for (const text of ["", "a prog", "a Program"]) {
      const place = await program(folder);
      await Deno.writeTextFile(place, text);
      await Deno.utime(place, new Date(), new Date(0)); // what counts is that it is another time
      equal(await stateOf(place), "damaged", `with "${text}"`);
    }
  }));

Deno.test("a program that changed without a trace in its size and time is found by reading it", () =>
  inFolder(async (folder) => {
    const place = await program(folder);
    const { mtime } = await Deno.stat(place);
    await Deno.writeTextFile(place, "a Program");
    await Deno.utime(place, mtime!, mtime!);
    equal(await stateOf(place), "sound");
    equal(await stateOf(place, { thorough: true }), "damaged");
  }));

Deno.test("a program that was only touched is sound", () =>
  inFolder(async (folder) => {
    const place = await program(folder);
    await Deno.utime(place, new Date(0), new Date(0));
    equal(await stateOf(place), "sound");
  }));

Deno.test("builds have their turns one after the other", () =>
  inFolder(async (folder) => {
    const events: string[] = [];
    const begun = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const turn = (name: string, work: () => Promise<void>, onWait: () => void) =>
      withBuildLock(async () => {
        events.push(`${name} begins`);
        await work();
        events.push(`${name} ends`);
      }, { isDone: () => Promise.resolve(false), onWait, folder });
    const first = turn("one", () => (begun.resolve(), mayEnd.promise), () => {});
    await begun.promise;
    await Promise.all([first, turn("two", () => Promise.resolve(), () => mayEnd.resolve())]);
    deepEqual(events, ["one begins", "one ends", "two begins", "two ends"]);
  }));

Deno.test("who waits for what another process has made meanwhile need not wait for its other builds", () =>
  inFolder(async (folder) => {
    const { other, end } = await otherBuilds(folder);
    const isDone = () => Promise.resolve(true);
    equal(await withBuildLock(() => Promise.resolve("built twice"), { isDone, onWait: () => {}, folder }), undefined);
    end();
    equal(await other, "built once");
  }));

Deno.test("who waits for a build can be told to stop", () =>
  inFolder(async (folder) => {
    const { other, end } = await otherBuilds(folder);
    const isDone = () => Promise.resolve(false);
    const stop = new AbortController();
    await rejects(
      withBuildLock(() => Promise.resolve(), { isDone, onWait: () => stop.abort(), signal: stop.signal, folder }),
      { name: "AbortError" },
    );
    end();
    await other;
  }));

/** The lock is held, until it is told to end. */
async function otherBuilds(folder: string): Promise<{ other: Promise<string | undefined>; end: () => void }> {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const work = () => (begun.resolve(), ended.promise);
  const other = withBuildLock(work, { isDone: () => Promise.resolve(false), onWait: () => {}, folder });
  await begun.promise;
  return { other, end: () => ended.resolve("built once") };
}

Deno.test("a folder's size is counted, and that of none is nothing", () =>
  inFolder(async (folder) => {
    await Deno.writeFile(`${folder}/file`, new Uint8Array(3_000_000).fill(1));
    const mb = await megabytesOf(folder);
    equal(mb >= 3 && mb <= 5, true, `${mb} MB`); // folders count too, and rounding is up
    equal(await megabytesOf(`${folder}/none`), 0);
  }));
