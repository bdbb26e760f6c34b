/** Which form a client wants, by its `Accept` header (RFC 9110, and the parameters that Kubernetes adds). Pure. */
import type { FormChoice, IncludeObject } from "@k3ts/api";

export const JSON_TYPE = "application/json";
export const YAML_TYPE = "application/yaml";
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";
export const PRODUCED = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE] as const;

export type Wanted = FormChoice | { as: "yaml" };

export interface MediaType {
  type: string;
  parameters: Readonly<Record<string, string>>;
}

/** Acceptable types, the best first. */
export function parseAccept(header: string): MediaType[] {
  return header.split(",").map((part) => {
    const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    return {
      type: type.toLowerCase(),
      parameters: Object.fromEntries(parameters.map((text) => {
        const at = text.indexOf("=");
        return at < 0 ? [text, ""] : [text.slice(0, at).toLowerCase(), text.slice(at + 1)];
      })),
    };
  }).filter(({ type }) => type !== "")
    .map((media, index) => ({ media, index, quality: Number(media.parameters.q ?? 1) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality || a.index - b.index)
    .map(({ media }) => media);
}

/**
 * The first acceptable form that there is.
 * @param include what the rows of a Table are to carry; undefined where there are no tables
 * @returns undefined when there is none
 */
export function chooseForm(accept: string, include: IncludeObject | undefined): Wanted | undefined {
  if (accept === "") return { as: "json" };
  for (const { type, parameters } of parseAccept(accept)) {
    const wanted = formOf(type, parameters, include);
    if (wanted !== undefined) return wanted;
  }
  return undefined;
}

function formOf(
  type: string,
  { as, g, v }: MediaType["parameters"],
  include: IncludeObject | undefined,
): Wanted | undefined {
  const isJson = type === JSON_TYPE || type === "*/*" || type === "application/*";
  if (as !== undefined) {
    // Tables and bare metadata are made as JSON only; clients that ask for them otherwise name JSON too.
    if (!isJson || g !== "meta.k8s.io" || v !== "v1") return undefined;
    if (as === "Table") return include && { as: "table", include };
    return as === "PartialObjectMetadata" || as === "PartialObjectMetadataList" ? { as: "metadata" } : undefined;
  }
  if (isJson) return { as: "json" };
  if (type === YAML_TYPE) return { as: "yaml" };
  return type === PROTOBUF_TYPE ? { as: "protobuf" } : undefined;
}

/** Whether the client wants all of discovery in one document. */
export function wantsAggregatedDiscovery(accept: string): boolean {
  const first = parseAccept(accept).find(({ type, parameters }) =>
    type === JSON_TYPE && (parameters.as === undefined || parameters.v === "v2")
  );
  return first?.parameters.as === "APIGroupDiscoveryList" && first.parameters.g === "apidiscovery.k8s.io";
}
