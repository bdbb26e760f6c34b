/**
 * The contracts between the parts of k3ts: every service and message of `k3ts/v1/*.proto`, as protobuf-es describes
 * them. How they travel over stdio, unix sockets and the FFI is in `@k3ts/proto/frames`.
 */
export * from "./gen/mod.ts";
