import { equal } from "node:assert/strict";
import fc from "fast-check";
import { prefixLines } from "./log_prefix.ts";

Deno.test("every line gets its prefix, however the log is cut", () => {
  fc.assert(fc.property(fc.string(), fc.integer({ min: 1, max: 5 }), (text, size) => {
    const bytes = new TextEncoder().encode(text.replaceAll("x", "\n"));
    const put = prefixLines("> ");
    let out = "";
    const decoder = new TextDecoder();
    for (let at = 0; at < bytes.length; at += size) {
      out += decoder.decode(put(bytes.subarray(at, at + size)), { stream: true });
    }
    equal(out, new TextDecoder().decode(bytes).replace(/^(?!$)|(?<=\n)(?!$)/g, "> "));
  }));
});

Deno.test("without a prefix a log stays as it is", () => {
  const data = new TextEncoder().encode("a\nb");
  equal(prefixLines("")(data), data);
});
