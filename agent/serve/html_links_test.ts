import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { leadLink, LinkRewriter } from "./html_links.ts";

const PREFIX = "/api/v1/namespaces/n/pods/p/proxy";
const place = { prefix: PREFIX, hosts: ["10.42.0.7:80", "api:6443"] };

function rewritten(...pieces: string[]): string {
  const rewriter = new LinkRewriter(place);
  return pieces.map((piece) => rewriter.push(piece)).join("") + rewriter.end();
}

Deno.test("a link by its whole path is led to where the pod is seen, every other one is not", () => {
  const cases: [string, string][] = [
    ["/x?a=b#c", `${PREFIX}/x?a=b#c`],
    ["/", `${PREFIX}/`],
    ["http://10.42.0.7:80/x", `${PREFIX}/x`],
    ["HTTPS://API:6443/x", `${PREFIX}/x`],
    ["//10.42.0.7:80/x", `${PREFIX}/x`],
    [`${PREFIX}/x`, `${PREFIX}/x`],
    [`${PREFIX}y`, `${PREFIX}${PREFIX}y`],
    ["x/y", "x/y"],
    ["../x", "../x"],
    ["#x", "#x"],
    ["?x", "?x"],
    ["", ""],
    ["http://elsewhere/x", "http://elsewhere/x"],
    ["//elsewhere/x", "//elsewhere/x"],
    ["mailto:a@b", "mailto:a@b"],
    ["javascript:/x/", "javascript:/x/"],
  ];
  for (const [link, wanted] of cases) equal(leadLink(link, place), wanted, link);
});

Deno.test("links in attributes are led, whatever their quotes; texts, other attributes and scripts stay", () => {
  const cases: [string, string][] = [
    ['<a href="/x">/x</a>', `<a href="${PREFIX}/x">/x</a>`],
    ["<A HREF = '/x' title='/x'>", `<A HREF = '${PREFIX}/x' title='/x'>`],
    ["<img src=/x alt=/x>", `<img src=${PREFIX}/x alt=/x>`],
    ['<form action="/x" method="/y">', `<form action="${PREFIX}/x" method="/y">`],
    ['<a title=">" href="/x">', `<a title=">" href="${PREFIX}/x">`],
    ["<p href='/x'>", "<p href='/x'>"],
    ["<!-- <a href='/x'> --><a href='/x'>", `<!-- <a href='/x'> --><a href='${PREFIX}/x'>`],
    [
      "<script src='/x'>s = \"<a href='/x'>\"</script><a href='/x'>",
      `<script src='${PREFIX}/x'>s = "<a href='/x'>"</script><a href='${PREFIX}/x'>`,
    ],
    ["a < b and <", "a < b and <"],
    ['<a href="/x', '<a href="/x'],
    ["<!doctype html><html>\xff\xe4</html>", "<!doctype html><html>\xff\xe4</html>"],
  ];
  for (const [page, wanted] of cases) equal(rewritten(page), wanted, page);
});

Deno.test("however a page is cut into pieces, it becomes the same", () => {
  const part = fc.constantFrom(
    "<a href='/x'>",
    '<a href="/y" title=">">',
    "<script>",
    "</script>",
    "<!--",
    "--",
    "-->",
    "<",
    ">",
    "'",
    '"',
    "text",
    " ",
    "/z",
    "<textarea>",
    "</textarea >",
    "<img src=/q>",
  );
  fc.assert(fc.property(fc.array(part), fc.array(fc.nat(200)), (parts, cuts) => {
    const page = parts.join("");
    const at = [0, ...cuts.map((cut) => cut % (page.length + 1)).sort((a, b) => a - b), page.length];
    const pieces = at.slice(1).map((end, index) => page.slice(at[index], end));
    equal(rewritten(...pieces), rewritten(page));
  }));
});

Deno.test("a tag without an end is neither kept for ever nor lost", () => {
  const rewriter = new LinkRewriter(place);
  const page = `<a ${"x".repeat(200_000)}`;
  const out = rewriter.push(page);
  equal(out.length > 190_000, true);
  equal(out + rewriter.end(), page);
});

Deno.test("a page whose tags are one long name takes no longer than its length", () => {
  const tag = `<a ${"x".repeat(200_000)}>`;
  const began = performance.now();
  equal(rewritten(tag), tag);
  const spaces = `<a ${"x".repeat(1_000)}${" ".repeat(200_000)}>`;
  equal(rewritten(spaces), spaces);
  ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
});
