import { deepEqual as assertEquals } from "node:assert/strict";
import { renderRules } from "./rules.ts";

Deno.test("what is allowed is a line a resource, with all verbs of all rules", () => {
  const text = renderRules([
    { verbs: ["get"], apiGroups: [""], resources: ["pods", "services"] },
    { verbs: ["list", "get"], apiGroups: [""], resources: ["pods"] },
    { verbs: ["get"], apiGroups: ["apps"], resources: ["deployments"], resourceNames: ["web"] },
    { verbs: ["get"], nonResourceURLs: ["/version"] },
  ], true);
  assertEquals(text.split("\n").map((line) => line.split(/ {3,}/)), [
    ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"],
    ["deployments.apps", "[]", "[web]", "[get]"],
    ["pods", "[]", "[]", "[get list]"],
    ["services", "[]", "[]", "[get]"],
    ["", "[/version]", "[]", "[get]"],
  ]);
});
