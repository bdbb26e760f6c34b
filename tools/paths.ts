/** The checkout and the cache that all checkouts on the machine share. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of this checkout, absolute. */
export const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** `$XDG_CACHE_HOME/k3ts`: compiled native parts, built tools. */
export const CACHE: string = `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/root"}/.cache`}/k3ts`;

/** A link to the native parts that fit this checkout's sources. */
export const NATIVE_LINK: string = `${ROOT}/.k3ts/native`;
