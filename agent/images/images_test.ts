import { deepEqual as assertEquals, equal, rejects, throws } from "node:assert/strict";
import { existsSync } from "node:fs";
import { Images } from "./images.ts";
import { fakeNative, writeLayout } from "./testing.ts";

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
    const images = new Images(`${directory}/images`, fakeNative(unpacked), `${directory}/registries.yaml`);
    await images.open();
    const [image] = await images.import(`${directory}/layout`);
    equal(image?.id, id);
    assertEquals(image?.names, ["docker.io/library/hello:1"]);
    assertEquals(unpacked.sort(), diffIds.sort());
    const again = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
    await again.open();
    equal(again.find("hello:1")?.id, id);
    equal(again.find(id)?.config.Cmd?.[0], "httpd");
    equal(again.find("hello:2"), undefined);
  }));

Deno.test("a layout that says no more than a tag needs a name", () =>
  inDirectory(async (directory) => {
    await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "latest" });
    const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
    await images.open();
    await rejects(images.import(`${directory}/layout`), /must have a name/);
    const [image] = await images.import(`${directory}/layout`, "localhost/hello:2");
    assertEquals(image?.names, ["localhost/hello:2"]);
  }));

Deno.test("content that is not what its digest says is refused", () =>
  inDirectory(async (directory) => {
    const { id } = await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "hello:1" });
    await Deno.writeTextFile(`${directory}/layout/blobs/${id.replace(":", "/")}`, "{}");
    const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
    await images.open();
    await rejects(images.import(`${directory}/layout`), /its digest must be/);
  }));

Deno.test("an image whose configuration names a place on this machine for a layer is refused", () =>
  inDirectory(async (directory) => {
    // Cut to its first digits, it would lead to the root.
    const layers = ["sha256:" + "../".repeat(8) + "a".repeat(40), "sha256:" + "0".repeat(64)];
    await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "hello:1" }, { layers });
    const unpacked: string[] = [];
    const images = new Images(`${directory}/images`, fakeNative(unpacked), `${directory}/registries.yaml`);
    await images.open();
    await rejects(images.import(`${directory}/layout`), /Cannot use a digest as it must be sha256 and 64 digits/);
    assertEquals([unpacked, images.index.list()], [[], []]);
    throws(() => images.layerPath(layers[0]!), /Cannot use a digest/);
  }));

Deno.test("a layout whose files lead out of it, or have no end, is refused", () =>
  inDirectory(async (directory) => {
    const { id } = await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "hello:1" });
    const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
    await images.open();
    const blob = `${directory}/layout/blobs/${id.replace(":", "/")}`;
    await Deno.copyFile(blob, `${directory}/outside`);
    for (const target of [`${directory}/outside`, "/dev/zero"]) {
      await Deno.remove(blob);
      await Deno.symlink(target, blob);
      await rejects(images.import(`${directory}/layout`), /must be a plain file in it/);
    }
  }));

Deno.test("what is unpacked is not looked at again for the same blob, and is for another one", () =>
  inDirectory(async (directory) => {
    const name = { "org.opencontainers.image.ref.name": "hello:1" };
    const { diffIds } = await writeLayout(`${directory}/layout`, name);
    const unpacked: string[] = [];
    const images = new Images(`${directory}/images`, fakeNative(unpacked), `${directory}/registries.yaml`);
    await images.open();
    await images.import(`${directory}/layout`);
    equal(unpacked.length, 2);
    await images.import(`${directory}/layout`);
    equal(unpacked.length, 2);
    // The layers of the one before, claimed in the other order.
    await writeLayout(`${directory}/other`, name, { layers: diffIds.toReversed() });
    await images.import(`${directory}/other`);
    equal(unpacked.length, 4);
  }));

Deno.test("an image whose configuration is of other types is refused", () =>
  inDirectory(async (directory) => {
    for (const config of [{ Env: "A=b" }, { Cmd: [1] }, { User: 0 }, { Entrypoint: {} }]) {
      await writeLayout(`${directory}/layout`, { "org.opencontainers.image.ref.name": "hello:1" }, { config });
      const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
      await images.open();
      await rejects(images.import(`${directory}/layout`), /must be of the types that OCI gives it/);
    }
  }));

