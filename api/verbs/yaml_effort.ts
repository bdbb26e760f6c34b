/** How much work a body in YAML may make. Its parser is slow, and while it works nobody else is answered. */
import { DecodeError } from "@k3ts/model";
import { Lexer } from "yaml";

/** Bytes. Larger objects come as JSON, for which there are no such limits. */
const YAML_BYTES_MAX = 256 * 1024;
/** Keys, and items between brackets, which may be keys: each costs the parser some ten microseconds. */
const YAML_KEYS_MAX = 8_192;
/** Real objects have a handful; the body says less than what it stands for. */
const YAML_ALIASES_MAX = 256;
/** The parser recurses into each. */
const YAML_OPEN_MAX = 256;

/**
 * Refuses what would keep the YAML parser busy for long.
 * @throws {DecodeError}
 */
export function refuseLaboriousYaml(bytes: Uint8Array): void {
  if (bytes.length > YAML_BYTES_MAX) {
    throw new DecodeError(`yaml: a document may have ${YAML_BYTES_MAX} bytes at most: it has ${bytes.length}`);
  }
  let keys = 0;
  let aliases = 0;
  let open = 0;
  for (const token of new Lexer().lex(new TextDecoder().decode(bytes))) {
    if (token === ":" || token === "?" || token === ",") keys++;
    else if (token[0] === "*") aliases++;
    else if (token === "[" || token === "{") open++;
    else if (token === "]" || token === "}") open--;
    if (keys > YAML_KEYS_MAX) throw new DecodeError(`yaml: a document may have ${YAML_KEYS_MAX} keys at most`);
    if (aliases > YAML_ALIASES_MAX) {
      throw new DecodeError(`yaml: a document may have ${YAML_ALIASES_MAX} aliases at most`);
    }
    if (open > YAML_OPEN_MAX) throw new DecodeError("yaml: exceeded max depth");
  }
}
