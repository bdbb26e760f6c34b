import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { violations } from "./layers.ts";

Deno.test("a member may import what its row allows", () => {
  assertEquals(violations("api/verbs/get.ts", `import { pods } from "@k3ts/model";`), []);
});

Deno.test("a member may not import upwards", () => {
  const [found] = violations("model/mod.ts", `import type { Store } from "@k3ts/api";`);
  equal(found?.reason, "model may import proto");
});

Deno.test("another member is never imported by a path", () => {
  const [found] = violations("server/main.ts", `export * from "../api/mod.ts";`);
  equal(found?.imports, "../api/mod.ts");
});

Deno.test("imports over several lines, bare imports and dynamic imports are seen", () => {
  const [agent, server, ctl] = ["agent", "server", "ctl"].map((name) => `"@k3ts/${name}"`);
  const source = `import {\n  a,\n  b,\n} from ${agent};\nimport ${server};\nconst c = await import(${ctl});`;
  equal(violations("plugins/a.ts", source).length, 3);
});

Deno.test("tests may use the testing helpers of any member, the code beside them may not", () => {
  const source = `import { transportSuite } from "@k3ts/api/testing";`;
  equal(violations("client/a_test.ts", source).length, 0);
  equal(violations("client/a.ts", source).length, 1);
});
