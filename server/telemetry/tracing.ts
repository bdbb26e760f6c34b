/** Where calls become parts of traces: HTTP requests are by Deno itself, those of plugins here. */
import type { Interceptor } from "@connectrpc/connect";
import type { RegistryOptions } from "@k3ts/api";
import { currentTrace, span, withinTrace } from "@k3ts/client/telemetry";

/** For the registry: writes say of which trace they are part. */
export const TRACING: RegistryOptions["tracing"] = {
  current: currentTrace,
  span: (name, work) => span(name, {}, work),
};

/** For calls over frames, whose callers name their trace in the header `traceparent`. */
export const continueTrace: Interceptor = (next) => (request) => {
  const traceparent = request.header.get("traceparent") ?? "";
  if (traceparent === "") return next(request);
  const name = `${request.service.typeName}/${request.method.name}`;
  return withinTrace(traceparent, () => span(name, { "rpc.system": "connect" }, () => next(request)));
};
