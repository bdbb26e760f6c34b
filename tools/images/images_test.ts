import { deepEqual, equal, throws } from "node:assert/strict";
import { parse } from "yaml";
import { archivesOf } from "./debian.ts";
import { mirrorSettings, missingFrom } from "./import.ts";
import { LAYERS } from "./layers.ts";
import { withFolders } from "./make.ts";
import { IMAGES, imagesNamed } from "./table.ts";

Deno.test("an image is named by any end of its name that says what it is", () => {
  const names = (...words: string[]) => imagesNamed(words).map(({ name }) => name);
  deepEqual(names("agnhost:2.59"), ["registry.k8s.io/e2e-test-images/agnhost:2.59"]);
  deepEqual(names("agnhost"), [
    "registry.k8s.io/e2e-test-images/agnhost:2.59",
    "registry.k8s.io/e2e-test-images/agnhost:2.55",
  ]);
  deepEqual(names("pause", "registry.k8s.io/pause:3.10.1"), ["registry.k8s.io/pause:3.10.1"]);
  throws(() => names("host:2.59"), /must be one of the table/);
  throws(() => names("pause:3"), /must be one of the table/);
});

Deno.test("no name stands twice in the table, and no two images have one configuration", () => {
  equal(new Set(IMAGES.map(({ name }) => name)).size, IMAGES.length);
  equal(new Set(IMAGES.map(({ layers, config }) => JSON.stringify([layers, config]))).size, IMAGES.length);
});

Deno.test("no recipe says twice what lies at a path", () => {
  for (const [name, { folders, texts, links, programs, sources, debian }] of Object.entries(LAYERS)) {
    const paths = [folders, texts, links, programs, sources, debian?.programs].flatMap((part) =>
      Object.keys(part ?? {})
    );
    equal(new Set(paths).size, paths.length, name);
    for (const path of paths) equal(path.startsWith("/"), false, path);
  }
});

Deno.test("a layer has every folder before what is in it, each once, as it was said", () => {
  const file = (path: string) => ({ path, type: "file" as const, data: new Uint8Array() });
  const entries = withFolders([file("b/c/d"), { path: "b", type: "folder", mode: 0o700 }, file("a"), file("b/a")]);
  deepEqual(entries.map(({ path, type }) => `${type} ${path}`), [
    "file a",
    "folder b",
    "file b/a",
    "folder b/c",
    "file b/c/d",
  ]);
  deepEqual(entries[1], { path: "b", type: "folder", mode: 0o700 });
});

Deno.test("the archives of packages are called as apt-get calls them", () => {
  const simulation = [
    "Inst libc6 (2.36-9+deb12u14 Debian:12.14/oldstable [amd64])",
    "Inst bind9-host (1:9.18.49-1~deb12u3 Debian-Security:12/oldstable-security [amd64]) []",
    "Inst debconf (1.5.82 Debian:12.14/oldstable [all])",
    "Conf libc6 (2.36-9+deb12u14 Debian:12.14/oldstable [amd64])",
  ].join("\n");
  deepEqual(archivesOf(simulation), [
    "bind9-host_1%3a9.18.49-1~deb12u3_amd64.deb",
    "debconf_1.5.82_all.deb",
    "libc6_2.36-9+deb12u14_amd64.deb",
  ]);
});

Deno.test("a node has an image when it lists it under its name as what it is", () => {
  const ids = new Map([["r/a:1", "sha256:aaaabbbb"], ["r/b:1", "sha256:bbbbcccc"]]);
  deepEqual(missingFrom("IMAGE  ID    SIZE\nr/a:1  aaaa  1 MB\nr/b:1  bbbb  2 MB\n", ids), []);
  deepEqual(missingFrom("IMAGE  ID    SIZE\nr/a:1  aaaa  1 MB\nr/b:1  aaaa  2 MB\n", ids), ["r/b:1"]);
  deepEqual(missingFrom("IMAGE  ID    SIZE\nr/a:10  aaaa  1 MB\nr/b:1\n", ids), ["r/a:1", "r/b:1"]);
});

Deno.test("a node is told to ask a mirror for the registries of all images", () => {
  deepEqual(parse(mirrorSettings("10.0.0.1:5000", { username: "u", password: "p" })), {
    mirrors: { "registry.k8s.io": { endpoint: ["http://10.0.0.1:5000"] } },
    configs: { "10.0.0.1:5000": { auth: { username: "u", password: "p" } } },
  });
});
