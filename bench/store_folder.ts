/** A folder with a store of one engine, where objects are put without an API, and where one may be started. */
import { type Change, LIMITS, type StoreWriter } from "@k3ts/api";
import { type EngineName, openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import { ApiProcess } from "@k3ts/tests/api";
import { Api } from "@k3ts/tests/api-clients";
import { sleeper } from "./workload.ts";

/** As the server is started with. */
const V8_FLAGS = ["--max-old-space-size=2048", "--max-semi-space-size=4"];

const encoder = new TextEncoder();
const never = new AbortController().signal;

export class Folder implements AsyncDisposable {
  private constructor(readonly path: string, readonly engine: EngineName) {}

  static async make(engine: EngineName): Promise<Folder> {
    return new Folder(await Deno.makeTempDir({ prefix: "k3ts-bench-" }), engine);
  }

  serve(): Promise<ApiProcess> {
    return ApiProcess.start({ path: this.path, engine: this.engine, v8Flags: V8_FLAGS });
  }

  /** What the API makes of a small pod. */
  async podAsStored(): Promise<string> {
    await using _server = await this.serve();
    using api = new Api(this.path);
    const create = async (resource: string, object: object) => {
      const response = await api.fetch(`/api/v1/namespaces/default/${resource}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(object),
      });
      const text = await response.text();
      if (response.status !== 201) throw new Error(text);
      return text;
    };
    // No controller is there to make it.
    await create("serviceaccounts", { metadata: { name: "default" } });
    return await create("pods", sleeper("template"));
  }

  async fill(template: string, count: number, { keepHistory }: { keepHistory: boolean }): Promise<void> {
    await this.write(async (writer, last) => {
      for (let at = 0; at < count; at += LIMITS.batchChangesMax) {
        const length = Math.min(LIMITS.batchChangesMax, count - at);
        await writer.append({
          changes: Array.from({ length }, (_, index) => podChange(template, `p-${at + index}`, last + at + index + 1)),
        });
      }
      if (!keepHistory) await writer.compact(last + count + 1);
    });
  }

  async forgetHistory(): Promise<void> {
    await this.write((writer, last) => writer.compact(last + 1));
  }

  /** @param use gets the revision of the last write */
  async write(use: (writer: StoreWriter, last: number) => Promise<void>): Promise<void> {
    await using native = await openNative();
    await using writer = await diskStore({ native, path: `${this.path}/store`, engine: this.engine })
      .openWriter({ name: "bench" }, never);
    let last = 0;
    for await (const { revision } of writer.load()) {
      last = revision;
      break;
    }
    await use(writer, last);
  }

  async megabytes(): Promise<number> {
    const { stdout } = await new Deno.Command("du", { args: ["-sm", `${this.path}/store`] }).output();
    return parseInt(new TextDecoder().decode(stdout));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

export function podChange(template: string, name: string, revision: number): Change {
  const pod = JSON.parse(template);
  Object.assign(pod.metadata, { name, uid: crypto.randomUUID(), resourceVersion: String(revision) });
  const value = encoder.encode(JSON.stringify(pod));
  return { type: "put", key: `objects/pods/default/${name}`, value, revision };
}
