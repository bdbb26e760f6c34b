/** A container cannot be made as its configuration asks for what is not there. Tried again when that changes. */
export class ConfigError extends Error {
  override name = "ConfigError";
}
