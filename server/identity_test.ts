import { create, toBinary } from "@bufbuild/protobuf";
import { deepEqual } from "node:assert/strict";
import { VerifiedIdentitySchema } from "@k3ts/proto";
import { credentialsOf, IDENTITY_HEADER } from "./identity.ts";

const identity = toBinary(VerifiedIdentitySchema, create(VerifiedIdentitySchema, { remoteAddress: "127.0.0.1:1" }))
  .toBase64({ alphabet: "base64url" });

/** As they come from the wire. */
const bytesOf = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));

Deno.test("names of any language may be impersonated", () => {
  const headers = new Headers({
    [IDENTITY_HEADER]: identity,
    "impersonate-user": bytesOf("Łukasz"),
    "impersonate-group": bytesOf("wöchentlich"),
    "impersonate-extra-scopes": bytesOf("読む"),
  });
  headers.append("impersonate-group", "plain");
  deepEqual(credentialsOf(headers).impersonate, {
    user: "Łukasz",
    groups: ["wöchentlich", "plain"],
    extra: { scopes: ["読む"] },
  });
});
