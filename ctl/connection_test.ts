import { deepEqual, throws } from "node:assert/strict";
import { impersonation } from "./connection.ts";

Deno.test("whom to be taken for is said in headers, in UTF-8", () => {
  deepEqual(impersonation({ as: "ł", asGroup: ["a", "b"], asUid: "1" }), [
    ["impersonate-user", "\u00c5\u0082"],
    ["impersonate-group", "a"],
    ["impersonate-group", "b"],
    ["impersonate-uid", "1"],
  ]);
  deepEqual(impersonation({}), []);
});

Deno.test("what no header can hold is refused by its name", () => {
  throws(() => impersonation({ as: "a\nb" }), /^Problem: --as takes no control characters: it is "a\\nb"\.$/);
  throws(() => impersonation({ as: "a", asGroup: ["b", "\u0000"] }), /--as-group .* it is "\\u0000"/);
  throws(() => impersonation({ as: "a", asUid: "\u007f" }), /--as-uid takes no control characters/);
  throws(() => impersonation({ asGroup: ["a"] }), /need --as/);
});
