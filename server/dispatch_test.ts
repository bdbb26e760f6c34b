import { deepEqual, equal, match } from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { unauthorized } from "@k3ts/api";
import { testApiServer } from "@k3ts/api/testing";
import { EchoService, StatusDetailSchema, VerifiedIdentitySchema } from "@k3ts/proto";
import { dispatch } from "./dispatch.ts";

const ADMIN = toBinary(
  VerifiedIdentitySchema,
  create(VerifiedIdentitySchema, { commonName: "admin", organizations: ["system:masters"] }),
).toBase64({ alphabet: "base64url" });

Deno.test("a stream that is refused ends in the protocol of its caller, with the Status that says why", async () => {
  await using server = await testApiServer();
  const handler = dispatch(server, () => {}, () => new Response(), () => {});
  const ask = (contentType: string) =>
    handler(
      new Request("http://server/k3ts.v1.StreamService/Logs", {
        method: "POST",
        headers: { "content-type": contentType, "k3ts-identity": ADMIN, "k3ts-pod": "default/none" },
      }),
    );
  const connect = await ask("application/connect+proto");
  const frame = new Uint8Array(await connect.arrayBuffer());
  const end = JSON.parse(new TextDecoder().decode(frame.subarray(5)));
  deepEqual([frame[0], end.error.code, end.error.message], [2, "not_found", 'pods "none" not found']);
  equal(end.error.details[0].type, StatusDetailSchema.typeName);
  const grpc = await ask("application/grpc-web+proto");
  equal(grpc.headers.get("grpc-status"), String(Code.NotFound));
});

Deno.test("a fault of a service is told in the log, a refusal is not, and both are answered as such", async () => {
  await using server = await testApiServer();
  const faults: string[] = [];
  const service: Partial<ServiceImpl<typeof EchoService>> = {
    say({ text }) {
      throw text === "who" ? unauthorized() : new TypeError("oh");
    },
    // deno-lint-ignore require-yield -- it fails before its first message
    async *repeat() {
      throw new TypeError("ah");
    },
  };
  const handler = dispatch(
    server,
    (router) => router.service(EchoService, service),
    () => new Response(null, { status: 404 }),
    (error, call) => faults.push(`${call}: ${error}`),
  );
  await using http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler);
  const echo = createClient(
    EchoService,
    createConnectTransport({ httpVersion: "1.1", baseUrl: `http://127.0.0.1:${http.addr.port}` }),
  );
  const failure = (call: Promise<unknown>) => call.then(() => undefined, ConnectError.from);
  equal((await failure(echo.say({ text: "who" })))?.code, Code.Unauthenticated);
  equal((await failure(echo.say({ text: "what" })))?.code, Code.Internal);
  const stream = await failure(Array.fromAsync(echo.repeat({})));
  equal(stream?.code, Code.Internal);
  match(
    faults.join("\n"),
    /^\/k3ts\.v1\.EchoService\/Say: TypeError: oh\n\/k3ts\.v1\.EchoService\/Repeat: TypeError: ah$/,
  );
});
