import { deepEqual as assertEquals } from "node:assert/strict";
import { placeLeading, settleFlags, splitArguments } from "./arguments.ts";

const placed = (words: string[], commandWords: number) => placeLeading(splitArguments(words), commandWords);

Deno.test("options of the cluster may stand before the command", () => {
  assertEquals(placed(["-n", "web", "--context=a", "get", "pods"], 1), ["get", "-n", "web", "--context=a", "pods"]);
  assertEquals(placed(["-nweb", "rollout", "status", "x"], 2), ["rollout", "status", "-nweb", "x"]);
});

Deno.test("what stands behind the command stays where it is", () => {
  assertEquals(placed(["exec", "pod", "--", "ls", "-n", "x"], 1), ["exec", "pod", "--", "ls", "-n", "x"]);
});

Deno.test("an option without its value, and one that is not of the cluster, is left to the command", () => {
  assertEquals(splitArguments(["--namespace"]), { leading: [], rest: ["--namespace"] });
  assertEquals(splitArguments(["--help"]), { leading: [], rest: ["--help"] });
});

Deno.test("flags take true and false behind an equals sign", () => {
  const flag = (long: string, more = {}) => ({ long, required: false, optional: false, negate: false, ...more });
  const options = [
    flag("--watch"),
    flag("--no-wait", { negate: true }),
    flag("--dry-run", { optional: true }),
    flag("--output", { required: true }),
  ];
  const settle = (...words: string[]) => settleFlags(words, options);
  assertEquals(settle("--watch=true", "--watch=false", "--wait=false", "--wait"), ["--watch", "--no-wait"]);
  assertEquals(settle("--dry-run", "pod/a", "--dry-run=client"), ["--dry-run=", "pod/a", "--dry-run=client"]);
  assertEquals(settle("--output=true", "--what=true", "--", "--watch=true"), [
    "--output=true",
    "--what=true",
    "--",
    "--watch=true",
  ]);
});
