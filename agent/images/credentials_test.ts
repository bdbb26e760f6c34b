import { deepEqual as assertEquals, equal } from "node:assert/strict";
import type { Secret } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { References } from "../sync/references.ts";
import { credentialsFor, digestOfCredentials, mayUse } from "./credentials.ts";

const metadata = { name: "s", uid: "1", resourceVersion: "1", creationTimestamp: "" };
const pod = aPod({ spec: { imagePullSecrets: [{ name: "s" }] } });

function secret(content: string, key = ".dockerconfigjson"): References {
  const object: Secret = { metadata, data: { [key]: btoa(content) } };
  return new References(() => ({ state: "known", object }));
}

const auths = (entries: Record<string, string>) =>
  JSON.stringify({
    auths: Object.fromEntries(
      Object.entries(entries).map(([key, user]) => [key, { auth: btoa(`${user}:pw:with:colons`) }]),
    ),
  });
const users = (image: string, references: References) =>
  credentialsFor(pod, image, references).map((one) => one.username);

Deno.test("a password is for its registry, the most specific entry first", () => {
  const references = secret(auths({
    "registry.example": "all",
    "https://registry.example/team/": "team",
    "other.example": "other",
    "*.example": "any",
  }));
  assertEquals(users("registry.example/team/app:1", references), ["team", "all", "any"]);
  assertEquals(users("registry.example/teams/app:1", references), ["all", "any"]);
  assertEquals(users("a.b.example/app:1", references), []);
  equal(credentialsFor(pod, "other.example/x:1", references)[0]?.password, "pw:with:colons");
});

Deno.test("Docker Hub goes by many names", () => {
  for (const key of ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"]) {
    assertEquals(users("nginx", secret(auths({ [key]: "me" }))), ["me"], key);
  }
});

Deno.test("a secret of the older form is read too, and one that is broken is passed over", () => {
  assertEquals(
    users("r.example/x:1", secret(JSON.stringify({ "r.example": { username: "me", password: "p" } }), ".dockercfg")),
    [
      "me",
    ],
  );
  assertEquals(users("r.example/x:1", secret("{no json")), []);
});

Deno.test("an image that a password opened is for pods that have it", () => {
  const references = secret(auths({ "r.example": "me" }));
  const [mine] = credentialsFor(pod, "r.example/x:1", references);
  const opened = { openedBy: { "r.example/x": [digestOfCredentials(mine!)] } };
  equal(mayUse(pod, "r.example/x:1", opened, references), true);
  equal(mayUse(aPod(), "r.example/x:1", opened, references), false);
  equal(mayUse(aPod(), "r.example/other:1", opened, references), true);
  equal(mayUse(aPod(), "r.example/x:1", {}, references), true);
});
