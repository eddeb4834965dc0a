// Commands and questions to the server, by docs/desk-api.md.
let csrf = "";
let onSignedOut = () => {};

export class Refused extends Error {
  constructor(status, code, message, retryAfter = 0) {
    super(message);
    Object.assign(this, { status, code, retryAfter });
  }
}

export function useSession(token, signedOut) {
  csrf = token;
  if (signedOut) onSignedOut = signedOut;
}

async function ask(method, path, body, { deadline = 12000 } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, credentials: "same-origin", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(deadline),
    });
  } catch {
    throw new Refused(0, "offline", "");
  }
  const text = await answer.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch {
    data = null;
  }
  if (answer.ok) return data;
  const error = data?.error ?? problemOf(data);
  const refused = new Refused(
    answer.status, error.code || `http_${answer.status}`, error.message || "",
    Number(answer.headers.get("Retry-After")) || 0,
  );
  if (refused.code === "not_signed_in") onSignedOut();
  throw refused;
}

/** The shop's API (`/api/v1`) refuses with problem+json. */
function problemOf(data) {
  const kind = String(data?.type ?? "").split("#")[1];
  if (!kind) return {};
  return { code: kind === "bad-value" ? "bad_input" : kind.replaceAll("-", "_"), message: data.detail || data.title };
}

const path = (parts, ...values) =>
  parts.reduce((made, part, i) => made + encodeURIComponent(values[i - 1]) + part);

export const get = (where) => ask("GET", where);
export const post = (where, body = {}) => ask("POST", where, body);
export const put = (where, body = {}) => ask("PUT", where, body);
export const remove = (where, body) => ask("DELETE", where, body);
export { path as at };
