/** Errors of Connect as the end of a call, and back. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type FrameEnd, FrameEndSchema } from "../mod.ts";

/** The code of an end that is not an error. */
export const OK = 0;
/** Most causes told to a caller, and most characters of each. */
const CAUSES_MAX = 8;
const CAUSE_LENGTH_MAX = 1024;

export function endOf(reason: unknown, trailers: Headers): FrameEnd {
  // What is no ConnectError was not meant for the caller's eyes; the peers of a frame channel are all ours, though.
  const error = ConnectError.from(reason, Code.Internal);
  return create(FrameEndSchema, {
    code: error.code,
    message: error.rawMessage,
    details: error.details.flatMap((detail) =>
      "desc" in detail ? encodeDetail(detail.desc, detail.value) : [{ type: detail.type, value: detail.value }]
    ),
    causes: causesOf(error),
    trailers: { ...toRecord(error.metadata), ...toRecord(trailers) },
  });
}

export function errorOf(end: FrameEnd): ConnectError {
  const code = Code[end.code] === undefined ? Code.Unknown : end.code;
  const cause = end.causes.reduceRight<Error | undefined>(
    (inner, text) => new Error(text, { cause: inner }),
    undefined,
  );
  const error = new ConnectError(end.message, code, end.trailers, undefined, cause);
  error.details = end.details.map(({ type, value }) => ({ type, value }));
  return error;
}

/** Values of one name are joined by a comma, as everywhere in HTTP. */
export function toRecord(headers: Headers): Record<string, string> {
  return Object.fromEntries(headers);
}

/** Nothing for a detail that is no message of its type: the error itself is worth more. */
function encodeDetail<Desc extends DescMessage>(desc: Desc, value: MessageInitShape<Desc>) {
  try {
    return [{ type: desc.typeName, value: toBinary(desc, create(desc, value)) }];
  } catch {
    return [];
  }
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  for (let cause = error.cause; cause !== undefined && causes.length < CAUSES_MAX;) {
    causes.push(String(cause instanceof Error ? cause.message : cause).slice(0, CAUSE_LENGTH_MAX));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}
