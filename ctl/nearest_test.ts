import { equal } from "node:assert/strict";
import fc from "fast-check";
import { nearest } from "./nearest.ts";

const WORDS = ["pods", "services", "deployments", "po", "svc"];

Deno.test("a mistyped word is recognised, another one is not", () => {
  equal(nearest("podz", WORDS), "pods");
  equal(nearest("deplyoments", WORDS), "deployments");
  equal(nearest("sercives", WORDS), "services");
  equal(nearest("gateways", WORDS), undefined);
});

Deno.test("a short word is not taken for any other short word", () => {
  equal(nearest("x", WORDS), undefined);
  equal(nearest("", WORDS), undefined);
  equal(nearest("foo", WORDS), undefined);
  equal(nearest("scv", WORDS), "svc");
});

Deno.test("one letter dropped, doubled or swapped is always found among words unlike each other", () => {
  const word = fc.constantFrom("deployments", "configmaps", "endpointslices");
  fc.assert(fc.property(word, fc.nat(8), fc.constantFrom("drop", "double", "swap"), (word, at, change) => {
    const [head, one, two, tail] = [word.slice(0, at), word[at]!, word[at + 1]!, word.slice(at + 2)];
    const typed =
      { drop: head + two + tail, double: head + one + one + two + tail, swap: head + two + one + tail }[change];
    equal(nearest(typed, ["deployments", "configmaps", "endpointslices"]), word);
  }));
});
