import { equal, throws } from "node:assert/strict";
import { whyCutOff } from "./execute.ts";

Deno.test("a run that was told to end says by what it was cut off", () => {
  const told = new AbortController();
  told.abort(new Error("told to end by SIGINT"));
  equal(whyCutOff(told.signal.reason, told.signal), "told to end by SIGINT");
  // What it was at when it was told may fail in a way of its own.
  equal(whyCutOff(new TypeError("the stream is closed"), told.signal), "told to end by SIGINT");
});

Deno.test("a run that fails by itself was not cut off: it throws what happened, with its cause", () => {
  const lost = new Error("Nodes take no pods: n2", { cause: new Error("connection refused") });
  throws(() => whyCutOff(lost, new AbortController().signal), (error) => error === lost);
});
