import { deepEqual, equal, throws } from "node:assert/strict";
import { parseOptions, SAMPLE_COUNT, selectionText } from "./options.ts";
import { sigOf } from "./outcome.ts";
import { SAMPLE } from "./sample.ts";

Deno.test("without a choice it is the whole sample on two nodes", () => {
  const { selection, nodes } = parseOptions([]);
  deepEqual(selection, { kind: "sample", count: SAMPLE_COUNT });
  equal(nodes, 2);
});

Deno.test("two choices, one node, no number and what is unknown are refused", () => {
  throws(() => parseOptions(["--all", "--failed"]), /Only one of/);
  throws(() => parseOptions(["--nodes", "1"]), /--nodes must be a whole number of at least 2: it is "1"/);
  throws(() => parseOptions(["--sample", "many"]), /--sample must be a whole number/);
  throws(() => parseOptions(["--focus", "("]), /--focus needs a regular expression/);
  throws(() => parseOptions(["--fast"]), TypeError);
});

Deno.test("a selection is told from every other one", () => {
  const texts = [["--all"], ["--failed"], ["--sample", "5"], ["--sample", "6"], ["--focus", "a"], ["--focus", "b"]]
    .map((args) => selectionText(parseOptions(args).selection));
  equal(new Set(texts).size, texts.length);
});

Deno.test("the sample has sixty tests of all groups, and so do its beginnings", () => {
  equal(SAMPLE.length, SAMPLE_COUNT);
  equal(new Set(SAMPLE).size, SAMPLE.length);
  equal(SAMPLE.every((name) => name.includes("[Conformance]")), true);
  equal(new Set(SAMPLE.map(sigOf)).size, 10);
  equal(new Set(SAMPLE.slice(0, 8).map(sigOf)).size >= 5, true);
});
