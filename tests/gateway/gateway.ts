/** The real gateway under the real supervisor, in front of what a test puts behind it. */
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { join } from "node:path";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { GatewayService, MetricsService, SupervisedSocket_Protocol as Protocol } from "@k3ts/proto";
import { type Client, createClient } from "@connectrpc/connect";
import { dial, freePort, nativeProgram, Supervised } from "../supervisor/supervised.ts";
import { type Authority, createAuthority, type Credentials } from "@k3ts/tools/pki";

export interface Reply {
  status: number;
  headers: http2.IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

async function ask<T>(
  supervised: Supervised,
  question: (gateway: Client<typeof GatewayService>) => Promise<T>,
): Promise<T> {
  await using connection = await dial(supervised.path("run/gateway.sock"));
  return await question(createClient(GatewayService, connection.transport));
}

export class Gateway implements AsyncDisposable {
  private constructor(
    readonly supervised: Supervised,
    readonly authority: Authority,
    readonly admin: Credentials,
    readonly port: number,
  ) {}

  static async start(): Promise<Gateway> {
    const port = freePort();
    const authority = await createAuthority("k3ts");
    const admin = await authority.issue("CN=admin, O=system:masters");
    const supervised = await Supervised.start((folder) => ({
      sockets: [{ name: "api", protocol: Protocol.TCP, address: `127.0.0.1:${port}` }],
      processes: [{
        name: "gateway",
        command: [nativeProgram("k3ts-gateway"), "--data-dir", folder],
        sockets: ["api"],
        saysReady: true,
        logPath: join(folder, "logs/gateway.log"),
      }],
    }));
    const gateway = new Gateway(supervised, authority, admin, port);
    await Deno.mkdir(supervised.path("node"));
    await Deno.writeTextFile(supervised.path("node/name"), "one");
    await gateway.writeCertificate("CN=server");
    return gateway;
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  get serverSocket(): string {
    return this.supervised.path("run/server.sock");
  }

  get agentSocket(): string {
    return this.supervised.path("run/agent.sock");
  }

  async writeCertificate(subject: string): Promise<void> {
    const { cert, key } = await this.authority.issue(subject, { serving: true });
    await Deno.mkdir(this.supervised.path("pki"), { recursive: true });
    await Deno.writeTextFile(this.supervised.path("pki/server.key"), key);
    await Deno.writeTextFile(this.supervised.path("pki/ca.crt"), this.authority.cert);
    await Deno.writeTextFile(this.supervised.path("pki/server.crt"), cert);
  }

  status() {
    return ask(this.supervised, (gateway) => gateway.getStatus({}));
  }

  async reload(): Promise<void> {
    await ask(this.supervised, (gateway) => gateway.reloadCertificates({}));
  }

  /** One figure that it keeps; undefined when it has none of that name and labels. */
  async metric(series: string): Promise<number | undefined> {
    await using connection = await dial(this.supervised.path("run/gateway.sock"));
    const { text } = await createClient(MetricsService, connection.transport).getMetrics({});
    const line = text.split("\n").find((line) => line.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length));
  }

  /** One HTTP/2 connection. */
  connect(credentials?: Credentials): Connection {
    return new Connection(this.url, { ca: this.authority.cert, ...credentials });
  }

  sessions(credentials: Credentials): Http2SessionManager {
    return new Http2SessionManager(this.url, {}, { ca: this.authority.cert, ...credentials });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervised[Symbol.asyncDispose]();
  }
}

/** The gateway of a node by itself, which holds a tunnel to that of the server. */
export class NodeGateway implements AsyncDisposable {
  private constructor(readonly supervised: Supervised, readonly name: string) {}

  /** `port` may be that of something between the two. */
  static async start(to: Gateway, name: string, { port = to.port, credentials }: {
    port?: number;
    /** @default those of the node */
    credentials?: Credentials;
  } = {}): Promise<NodeGateway> {
    const supervised = await Supervised.start((folder) => ({
      processes: [{
        name: "gateway",
        command: [nativeProgram("k3ts-gateway"), "--data-dir", folder, "--server", `https://127.0.0.1:${port}`],
        saysReady: true,
        logPath: join(folder, "logs/gateway.log"),
      }],
    }));
    const node = new NodeGateway(supervised, name);
    await node.writeCertificate(to.authority, credentials ?? await nodeCredentials(to.authority, name));
    return node;
  }

  get agentSocket(): string {
    return this.supervised.path("run/agent.sock");
  }

  async writeCertificate(authority: Authority, { cert, key }: Credentials): Promise<void> {
    await Deno.mkdir(this.supervised.path("node"), { recursive: true });
    await Deno.writeTextFile(this.supervised.path("node/node.key"), key);
    await Deno.writeTextFile(this.supervised.path("node/ca.crt"), authority.cert);
    await Deno.writeTextFile(this.supervised.path("node/node.crt"), cert);
  }

  status() {
    return ask(this.supervised, (gateway) => gateway.getStatus({}));
  }

  async reload(): Promise<void> {
    await ask(this.supervised, (gateway) => gateway.reloadCertificates({}));
  }

  log(): Promise<string> {
    return Deno.readTextFile(this.supervised.path("logs/gateway.log"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervised[Symbol.asyncDispose]();
  }
}

export function nodeCredentials(authority: Authority, name: string): Promise<Credentials> {
  return authority.issue(`CN=system:node:${name}, O=system:nodes`);
}

export class Connection implements Disposable {
  readonly session: http2.ClientHttp2Session;

  constructor(url: string, options: http2.SecureClientSessionOptions) {
    this.session = http2.connect(url, options);
    // Whoever has a request open learns of it there.
    this.session.on("error", () => {});
  }

  request(headers: http2.OutgoingHttpHeaders, body?: Uint8Array | string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const stream = this.session.request(headers, { endStream: body === undefined });
      const pieces: Buffer[] = [];
      let head: http2.IncomingHttpHeaders & { ":status"?: number } = {};
      stream.on("response", (received) => head = received);
      stream.on("data", (piece: Buffer) => pieces.push(piece));
      stream.on("error", reject);
      stream.on("end", () => {
        const whole = Buffer.concat(pieces);
        resolve({ status: head[":status"] ?? 0, headers: head, body: whole, text: whole.toString() });
      });
      if (body !== undefined) stream.end(body);
    });
  }

  get(path: string, headers: http2.OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.request({ ":path": path, ...headers });
  }

  post(path: string, body: Uint8Array | string, headers: http2.OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.request({ ":method": "POST", ":path": path, ...headers }, body);
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}
