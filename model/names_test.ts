import { deepEqual as assertEquals, match as assertMatch, ok as assert } from "node:assert/strict";
import fc from "fast-check";
import {
  configKeyProblems,
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  environmentNameProblems,
  generateName,
  labelValueProblems,
  pathSegmentProblems,
  portNameProblems,
  qualifiedNameProblems,
} from "./names.ts";

Deno.test("a DNS label has no dots, no capitals and no dash at its ends", () => {
  assertEquals(dnsLabelProblems("my-name-1"), []);
  assertEquals(dnsLabelProblems("a.b"), ["must not contain dots"]);
  for (const bad of ["", "A", "-a", "a-", "a_b"]) assertEquals(dnsLabelProblems(bad).length, 1, bad);
  assertEquals(dnsLabelProblems("a".repeat(64)), ["must be no more than 63 characters"]);
});

Deno.test("what is wrong with a name is said in Kubernetes's words", () => {
  assertEquals(dnsSubdomainProblems("A"), [
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start " +
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ]);
});

Deno.test("a label of RFC 1035 begins with a letter", () => {
  assertEquals(dns1035LabelProblems("a1"), []);
  assertEquals(dns1035LabelProblems("1a").length, 1);
});

Deno.test("a qualified name may have a domain before it", () => {
  for (const good of ["a", "a/b", "example.com/A_b.c"]) assertEquals(qualifiedNameProblems(good), [], good);
  for (const bad of ["", "/a", "a/", "a/b/c", "A/b", "a b"]) assert(qualifiedNameProblems(bad).length > 0, bad);
});

Deno.test("other names follow their own rules", () => {
  assertEquals(labelValueProblems(""), []);
  assertEquals(configKeyProblems("..data"), ["must not start with '..'"]);
  assertEquals(environmentNameProblems("any thing"), []);
  assertEquals(environmentNameProblems("a=b").length, 1);
  assertEquals(pathSegmentProblems("system:node", false), []);
  assertEquals(pathSegmentProblems("a/b%", false), ["may not contain '/'", "may not contain '%'"]);
  assertEquals(portNameProblems("80"), ["must contain at least one letter (a-z)"]);
});

Deno.test("whatever the prefix and the dice, a made name is its prefix, cut to fit, and five safe characters", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][a-z-]{0,80}$/),
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      (prefix, dice) => {
        const name = generateName(prefix, () => dice.next().value as number);
        assert(name.length <= 63);
        assert(prefix.startsWith(name.slice(0, -5)));
        assertMatch(name.slice(-5), /^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      },
    ),
  );
});
