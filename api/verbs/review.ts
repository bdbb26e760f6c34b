/** Questions that are answered and not stored: may somebody do something, who is somebody. */
import { formatTime } from "@k3ts/model";
import { TokenRefused, userOfToken } from "../auth/service_account_tokens.ts";
import type { User } from "../auth/user.ts";
import { badRequest, methodNotSupported } from "../status.ts";
import {
  type AccessReview,
  reviewAccess,
  reviewLocalAccess,
  reviewOwnAccess,
  reviewOwnRules,
} from "./access_review.ts";
import type { Verbs } from "./context.ts";
import { decodeObject } from "./decode.ts";
import { existenceIn } from "./existence.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";

interface Review extends AccessReview {
  spec?: AccessReview["spec"] & { token?: string; audiences?: string[] };
}

type Answer = (review: Review, request: CreateRequest, verbs: Verbs) => object | Promise<object>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  selfsubjectaccessreviews: reviewOwnAccess,
  subjectaccessreviews: reviewAccess,
  localsubjectaccessreviews: reviewLocalAccess,
  selfsubjectrulesreviews: reviewOwnRules,
  selfsubjectreviews: (_review, { user }) => ({ userInfo: userInfo(user) }),
  tokenreviews: reviewToken,
};

export async function answerReview(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { resource, body, fieldValidation } = request;
  const answer = ANSWERS[resource.resource];
  if (answer === undefined) throw methodNotSupported(resource, "create");
  const { object, problems } = decodeObject(resource, body, fieldValidation);
  const review = object as Review;
  const status = await answer(review, request, verbs);
  const metadata = resource.resource === "selfsubjectreviews"
    ? { creationTimestamp: formatTime(verbs.clock.wall()) }
    : { ...review.metadata, creationTimestamp: null };
  const { kind, apiVersion } = review;
  // Of the rules' review nothing is repeated, of one's own review there is nothing to.
  const repeats = resource.resource !== "selfsubjectreviews";
  const spec = resource.resource === "selfsubjectrulesreviews" ? {} : review.spec;
  const answered = { kind, apiVersion, metadata, ...(repeats && spec && { spec }), status };
  return valueReply(answered, 201, problems);
}

async function reviewToken({ spec = {} }: Review, _request: CreateRequest, verbs: Verbs): Promise<object> {
  const { token = "", audiences = [] } = spec;
  if (token === "") throw badRequest("token is required for TokenReview in authentication");
  const wanted = audiences.length === 0 ? [verbs.tokens.issuer] : audiences;
  try {
    const claims = await verbs.tokens.verify(token, wanted);
    if (claims === undefined) return { user: {}, error: "invalid bearer token" };
    const user = userOfToken(claims, existenceIn(verbs));
    return { authenticated: true, user: userInfo(user), audiences: claims.aud.filter((one) => wanted.includes(one)) };
  } catch (error) {
    if (error instanceof TokenRefused) return { user: {}, error: error.message };
    throw error;
  }
}

function userInfo({ name, uid, groups, extra }: User): object {
  return { username: name, ...(uid !== undefined && { uid }), groups, ...(extra !== undefined && { extra }) };
}
