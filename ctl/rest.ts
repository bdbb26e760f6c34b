/** The server's HTTP API, for what is no object of ResourceService: OpenAPI, metrics, health. */
import { ApiError, type ClusterAccess, type Status } from "@k3ts/client";

export interface RestClient {
  /** @throws {ApiError} */
  get(path: string, as?: "json" | "text"): Promise<unknown>;
  /** The server's clock, in ms since the epoch and whole seconds. @throws {ApiError} when it does not answer */
  time(): Promise<number>;
  close(): void;
}

const ANSWER_MS_MAX = 30_000;

/** Nothing is opened before the first request. @param headers sent with every request */
export function restClient(access: ClusterAccess, headers: [string, string][]): RestClient {
  let client: Deno.HttpClient | undefined;
  return {
    async time() {
      client ??= httpClient(access);
      const response = await request(client, access, "/version", headers);
      await response.body?.cancel();
      // It has been on its way for less than the second that it is cut to.
      return Date.parse(response.headers.get("date") ?? "") + 500;
    },
    async get(path, as = "json") {
      client ??= httpClient(access);
      const response = await request(client, access, path, headers);
      const text = await response.text();
      if (!response.ok) throw new ApiError(statusOf(response, text, path));
      return as === "text" ? text : JSON.parse(text);
    },
    close: () => client?.close(),
  };
}

function httpClient({ caCertificate, certificate, key }: ClusterAccess): Deno.HttpClient {
  return Deno.createHttpClient({
    ...(caCertificate !== undefined && { caCerts: [caCertificate] }),
    ...(certificate !== undefined && key !== undefined && { cert: certificate, key }),
  });
}

async function request(
  client: Deno.HttpClient,
  { url, token }: ClusterAccess,
  path: string,
  headers: [string, string][],
): Promise<Response> {
  const sent = new Headers({
    accept: "application/json",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  });
  for (const [name, value] of headers) sent.append(name, value);
  try {
    return await fetch(new URL(path, url), { client, headers: sent, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch (error) {
    const message = `the connection to the server failed: ${(error as Error).message}`;
    throw new ApiError({ code: 503, reason: "ServiceUnavailable", message }, error);
  }
}

function statusOf(response: Response, text: string, path: string): Status {
  try {
    const status = JSON.parse(text) as Status | null;
    if (status?.message !== undefined) return status;
  } catch {
    // No Status: a gateway between us and the server has answered, in words of its own.
  }
  return {
    code: response.status,
    message: `${path}: the server answered ${response.status} ${text.slice(0, 200).trim()}`,
  };
}
