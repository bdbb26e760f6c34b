/** A full disk: writes are refused and say why, reads go on, nothing acknowledged is lost, and room is all that is needed. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { EngineName } from "@k3ts/ffi";
import { eventually } from "../e2e/cluster.ts";
import { Api, type ConfigMap, Watcher } from "./api_clients.ts";
import { ApiProcess } from "./api_process.ts";

const COLLECTION = "/api/v1/namespaces/default/configmaps";
const DISK_MEGABYTES = 32;
/** Far more writes than the disk has room for. */
const WRITES_MAX = 2000;
const ENGINES: readonly EngineName[] = ["slatedb", "sqlite"];

interface Answer {
  code: number;
  object: ConfigMap & { reason?: string; message?: string };
}

for (const engine of ENGINES) {
  Deno.test({
    name: `${engine}: a full disk refuses writes, says why, and takes them again when it has room`,
    // A disk of its own needs a mount.
    ignore: Deno.uid() !== 0,
    fn: () => fillAndFree(engine),
  });
}

async function fillAndFree(engine: EngineName): Promise<void> {
  await using disk = await SmallDisk.mount();
  let server = await disk.serve(engine);
  try {
    using api = new Api(disk.path);
    const watcher = new Watcher("", "1");
    const watching = watcher.run(api);
    const acknowledged = new Set<string>();
    await writeSome(api, "before", 20, acknowledged);

    await disk.fill();
    const refused = await writeUntilRefused(api, acknowledged);
    deepEqual([refused.code, refused.object.reason], [507, "InsufficientStorage"], refused.object.message);
    match(refused.object.message!, /No space left on device/);
    const again = await create(api, "again", 10);
    deepEqual([again.code, again.object.reason], [507, "InsufficientStorage"], again.object.message);
    match(again.object.message!, /^Cannot write as the store must have room on its disk: .*No space left on device/);
    equal((await read(api, "before-0")).code, 200);
    for (const name of acknowledged) ok(await isListed(api, name), `${name} is not listed while the disk is full`);

    await disk.free();
    await eventually(async () => equal((await create(api, "after", 10)).code, 201));
    acknowledged.add("after");
    await writeSome(api, "more", 20, acknowledged);
    ok(server.isAlive, "the server has ended");
    const { items, metadata } = await api.list();
    await eventually(() => ok(watcher.revision >= Number(items.at(-1)!.metadata.resourceVersion)));
    deepEqual(
      watcher.seen.map(({ name }) => name).toSorted(),
      items.map(({ metadata: { name } }) => name).toSorted(),
    );

    await server.kill();
    await watching;
    server = await disk.serve(engine);
    using next = new Api(disk.path);
    const found = await next.list();
    ok(Number(found.metadata.resourceVersion) >= Number(metadata.resourceVersion));
    const names = new Set(found.items.map((item) => item.metadata.name));
    for (const name of acknowledged) ok(names.has(name), `${name} was acknowledged and is lost`);
  } finally {
    await server.kill();
  }
}

async function writeSome(api: Api, prefix: string, count: number, acknowledged: Set<string>): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { code, object } = await create(api, `${prefix}-${index}`, 1000);
    equal(code, 201, object.message);
    acknowledged.add(`${prefix}-${index}`);
  }
}

/** An engine may have room of its own on a full disk. */
async function writeUntilRefused(api: Api, acknowledged: Set<string>): Promise<Answer> {
  for (let index = 0; index < WRITES_MAX; index++) {
    const answer = await create(api, `full-${index}`, 100_000);
    if (answer.code !== 201) return answer;
    acknowledged.add(`full-${index}`);
  }
  throw new Error(`${WRITES_MAX} writes of 100 kB were taken by a full disk of ${DISK_MEGABYTES} MB`);
}

async function create(api: Api, name: string, bytes: number): Promise<Answer> {
  const response = await api.fetch(COLLECTION, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ metadata: { name }, data: { count: name, filling: "x".repeat(bytes) } }),
  });
  return { code: response.status, object: await response.json() };
}

async function read(api: Api, name: string): Promise<Answer> {
  const response = await api.fetch(`${COLLECTION}/${name}`);
  return { code: response.status, object: await response.json() };
}

async function isListed(api: Api, name: string): Promise<boolean> {
  return (await api.list()).items.some(({ metadata }) => metadata.name === name);
}

/** A folder whose `store` is a disk of a few megabytes, mounted where only its own processes see it. */
class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string, readonly holder: Deno.ChildProcess) {}

  static async mount(): Promise<SmallDisk> {
    const path = await Deno.makeTempDir({ prefix: "k3ts-full-" });
    await Deno.mkdir(`${path}/store`);
    const script = `mount -t tmpfs -o size=${DISK_MEGABYTES}m none "$0/store" && echo ready && exec cat`;
    const holder = new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", script, path],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const words = holder.stdout.getReader();
    match(new TextDecoder().decode((await words.read()).value), /ready/);
    words.releaseLock();
    return new SmallDisk(path, holder);
  }

  /** An API on it, ready. */
  async serve(engine: EngineName): Promise<ApiProcess> {
    return await ApiProcess.start({
      path: this.path,
      engine,
      wrap: ["nsenter", `--mount=/proc/${this.holder.pid}/ns/mnt`],
    });
  }

  /** Until not one byte more fits. */
  async fill(): Promise<void> {
    using file = await Deno.open(this.#filling, { create: true, write: true });
    const bytes = new Uint8Array(64 * 1024);
    for (;;) {
      try {
        await file.write(bytes);
      } catch (error) {
        match(String(error), /No space left/);
        return;
      }
    }
  }

  async free(): Promise<void> {
    await Deno.remove(this.#filling);
  }

  /** As its processes see it. */
  get #filling(): string {
    return `/proc/${this.holder.pid}/root${this.path}/store/filling`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder.stdin.close();
    await this.holder.stdout.cancel();
    await this.holder.status;
    await Deno.remove(this.path, { recursive: true });
  }
}
