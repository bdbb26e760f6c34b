/**
 * Fills Secrets that are to hold a token of a service account, as they are made. Never later: who may change a Secret
 * but make none gets no token of an account by naming it.
 */
import type { ApiObject } from "@k3ts/model";
import type { ServiceAccountTokens } from "../auth/service_account_tokens.ts";
import type { Cache } from "../cache/cache.ts";
import { forbidden } from "../status.ts";
import { type AdmissionPlugin, concerns } from "./admission.ts";

const ACCOUNTS = { group: "", resource: "serviceaccounts" };
const TYPE = "kubernetes.io/service-account-token";
const NAME = "kubernetes.io/service-account.name";
const UID = "kubernetes.io/service-account.uid";

interface SecretData extends ApiObject {
  type?: string;
  data?: Record<string, string>;
}

/** @param caCertificate PEM, for whoever uses the token; absent: none is given */
export function tokenSecret(cache: Cache, tokens: ServiceAccountTokens, caCertificate?: string): AdmissionPlugin {
  return {
    name: "TokenSecret",
    mutate(request) {
      if (request.operation !== "CREATE" || !concerns(request, "", "secrets")) return;
      const secret = request.object as SecretData;
      const account = secret.metadata.annotations?.[NAME];
      // Without the name it is refused as invalid.
      if (secret.type !== TYPE || !account) return;
      const { namespace } = request;
      const uid = cache.get(ACCOUNTS, namespace, account)?.uid;
      if (uid === undefined) {
        throw forbidden(request.resource, request.name, `there is no service account ${namespace}/${account}`);
      }
      const { annotations = {}, name } = secret.metadata;
      secret.metadata.annotations = { ...annotations, [UID]: uid };
      secret.data = {
        ...(caCertificate !== undefined && { "ca.crt": btoa(caCertificate) }),
        namespace: btoa(namespace),
        ...secret.data,
      };
      return tokens.signLegacy({ namespace, serviceAccount: { name: account, uid }, secret: name }).then((token) => {
        secret.data = { ...secret.data, token: btoa(token) };
      });
    },
  };
}
