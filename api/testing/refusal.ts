import { equal, ok } from "node:assert/strict";
import { StatusError } from "../status.ts";

/** For `rejects` and `throws`: a refusal with this code, and this message where one is given. */
export function refusal(code: number, message?: string | RegExp): (error: unknown) => true {
  return (error) => {
    ok(error instanceof StatusError, String(error));
    equal(error.status.code, code, error.message);
    if (typeof message === "string") equal(error.message, message);
    else if (message !== undefined) ok(message.test(error.message), error.message);
    return true;
  };
}
