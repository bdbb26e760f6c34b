import { equal, throws } from "node:assert/strict";
import { positiveNumber, wholeNumber } from "./options.ts";

Deno.test("a number is what it says, and nothing else is one", () => {
  equal(wholeNumber("--seed", "0", 0), 0);
  equal(positiveNumber("--minutes", "0.5"), 0.5);
  for (const text of ["", "-1", "1.5", "1e3", "0x10", " 1", "Infinity", "many", "9".repeat(17)]) {
    throws(() => wholeNumber("--seed", text, 0), {
      name: "TypeError",
      message: new RegExp(`--seed must .*"${text}"$`),
    });
  }
  for (const text of ["", "0", "-1", "1e3", "Infinity", "NaN"]) {
    throws(() => positiveNumber("--minutes", text), TypeError);
  }
  throws(() => wholeNumber("--nodes", "1", 2), /--nodes must be a whole number of at least 2: it is "1"/);
});
