import { deepEqual as assertEquals, equal, rejects } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { ExtractArchiveResponseSchema, UnpackLayerResponseSchema } from "@k3ts/proto";
import { digestOf } from "./blobs.ts";
import { type ImageNative, Images } from "./images.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Notes what it is asked to unpack. */
function fakeNative(unpacked: string[]): ImageNative {
  return {
    unpackLayer: async ({ blob, diffId, target }) => {
      await Deno.stat(blob!);
      await Deno.mkdir(target!, { recursive: true });
      unpacked.push(diffId!);
      return create(UnpackLayerResponseSchema);
    },
    extractArchive: () => Promise.resolve(create(ExtractArchiveResponseSchema)),
  };
}

/** An OCI layout with one image of two layers. */
async function writeLayout(
  directory: string,
  annotations: Record<string, string> = {},
): Promise<{ id: string; diffIds: string[] }> {
  const put = async (content: Uint8Array<ArrayBuffer>, mediaType: string) => {
    const digest = digestOf(content);
    await Deno.mkdir(`${directory}/blobs/sha256`, { recursive: true });
    await Deno.writeFile(`${directory}/blobs/${digest.replace(":", "/")}`, content);
    return { mediaType, digest, size: content.length };
  };
  const layers = ["one", "two"].map(bytes);
  const diffIds = layers.map(digestOf);
  const config = {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["httpd"] },
    rootfs: { type: "layers", diff_ids: diffIds },
  };
  const manifest = {
    schemaVersion: 2,
    config: await put(bytes(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
    layers: await Promise.all(
      layers.map((one) => put(new Uint8Array(gzipSync(one)), "application/vnd.oci.image.layer.v1.tar+gzip")),
    ),
  };
  const top = await put(bytes(JSON.stringify(manifest)), "application/vnd.oci.image.manifest.v1+json");
  await Deno.writeTextFile(`${directory}/oci-layout`, `{"imageLayoutVersion":"1.0.0"}`);
  await Deno.writeTextFile(
    `${directory}/index.json`,
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...top, annotations }] }),
  );
  return { id: manifest.config.digest, diffIds };
}

async function inDirectory(task: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await task(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a layout is imported under its name, and found by it after a restart", () =>
  inDirectory(async (directory) => {
    const { id, diffIds } = await writeLayout(`${directory}/layout`, {
      "org.opencontainers.image.ref.name": "hello:1",
    });
    const unpacked: string[] = [];
    const images = new Images(`${directory}/images`, fakeNative(unpacked));
    await images.open();
    const [image] = await images.import(`${directory}/layout`);
    equal(image?.id, id);
    assertEquals(image?.names, ["docker.io/library/hello:1"]);
    assertEquals(unpacked.sort(), diffIds.sort());
    const again = new Images(`${directory}/images`, fakeNative([]));
    await again.open();
    equal(again.find("hello:1")?.id, id);
    equal(again.find(id)?.config.Cmd?.[0], "httpd");
    equal(again.find("hello:2"), undefined);
  }));

Deno.test("a layout that says no more than a tag needs a name", () =>
  inDirectory(async (directory) => {
    await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "latest" });
    const images = new Images(`${directory}/images`, fakeNative([]));
    await images.open();
    await rejects(images.import(`${directory}/layout`), /must have a name/);
    const [image] = await images.import(`${directory}/layout`, "localhost/hello:2");
    assertEquals(image?.names, ["localhost/hello:2"]);
  }));

Deno.test("content that is not what its digest says is refused", () =>
  inDirectory(async (directory) => {
    const { id } = await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "hello:1" });
    await Deno.writeTextFile(`${directory}/layout/blobs/${id.replace(":", "/")}`, "{}");
    const images = new Images(`${directory}/images`, fakeNative([]));
    await images.open();
    await rejects(images.import(`${directory}/layout`), /its digest must be/);
  }));

/** A registry on loopback: serves a layout's blobs, asks for a token, and breaks off the first transfer of each layer. */
function startRegistry(layout: string, seen: string[]) {
  const broken = new Set<string>();
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/token") return Response.json({ token: "t" });
    if (request.headers.get("authorization") !== "Bearer t") {
      const challenge = `Bearer realm="http://${url.host}/token",service="registry",scope="repository:team/hello:pull"`;
      return new Response("", { status: 401, headers: { "www-authenticate": challenge } });
    }
    seen.push(`${url.pathname.split("/").at(-2)} ${request.headers.get("range") ?? ""}`.trim());
    const index = JSON.parse(await Deno.readTextFile(`${layout}/index.json`));
    const digest = url.pathname.endsWith("/manifests/1") ? index.manifests[0].digest : url.pathname.split("/").at(-1)!;
    const content = await Deno.readFile(`${layout}/blobs/${digest.replace(":", "/")}`).catch(() => undefined);
    if (content === undefined) return new Response("", { status: 404 });
    const from = Number(/bytes=(\d+)-/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
    if (content[0] === 0x1f && !broken.has(digest)) {
      broken.add(digest);
      return new Response(content.subarray(0, 10));
    }
    return new Response(content.subarray(from), { status: from > 0 ? 206 : 200 });
  });
}

Deno.test("an image is pulled with a token, and a broken transfer is continued", () =>
  inDirectory(async (directory) => {
    const { id } = await writeLayout(`${directory}/layout`);
    const seen: string[] = [];
    const server = startRegistry(`${directory}/layout`, seen);
    try {
      const images = new Images(`${directory}/images`, fakeNative([]));
      await images.open();
      const name = `127.0.0.1:${server.addr.port}/team/hello:1`;
      const pulls = [1, 2].map(() => images.pull(name, undefined, AbortSignal.timeout(10_000)));
      assertEquals((await Promise.all(pulls)).map((one) => one.id), [id, id]);
      equal(seen.filter((one) => one === "manifests").length, 1);
      equal(seen.filter((one) => one === "blobs bytes=10-").length, 2);
      equal(images.find(name)?.digests.length, 1);
      await rejects(
        images.pull(`127.0.0.1:${server.addr.port}/team/hello:2`, undefined, AbortSignal.timeout(10_000)),
        /not found/,
      );
    } finally {
      await server.shutdown();
    }
  }));
