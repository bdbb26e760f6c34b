import { deepEqual, rejects } from "node:assert/strict";
import { storeSuite } from "@k3ts/api/testing";
import { type EngineName, type Native, openNative } from "@k3ts/ffi";
import { diskStore } from "./disk.ts";

const never = new AbortController().signal;

interface Opened extends AsyncDisposable {
  native: Native;
  path: string;
}

async function openFolder(): Promise<Opened> {
  const path = await Deno.makeTempDir({ prefix: "k3ts-store-" });
  const native = await openNative();
  return {
    native,
    path,
    async [Symbol.asyncDispose]() {
      await native.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

const ENGINES: readonly EngineName[] = ["slatedb", "sqlite"];

for (const engine of ENGINES) {
  storeSuite(engine, async () => {
    const opened = await openFolder();
    return { store: diskStore({ ...opened, engine }), [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
  });

  Deno.test(`${engine}: a folder stays with its engine, which need not be named again`, async () => {
    await using opened = await openFolder();
    {
      await using writer = await diskStore({ ...opened, engine }).openWriter({ name: "a" }, never);
      await writer.append({ changes: [{ type: "put", key: "a", value: new Uint8Array([1]), revision: 1 }] });
    }
    const other = ENGINES.find((one) => one !== engine)!;
    const refusal = new RegExp(`as ${other} as it must stay with the engine that made it: that is ${engine}`);
    await rejects(() => diskStore({ ...opened, engine: other }).openWriter({ name: "a" }, never), refusal);
    await rejects(() => diskStore({ ...opened, engine: other }).openReader(never), refusal);
    await using writer = await diskStore(opened).openWriter({ name: "a" }, never);
    const pages = await Array.fromAsync(writer.load());
    deepEqual(pages.map(({ revision }) => revision), [1]);
  });
}

Deno.test("a store that another process holds is refused by its process id", async () => {
  await using opened = await openFolder();
  await using _writer = await diskStore(opened).openWriter({ name: "a" }, never);
  const program = `
    import { openEngine, openNative } from "@k3ts/ffi";
    const native = await openNative();
    try {
      await openEngine(native, { path: ${JSON.stringify(opened.path)} });
    } catch (error) {
      console.log(error.rawMessage);
    }
    await native.close();
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    cwd: new URL(".", import.meta.url),
    stderr: "inherit",
  }).output();
  deepEqual(
    new TextDecoder().decode(stdout),
    `Cannot open the store in ${opened.path} as no other process may hold it: process ${Deno.pid} does\n`,
  );
});

Deno.test("a folder that no writer has made cannot be read", async () => {
  await using opened = await openFolder();
  await rejects(() => diskStore(opened).openReader(never), /a writer must have made it/);
});

Deno.test("a batch with a gap in its revisions is refused, and the writer goes on", async () => {
  await using opened = await openFolder();
  await using writer = await diskStore(opened).openWriter({ name: "a" }, never);
  const value = new Uint8Array([1]);
  await rejects(() => writer.append({ changes: [{ type: "put", key: "a", value, revision: 2 }] }), RangeError);
  await writer.append({ changes: [{ type: "put", key: "a", value, revision: 1 }] });
});
