import { equal, match } from "node:assert/strict";
import { indexOf, LAYOUT_VERSION, makeImage, makeLayer } from "../oci_archive.ts";
import { serveImages } from "./registry.ts";

const NAME = "registry.example/team/box:1";

/** An image of one file in a folder, served. */
async function serving(login?: { username: string; password: string }) {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-registry-" });
  const files = [{ path: "a", type: "file" as const, data: new Uint8Array(1000) }];
  const layer = makeLayer(files, { suffix: "gzip", compress: (data) => data });
  const { config, manifest } = makeImage([layer], {});
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  for (const { descriptor, data } of [layer.blob, config, manifest]) {
    await Deno.writeFile(`${folder}/blobs/${descriptor.digest.replace(":", "/")}`, data);
  }
  await Deno.writeTextFile(`${folder}/oci-layout`, LAYOUT_VERSION);
  await Deno.writeTextFile(`${folder}/index.json`, JSON.stringify(indexOf([[NAME, manifest.descriptor]])));
  const stop = new AbortController();
  const images = new Map([[NAME, folder]]);
  const server = await serveImages({ hostname: "127.0.0.1", port: 0, images, login, signal: stop.signal });
  return {
    base: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`,
    layer: layer.blob,
    manifest,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

async function get(url: string, init?: RequestInit) {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, body: new Uint8Array(await response.arrayBuffer()) };
}

Deno.test("a manifest is had by tag and by digest, and asked for without its content", async () => {
  await using registry = await serving();
  const { base, manifest: { descriptor, data } } = registry;
  equal((await get(`${base}/v2/`)).status, 200);
  for (const reference of ["1", descriptor.digest]) {
    const { status, headers, body } = await get(`${base}/v2/team/box/manifests/${reference}`);
    equal(status, 200);
    equal(headers.get("docker-content-digest"), descriptor.digest);
    equal(headers.get("content-type"), "application/vnd.oci.image.manifest.v1+json");
    equal(new TextDecoder().decode(body), new TextDecoder().decode(data));
  }
  const head = await get(`${base}/v2/team/box/manifests/1`, { method: "HEAD" });
  equal(head.headers.get("content-length"), `${descriptor.size}`);
  equal(head.body.length, 0);
});

Deno.test("a blob is had whole, or from where it was cut off", async () => {
  await using registry = await serving();
  const { base, layer: { descriptor } } = registry;
  const url = `${base}/v2/team/box/blobs/${descriptor.digest}`;
  equal((await get(url)).body.length, descriptor.size);
  const rest = await get(url, { headers: { range: "bytes=1000-" } });
  equal(rest.status, 206);
  equal(rest.headers.get("content-range"), `bytes 1000-${descriptor.size - 1}/${descriptor.size}`);
  equal(rest.body.length, descriptor.size - 1000);
  equal((await get(url, { headers: { range: `bytes=${descriptor.size}-` } })).status, 416);
});

Deno.test("what is not there is not found, and nothing is taken", async () => {
  await using registry = await serving();
  const { base } = registry;
  for (
    const path of [
      "/v2/team/box/manifests/2",
      "/v2/team/other/manifests/1",
      "/v2/team/box/blobs/sha256:00",
      "/v2/team/box/blobs/..%2f..%2findex.json",
      "/v2/team/box/blobs/../../index.json",
      "/etc/passwd",
    ]
  ) equal((await get(base + path)).status, 404, path);
  equal((await get(`${base}/v2/team/box/blobs/uploads/`, { method: "POST" })).status, 405);
});

Deno.test("a registry with a password tells those who lack it so, and how to say it", async () => {
  await using registry = await serving({ username: "puller", password: "secret" });
  const url = `${registry.base}/v2/team/box/manifests/1`;
  const refused = await get(url);
  equal(refused.status, 401);
  match(refused.headers.get("www-authenticate")!, /^Basic realm=/);
  equal((await get(url, { headers: { authorization: `Basic ${btoa("puller:guess")}` } })).status, 401);
  equal((await get(url, { headers: { authorization: `Basic ${btoa("puller:secret")}` } })).status, 200);
});
