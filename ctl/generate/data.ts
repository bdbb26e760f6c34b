/** ConfigMaps and Secrets from literals and files. */
import { basename } from "node:path";
import { Problem } from "../problem.ts";

export interface DataWords {
  fromLiteral?: string[];
  fromFile?: string[];
  fromEnvFile?: string[];
}

const KEY = /^[-._a-zA-Z0-9]+$/;

/** @throws {Problem} for keys that are given twice or may not be, and files that cannot be read */
export async function readData({ fromLiteral = [], fromFile = [], fromEnvFile = [] }: DataWords) {
  const data = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = (key: string, value: Uint8Array<ArrayBuffer>) => {
    if (!KEY.test(key)) throw new Problem(`A key must be of letters, digits, "-", "_" and ".": "${key}" is not.`);
    if (data.has(key)) throw new Problem(`The key "${key}" is given twice.`);
    data.set(key, value);
  };
  const encoder = new TextEncoder();
  for (const text of fromLiteral) {
    const at = text.indexOf("=");
    if (at < 1) throw new Problem(`--from-literal must be KEY=VALUE: it is "${text}".`);
    add(text.slice(0, at), encoder.encode(text.slice(at + 1)));
  }
  for (const text of fromFile) {
    const at = text.indexOf("=");
    const path = text.slice(at + 1);
    for (const [key, file] of await filesOf(path, at < 0 ? undefined : text.slice(0, at))) add(key, await read(file));
  }
  for (const path of fromEnvFile) {
    for (const [key, value] of parseEnvFile(new TextDecoder().decode(await read(path)), path)) {
      add(key, encoder.encode(value));
    }
  }
  return data;
}

/** Lines `NAME=VALUE`; empty ones and those that begin with `#` are passed over. @param source named in errors */
export function parseEnvFile(text: string, source: string): [string, string][] {
  return text.split(/\r?\n/).map((line) => line.trimStart()).filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const at = line.indexOf("=");
      const name = at < 0 ? line : line.slice(0, at);
      if (name === "") throw new Problem(`Each line of ${source} must be NAME=VALUE: "${line}" is not.`);
      return [name, at < 0 ? Deno.env.get(name) ?? "" : line.slice(at + 1)];
    });
}

async function filesOf(path: string, key: string | undefined): Promise<[string, string][]> {
  const info = await Deno.stat(path).catch((error) => {
    throw new Problem(`Cannot read ${path}: ${error.message}`);
  });
  if (!info.isDirectory) return [[key ?? basename(path), path]];
  if (key !== undefined) throw new Problem(`A folder has a key a file: leave "${key}=" out.`);
  const files: [string, string][] = [];
  for await (const { name } of Deno.readDir(path)) {
    const isFile = (await Deno.stat(`${path}/${name}`).catch(() => undefined))?.isFile;
    if (isFile && KEY.test(name)) files.push([name, `${path}/${name}`]);
  }
  return files.toSorted();
}

async function read(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return await Deno.readFile(path).catch((error) => {
    throw new Problem(`Cannot read ${path}: ${error.message}`);
  });
}

/** What is no text goes into `binaryData`. */
export function configMapFields(data: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  const texts: Record<string, string> = {};
  const binary: Record<string, string> = {};
  for (const [key, bytes] of data) {
    try {
      texts[key] = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      binary[key] = bytes.toBase64();
    }
  }
  return {
    ...(Object.keys(texts).length > 0 && { data: texts }),
    ...(Object.keys(binary).length > 0 && { binaryData: binary }),
  };
}

export function secretData(data: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Record<string, string> {
  return Object.fromEntries([...data].map(([key, bytes]) => [key, bytes.toBase64()]));
}