Deno.test("a registry whose errors and tokens have no end is left", async () => {
  const endless = (status: number, headers: HeadersInit = {}) =>
    new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65_536).fill(32)) }), {
      status,
      headers,
    });
  for (const way of ["error", "token"]) {
    const registry = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
      const { host, pathname } = new URL(request.url);
      if (way === "error") return endless(500);
      if (pathname === "/token") return endless(200);
      return new Response(null, {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="http://${host}/token"` },
      });
    });
    await inDirectory(async (directory) => {
      const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
      await images.open();
      const name = `127.0.0.1:${registry.addr.port}/x:1`;
      const expected = way === "error" ? /must answer with success: 500/ : /must have at most \d+ bytes: more came/;
      await rejects(images.pull(name, [], new AbortController().signal), expected);
    });
    await registry.shutdown();
  }
});

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
      const images = new Images(`${directory}/images`, fakeNative([]), `${directory}/registries.yaml`);
      await images.open();
      const name = `127.0.0.1:${server.addr.port}/team/hello:1`;
      const pulls = [1, 2].map(() => images.pull(name, [], AbortSignal.timeout(10_000)));
      assertEquals((await Promise.all(pulls)).map((one) => one.image.id), [id, id]);
      equal(seen.filter((one) => one === "manifests").length, 1);
      equal(seen.filter((one) => one === "blobs bytes=10-").length, 2);
      equal(images.find(name)?.digests.length, 1);
      await rejects(
        images.pull(`127.0.0.1:${server.addr.port}/team/hello:2`, [], AbortSignal.timeout(10_000)),
        /not found/,
      );
    } finally {
      await server.shutdown();
    }
  }));

/** A free port: nobody else is asked for it in the moment between. */
function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}

Deno.test({
  name: "an image is pulled from the registry of the distribution project",
  ignore: !existsSync("/usr/bin/docker-registry") || !existsSync("/usr/bin/skopeo"),
  fn: () =>
    inDirectory(async (directory) => {
      const { id, diffIds } = await writeLayout(`${directory}/layout`);
      const host = `127.0.0.1:${freePort()}`;
      const config = `version: 0.1
storage: { filesystem: { rootdirectory: ${directory}/registry } }
http: { addr: "${host}" }
`;
      await Deno.writeTextFile(`${directory}/config.yml`, config);
      const registry = new Deno.Command("docker-registry", {
        args: ["serve", `${directory}/config.yml`],
        stdout: "null",
        stderr: "null",
      }).spawn();
      try {
        const answers = () =>
          fetch(`http://${host}/v2/`).then((response) => response.body?.cancel()).then(() => true, () => false);
        while (!await answers()) await new Promise((resolve) => setTimeout(resolve, 20));
        const name = `${host}/team/hello:1`;
        const push = ["copy", "--dest-tls-verify=false", `oci:${directory}/layout`, `docker://${name}`];
        const { success, stderr } = await new Deno.Command("skopeo", { args: push }).output();
        equal(success, true, new TextDecoder().decode(stderr));
        const unpacked: string[] = [];
        const images = new Images(`${directory}/images`, fakeNative(unpacked), `${directory}/registries.yaml`);
        await images.open();
        const { image } = await images.pull(name, [], AbortSignal.timeout(10_000));
        equal(image.id, id);
        assertEquals(unpacked.sort(), diffIds.sort());
        const byDigest = image.digests[0]!;
        equal((await images.pull(byDigest, [], AbortSignal.timeout(10_000))).image.id, id);
        equal(images.find(byDigest)?.id, id);
        await rejects(images.pull(`${host}/team/hello:2`, [], AbortSignal.timeout(10_000)), /not found/);
      } finally {
        registry.kill("SIGTERM");
        await registry.status;
      }
    }),
});
