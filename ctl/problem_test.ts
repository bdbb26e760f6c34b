import { equal, match } from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { ApiError } from "@k3ts/client";
import { explain, Problem } from "./problem.ts";

Deno.test("a problem is a sentence and what to do next", () => {
  equal(explain(new Problem("It broke.", "Mend it.")), "Error: It broke.\nMend it.");
  equal(explain(new Problem("It broke.")), "Error: It broke.");
});

Deno.test("errors of the server bring a hint, by whichever way they came", () => {
  match(explain(new ApiError({ code: 403, reason: "Forbidden", message: "no" })), /^Error: no\nAsk an administrator/);
  match(explain(new ConnectError("refused", Code.Unavailable)), /^Error: refused\nIs the server running\?/);
  match(
    explain(new ConnectError('Cannot pass the request on as node "n4" must be reachable', Code.Unavailable)),
    /\nSee how that node is: k3ts describe node n4$/,
  );
  match(explain(new ConnectError("who?", Code.Unauthenticated)), /KUBECONFIG/);
  match(explain(new ConnectError("self-signed certificate", Code.Internal)), /another cluster's CA/);
  match(explain(new ConnectError("invalid peer certificate", Code.Unavailable)), /another cluster's CA/);
  equal(explain(new ApiError({ code: 422, reason: "Invalid", message: "bad" })), "Error: bad");
});

Deno.test("what the system refuses is a sentence", () => {
  equal(explain(new Error("No space left on device (os error 28)")), "Error: No space left on device (os error 28)");
});

Deno.test("a mistake of ours is shown with its stack", () => {
  match(explain(new TypeError("oh")), /TypeError: oh\n +at /);
});
