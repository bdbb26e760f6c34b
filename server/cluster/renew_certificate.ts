/** A node exchanges its certificate for a younger one: by its certificate, and for its own name only. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { nodeNameOf, type User } from "@k3ts/api";
import type { NodeService } from "@k3ts/proto";
import { credentialsOf } from "../identity.ts";
import type { CertificateAuthority } from "./certificates.ts";

/** Requests to sign are small; what is larger is something else. */
const CERTIFICATE_REQUEST_BYTES_MAX = 16 * 1024;

export interface RenewalOptions {
  ca: CertificateAuthority;
  identify: (context: HandlerContext) => Promise<User>;
}

export function renewCertificate(
  { ca, identify }: RenewalOptions,
): Pick<ServiceImpl<typeof NodeService>, "renewCertificate"> {
  return {
    async renewCertificate({ certificateRequest }, context) {
      const user = await identify(context);
      const { certificate, impersonate } = credentialsOf(context.requestHeader);
      // Who is only taken for a node, by a token or an administrator's leave, gets nothing that lasts longer than that.
      if (!nodeNameOf(user) || certificate?.commonName !== user.name || impersonate !== undefined) {
        throw new ConnectError(
          `Cannot renew the certificate as the caller must be a node, by its certificate: it is "${user.name}"`,
          Code.PermissionDenied,
        );
      }
      return { certificate: await signForNode(ca, certificateRequest, user.name) };
    },
  };
}

/** @param user `system:node:NAME` @throws {ConnectError} InvalidArgument */
export async function signForNode(ca: CertificateAuthority, request: Uint8Array, user: string): Promise<string> {
  if (request.length > CERTIFICATE_REQUEST_BYTES_MAX) {
    throw new ConnectError(
      `Cannot sign the certificate request as it must have at most ${CERTIFICATE_REQUEST_BYTES_MAX} bytes: it has ${request.length}`,
      Code.InvalidArgument,
    );
  }
  try {
    return await ca.signClientRequest(new Uint8Array(request), { user, groups: ["system:nodes"] });
  } catch (error) {
    throw new ConnectError((error as Error).message, Code.InvalidArgument, undefined, undefined, error);
  }
}
