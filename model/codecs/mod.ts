/** The three encodings of objects: JSON, YAML and Kubernetes protobuf. */
export { decodeJson, decodeValue, encodeJson, parseJson } from "./json.ts";
export {
  type Decoded,
  DecodeError,
  type DecodeOptions,
  type FieldValidation,
  type Path,
  pathText,
} from "./problems.ts";
export { type Envelope, isEnvelope, openEnvelope } from "./envelope.ts";
export {
  decodeWatchEvent,
  encodeMessage,
  encodeProtobuf,
  encodeWatchEvent,
  type ListFrame,
  listFrame,
} from "./protobuf.ts";
export { decodeMessage, decodeProtobuf } from "./protobuf_decode.ts";
export { decodeYaml, encodeYaml } from "./yaml.ts";
export { parseYaml, parseYamlDocuments, type YamlDocument } from "./yaml_documents.ts";
