/**
 * Names of images (github.com/distribution/reference): `nginx` is `docker.io/library/nginx:latest`. Pure.
 */
export interface ImageReference {
  /** Host, perhaps with a port: docker.io, localhost:5000. */
  registry: string;
  /** library/nginx */
  repository: string;
  tag?: string;
  /** sha256:... */
  digest?: string;
}

const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;

/** An image's name is not one. Trying again does not help. */
export class InvalidImageName extends Error {
  override name = "InvalidImageName";
}

export function parseReference(text: string): ImageReference {
  const refuse = (because: string) => new InvalidImageName(`Cannot read image name "${text}" as ${because}`);
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw refuse("what follows @ must be sha256: and 64 hexadecimal digits");
  }
  const slash = named.indexOf("/");
  const first = slash === -1 ? "" : named.slice(0, slash);
  // Only what looks like a host is one: `library/nginx` is not.
  const hasHost = first.includes(".") || first.includes(":") || first === "localhost" || first !== first.toLowerCase();
  const registry = normalHost(hasHost ? first : "docker.io");
  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(":");
  const tag = colon > rest.lastIndexOf("/") ? rest.slice(colon + 1) : undefined;
  const path = tag === undefined ? rest : rest.slice(0, colon);
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  if (!REGISTRY.test(registry)) throw refuse(`its registry must be a host: it is "${registry}"`);
  if (!REPOSITORY.test(repository) || repository.length > 255) {
    throw refuse(`its repository must be lower case, of letters, digits and separators: it is "${repository}"`);
  }
  if (tag !== undefined && !TAG.test(tag)) throw refuse(`its tag must have letters, digits, _ . -: it is "${tag}"`);
  return {
    registry,
    repository,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    ...(tag === undefined && digest === undefined && { tag: "latest" }),
  };
}

function normalHost(host: string): string {
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}

/** In full, with host and tag: what images are looked up by. A digest wins over a tag. */
export function canonicalName(reference: ImageReference): string {
  const name = `${reference.registry}/${reference.repository}`;
  return reference.digest !== undefined ? `${name}@${reference.digest}` : `${name}:${reference.tag}`;
}

/** The name as {@link canonicalName} gives it. */
export function canonical(text: string): string {
  return canonicalName(parseReference(text));
}
